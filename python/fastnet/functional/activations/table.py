"""Facts about the activations: one row for each, at its function, which the rest of fastnet reads."""

from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from fastnet._core import activation as _core_activation
from fastnet._core import activation_backward as _core_activation_backward
from fastnet.functional._floats import FLOAT_DTYPES, Array, floats
from fastnet.support.validation import check_number

__all__ = ["ACTIVATIONS", "C", "Facts", "Onnx", "activate", "activate_backward"]

Function = TypeVar("Function", bound=Callable[..., Array])


class C(NamedTuple):
    """An activation in C: its comment, and its formula of a value ``v`` and the parameter ``alpha``.

    ``~`` follows functions of ``<math.h>`` and constants that are not integers, and becomes an f in float32. ``NAME_``
    begins the names of the other functions that it can call, which are in `fastnet.interchange.c.functions`.
    """

    comment: str
    formula: str


class Onnx(NamedTuple):
    """One way to write an activation with the operators of ONNX.

    Attributes
    ----------
    expression : str
        Calls of operators, and of other activations by their names, as in ``"Div(x, Add(Abs(x), 1))"``. ``x`` is the
        input, ``alpha`` the parameter of the activation; keywords are attributes. The operators are those that
        `fastnet.interchange.onnx_import.functions` computes, so that the layer is recognized again.
    opset : int
        The first opset that has all of its operators.
    float64 : bool
        Whether onnxruntime computes them in float64 too.
    """

    expression: str
    opset: int = 13
    float64: bool = True


class Facts:
    """One row of the table, and the decorator that puts it there, of the function that is the forward pass.

    Parameters
    ----------
    name : str
        The compiled core's name; by default that of the function.
    arguments : dict
        The keywords that the function is called with.
    alias : str
        Another name in Keras.
    parameter : (str, float), optional
        The name of the parameter, and its value in a layer that names the activation alone, as in Keras.
    positive : bool
        Whether the parameter must be above 0; it must never be below.
    by_row : bool
        Whether a value depends on the whole row.
    range : (float, float)
        Bounds of the values that the doctor holds targets against.
    c : C, optional
        The formula in C; those of whole rows are in `fastnet.interchange.c.functions`.
    onnx : tuple of Onnx
        The ways to write it; the first that the opset and the dtype allow is taken, so the last is for all of them.
    torch : str, optional
        The module of ``torch.nn`` with its arguments, ``{alpha!r}`` for the parameter.

    Attributes
    ----------
    function : callable
        The function of `fastnet.functional`; its backward pass is the function ``<name>_backward``.
    """

    function: Callable[..., Array]

    def __init__(
        self,
        name: str = "",
        *,
        arguments: Mapping[str, Any] | None = None,
        alias: str = "",
        parameter: tuple[str, float] | None = None,
        positive: bool = False,
        by_row: bool = False,
        range: tuple[float, float] = (-inf, inf),
        c: C | None = None,
        onnx: tuple[Onnx, ...] = (),
        torch: str | None = None,
    ) -> None:
        self.name = name
        self.arguments = arguments or {}
        self.alias = alias
        self.parameter = parameter
        self.positive = positive
        self.by_row = by_row
        self.range = range
        self.c = c
        self.onnx = onnx
        self.torch = torch

    def __call__(self, function: Function) -> Function:
        """Add the row for a function, which stays as it is."""
        self.function = function
        ACTIVATIONS[self.name or function.__name__] = self
        return function

    def checked(self, value: Any) -> float:
        """Return a value of the parameter as a float.

        Raises
        ------
        ValueError
            It is negative, or 0 where that is not possible.
        """
        assert self.parameter is not None
        return check_number(self.parameter[0], value, minimum=0.0, above=0.0 if self.positive else -inf)

    def values(self, x: ArrayLike) -> Array:
        """Return the activation of every value, with the default of its parameter."""
        return self.function(x, **self.arguments)


ACTIVATIONS: dict[str, Facts] = {}


def activate(name: str, x: ArrayLike, alpha: float = 0.0) -> Array:
    """Return an activation of the core, of every value."""
    if not (type(x) is np.ndarray and x.dtype in FLOAT_DTYPES):
        (x,) = floats(x=x)
    return _core_activation(name, x, alpha)


def activate_backward(
    name: str, grad_output: ArrayLike, kept: ArrayLike, alpha: float = 0.0, *, of: str = "output"
) -> Array:
    """Return the gradient with respect to the input; `of` says whether `kept` is the output or the input."""
    grad_output, kept = floats(**{"grad_output": grad_output, of: kept})
    if grad_output.shape != kept.shape:
        raise ValueError(f"grad_output must have the shape of {of}, {kept.shape}; got shape {grad_output.shape}")
    return _core_activation_backward(name, grad_output, kept, alpha)

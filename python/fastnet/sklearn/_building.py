"""Building the model of an estimator from a function, or from a `Sequential` as a template."""

import inspect
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any
from weakref import WeakSet

import numpy as np

from fastnet import losses
from fastnet.inputs.shapes import fits
from fastnet.models import Sequential
from fastnet.support.text import did_you_mean
from fastnet.support.validation import describe
from fastnet.training.copying import fresh_copy
from fastnet.utils import seeded

# The models that functions have returned: a repeated one would keep the weights of another fit.
_returned: WeakSet[Sequential] = WeakSet()


def check_arguments(build_fn: Any, names: Iterable[str]) -> None:
    """Refuse an invalid `build_fn`, and names of arguments that it does not accept."""
    if isinstance(build_fn, Sequential):
        if names := list(names):
            raise ValueError(f"build_args must be None if build_fn is a Sequential; got {', '.join(names)}")
        return
    if not callable(build_fn):
        raise TypeError(f"build_fn must be a function that returns a Sequential, or a Sequential; got {build_fn!r}")
    accepted, others = _parameters(build_fn)
    if unknown := [name for name in names if not others and name not in accepted]:
        function = getattr(build_fn, "__name__", type(build_fn).__name__)
        raise ValueError(
            f"build_args must hold arguments of {function}: {', '.join(accepted) or 'none'}; got {', '.join(unknown)}"
            f"{did_you_mean(unknown[0], accepted)}"
        )


def _parameters(build_fn: Callable[..., Any]) -> tuple[list[str], bool]:
    """Return the keywords of a function, and whether it accepts any others."""
    parameters = inspect.signature(build_fn).parameters.values()
    named = [one.name for one in parameters if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return named, any(one.kind is one.VAR_KEYWORD for one in parameters)


def new_model(build_fn: Any, build_args: Any, offered: Mapping[str, Any], seed: int) -> Sequential:
    """Return a model from `build_fn`, called with `build_args` and the arguments in `offered` that it accepts."""
    arguments = {} if build_args is None else build_args
    if not isinstance(arguments, Mapping):
        raise TypeError(f"build_args must be a dictionary of arguments for build_fn; got {describe(build_args)}")
    check_arguments(build_fn, arguments)
    if isinstance(build_fn, Sequential):
        return fresh_copy(build_fn, seed)
    accepted, others = _parameters(build_fn)
    with seeded(seed):
        model = build_fn(
            **{name: value for name, value in offered.items() if others or name in accepted} | dict(arguments)
        )
    if not isinstance(model, Sequential):
        raise TypeError(f"build_fn must return a Sequential; got {describe(model)}")
    if model in _returned:
        raise ValueError("build_fn must return a new Sequential each time; got one that it has returned before")
    _returned.add(model)
    return model


def make_weights(model: Sequential, input_shape: tuple[int, ...], outputs: Collection[int], of_y: str) -> None:
    """Build a model for samples of this shape, and refuse one with another number of outputs.

    `of_y` describes the targets in the message.
    """
    if model.input_shape is not None and not _takes(model.input_shape, input_shape):
        raise ValueError(f"the model has input_shape {model.input_shape}; the samples of X have shape {input_shape}")
    model.build(model.input_shape or input_shape)
    if len(model.output_shape or ()) != 1 or output_count(model) not in outputs:
        needed = " or ".join(f"({count},)" for count in outputs)
        raise ValueError(f"the model must have output_shape {needed} for {of_y}; got {model.output_shape}")


def _takes(input_shape: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    return fits((1, *shape), input_shape) or shape == (math.prod(input_shape),)


def as_inputs(model: Sequential, X: Any) -> Any:
    """Return samples for a model: rows of numbers in its input shape, which they cannot have in a pipeline."""
    shape = model.input_shape
    if shape is None or not isinstance(X, np.ndarray) or X.shape[1:] != (math.prod(shape),):
        return X
    return X.reshape(-1, *shape)


def compile_with(model: Sequential, loss: str, metrics: list[str]) -> None:
    """Compile a model with defaults, unless `build_fn` has; set a missing loss."""
    compilation = model._compilation
    if compilation is None:
        model.compile("adam", loss, metrics)
    elif compilation.loss is None:
        compilation.loss = losses.get(loss)


def output_count(model: Sequential) -> int:
    """Return the number of outputs of a built model."""
    return math.prod(model.output_shape or ())

"""The operators of ONNX that compute value by value or row by row, in NumPy and float64.

They are what recognizing layers in a graph, in `onnx_chains.py`, is done with.
"""

import functools
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import functional
from fastnet.functional.activations.table import ACTIVATIONS

__all__ = ["COMPARISONS", "FUNCTIONS", "REDUCTIONS", "ROW_FUNCTIONS"]

Array = NDArray[Any]
Attributes = Mapping[str, Any]
Function = Callable[..., Array]


def _plain(function: Function) -> Callable[[Attributes], Function]:
    """Return what makes the function of an operator that has no attributes."""
    return lambda _: function


def _clip(attributes: Attributes) -> Function:
    """Limits are inputs, any of which may be left out, or, before opset 11, attributes."""
    low, high = attributes.get("min"), attributes.get("max")

    def clip(x: Array, minimum: Array | None = None, maximum: Array | None = None) -> Array:
        minimum, maximum = (low if minimum is None else minimum), (high if maximum is None else maximum)
        x = x if minimum is None else np.maximum(x, minimum)
        return x if maximum is None else np.minimum(x, maximum)

    return clip


def _hard_sigmoid(attributes: Attributes) -> Function:
    alpha, beta = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return lambda x: np.clip(alpha * x + beta, 0.0, 1.0)


def _selu(attributes: Attributes) -> Function:
    alpha, gamma = (
        attributes.get("alpha", 1.67326319217681884765625),
        attributes.get("gamma", 1.05070102214813232421875),
    )
    return lambda x: gamma * functional.elu(x, alpha)


def _gelu(attributes: Attributes) -> Function:
    approximate = attributes.get("approximate", b"none") == b"tanh"
    return lambda x: functional.gelu(x, approximate)


def _swish(attributes: Attributes) -> Function:
    alpha = attributes.get("alpha", 1.0)
    return lambda x: x * functional.sigmoid(alpha * x)


def _leaky_relu(attributes: Attributes) -> Function:
    alpha = attributes.get("alpha", 0.01)
    return lambda x: np.where(x > 0.0, x, alpha * x)


def _elu(attributes: Attributes) -> Function:
    alpha = attributes.get("alpha", 1.0)
    return lambda x: np.where(x > 0.0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def _celu(attributes: Attributes) -> Function:
    alpha = attributes.get("alpha", 1.0)
    return lambda x: np.where(x > 0.0, x, alpha * np.expm1(np.minimum(x, 0.0) / alpha))


def _thresholded_relu(attributes: Attributes) -> Function:
    alpha = attributes.get("alpha", 1.0)
    return lambda x: np.where(x > alpha, x, 0.0)


def _shrink(attributes: Attributes) -> Function:
    threshold, bias = attributes.get("lambd", 0.5), attributes.get("bias", 0.0)
    return lambda x: np.where(np.abs(x) > threshold, x - np.copysign(bias, x), 0.0)


def _reduction(function: Callable[..., Any]) -> Callable[[Attributes], Function]:
    return lambda _: lambda x: function(x, axis=-1, keepdims=True)


COMPARISONS: dict[str, Callable[[Attributes], Function]] = {
    "Greater": _plain(np.greater),
    "GreaterOrEqual": _plain(np.greater_equal),
    "Less": _plain(np.less),
    "LessOrEqual": _plain(np.less_equal),
}

REDUCTIONS: dict[str, Callable[[Attributes], Function]] = {
    "ReduceMean": _reduction(np.mean),
    "ReduceSum": _reduction(np.sum),
    "ReduceMax": _reduction(np.max),
}

# The operators that are an activation and have no attributes that count, as in "Softsign(x)".
_ACTIVATIONS: dict[str, Callable[[Attributes], Function]] = {
    operator[1]: _plain(facts.values)
    for facts in ACTIVATIONS.values()
    for form in facts.onnx
    if (operator := re.fullmatch(r"(\w+)\(x(?:, axis=-1)?\)", form.expression))
}

# Made from the attributes of a node, a function of its inputs.
FUNCTIONS: dict[str, Callable[[Attributes], Function]] = {
    **_ACTIVATIONS,
    "Abs": _plain(np.abs),
    "Add": _plain(np.add),
    "Celu": _celu,
    "Clip": _clip,
    "Div": _plain(np.divide),
    "Elu": _elu,
    "Erf": _plain(np.vectorize(math.erf, otypes=[np.float64])),
    "Exp": _plain(np.exp),
    "Gelu": _gelu,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": _plain(functional.hard_silu),
    "LeakyRelu": _leaky_relu,
    "Log": _plain(np.log),
    "Max": _plain(lambda *arrays: functools.reduce(np.maximum, arrays)),
    "Min": _plain(lambda *arrays: functools.reduce(np.minimum, arrays)),
    "Mul": _plain(np.multiply),
    "Neg": _plain(np.negative),
    "PRelu": _plain(lambda x, slope: np.where(x > 0.0, x, slope * x)),
    "Pow": _plain(np.power),
    "Reciprocal": _plain(np.reciprocal),
    "Relu": _plain(lambda x: np.maximum(x, 0.0)),
    "Selu": _selu,
    "Shrink": _shrink,
    "Sqrt": _plain(np.sqrt),
    "Sub": _plain(np.subtract),
    "Swish": _swish,
    "Tanh": _plain(np.tanh),
    "ThresholdedRelu": _thresholded_relu,
    "Where": _plain(np.where),
    **COMPARISONS,
    **REDUCTIONS,
}

# The operators whose values depend on the other values of the row.
ROW_FUNCTIONS = frozenset([*REDUCTIONS, "Softmax", "LogSoftmax"])

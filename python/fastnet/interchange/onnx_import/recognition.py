"""Which activation or normalization a function is, told by its values."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet._core import activation_names
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.pieces import Activating, Piece, Plain
from fastnet.layers.functions import ActivationFunction, with_parameter

__all__ = ["Limits", "recognized_function", "recognized_row_function", "row_probes", "value_probes"]

Array = NDArray[Any]
Function = Callable[[Array], Array]

TOLERANCE = 1e-6  # constants in a graph are float32
_MOST_BISECTIONS = 128  # enough for every threshold above 1e-15
_ROW_FUNCTIONS = [name for name in activation_names() if ACTIVATIONS[name].by_row]
_FIXED = [name for name in activation_names() if not (ACTIVATIONS[name].by_row or ACTIVATIONS[name].parameter)]


def value_probes(shape: tuple[int, ...]) -> Array:
    """Return arrays of one number each, from the smallest to the largest that a function is told apart by.

    Beyond 20, where some ways to write a function overflow, only finite values count.
    """
    near = np.concatenate([np.linspace(-20.0, 20.0, 41), [-1e-3, 1e-3, -0.5, 0.5, 2.9, 3.1]])
    numbers = np.concatenate([near, [-1e6, -1e3, -50.0, 50.0, 1e3, 1e6]])
    return np.asarray(np.multiply.outer(numbers, np.ones(shape)))


def row_probes(size: int) -> Array:
    """Return rows of different scales; the shorter they are, the more."""
    count = max(8, min(2048 // size, 256))
    rows: Array = np.random.default_rng(0).standard_normal((count, size))
    return np.asarray(rows * np.geomspace(1e-3, 1e2, count)[:, None])


def _agree(values: Array, expected: Array, x: Array) -> bool:
    close = np.abs(values - expected) <= TOLERANCE * (1.0 + np.abs(expected))
    far = np.abs(x) > 20.0
    return bool((close | (far & ~(np.isfinite(values) & np.isfinite(expected)))).all())


def recognized_function(function: Function, x: Array) -> Piece | None:
    """Return the activation that computes value by value what the function does, if there is one."""
    values = function(x)
    for name in _FIXED:
        if _agree(values, ACTIVATIONS[name].values(x), x):
            return Activating(ActivationFunction(name))
    at_minus_one = function(np.full_like(x[:1], -1.0))[0]
    negative = np.minimum(x, 0.0)
    if _agree(values, np.maximum(x, 0.0) - at_minus_one * negative, x):
        return _sloped(-at_minus_one)
    alpha = at_minus_one / np.expm1(-1.0)
    if _is_one_number(alpha) and _agree(values, np.maximum(x, 0.0) + alpha * np.expm1(negative), x):
        return Activating(with_parameter("elu", float(alpha.flat[0])))
    for name, parameter in _parameters(function, x):
        if _agree(values, ACTIVATIONS[name].function(x, parameter), x):
            return Activating(with_parameter(name, parameter))
    return _limits(function, values, x)


def _parameters(function: Function, x: Array) -> Iterator[tuple[str, float]]:
    """Yield the activations with a parameter, other than slopes, and the parameter that would explain some values."""

    def at(number: float) -> float:
        return float(function(np.full_like(x[:1], number)).flat[0])

    low, high = at(x.min()), at(x.max())
    if low < 0.0 and math.isfinite(low):
        yield "celu", -low
    if low == 0.0 and 0.0 < high < x.max():
        yield "relu6", high
    if 0.0 < at(0.0) < math.inf:
        yield "squareplus", 4.0 * at(0.0) ** 2
    if at(0.0) == 0.0 and high > 0.0:
        threshold = _last_zero(at, float(x.max()))
        yield from ((name, threshold) for name in ("thresholded_relu", "hard_shrink", "soft_shrink"))


def _last_zero(function: Callable[[float], float], above: float) -> float:
    """Return the largest number up to which a function is 0, to the last digit; it is not 0 at `above`."""
    zero = 0.0
    for _ in range(_MOST_BISECTIONS):
        middle = (zero + above) / 2.0
        if middle in (zero, above):
            break
        zero, above = (middle, above) if function(middle) == 0.0 else (zero, middle)
    return zero


@dataclass(frozen=True, eq=False)
class Limits(Piece):
    """What keeps values between limits, of which one may be infinite."""

    low: float
    high: float


def _limits(function: Function, values: Array, x: Array) -> Limits | None:
    """Return the limits of a function that changes nothing between them."""
    ends = [function(np.full_like(x[:1], end)) for end in (x.min(), x.max())]
    if not all(bool((end == end.flat[0]).all()) for end in ends):
        return None
    low, high = (float(end.flat[0]) for end in ends)
    if not low < high or not _agree(values, np.clip(x, low, high), x):
        return None
    return Limits(-math.inf if low == x.min() else low, math.inf if high == x.max() else high)


def _sloped(slope: Array) -> Piece:
    """Return the rectifier with such slopes: one for all values where they are equal."""
    if _is_one_number(slope):
        return Activating(with_parameter("leaky_relu", float(slope.flat[0])))
    return Plain(layers.PReLU, {}, [slope])


def _is_one_number(values: Array) -> bool:
    return bool((values == values.flat[0]).all() and values.flat[0] >= 0.0)


def recognized_row_function(function: Function, x: Array, constants: Sequence[Array]) -> Piece | None:
    """Return the softmax or the normalization that computes row by row what the function does, if there is one.

    The epsilon of a layer normalization is one of the constants.
    """
    values = function(x)
    for name in _ROW_FUNCTIONS:
        if _agree(values, ACTIVATIONS[name].values(x), x):
            return Activating(ActivationFunction(name))
    size = x.shape[1]
    beta = np.broadcast_to(function(np.zeros((1, size)))[0], size)
    odd = np.resize([1.0, -1.0], (1, size))  # no value of it is 0 when it is normalized, unless it is the only one
    for epsilon in {float(c.flat[0]) for c in constants if c.size == 1 and 0.0 <= c.flat[0] < 1.0}:
        gamma = np.nan_to_num((function(odd)[0] - beta) / _normalized(odd, epsilon)[0])
        if _agree(values, gamma * _normalized(x, epsilon) + beta, x):
            return Plain(layers.LayerNormalization, {"epsilon": epsilon}, [gamma, beta])
    return None


def _normalized(x: Array, epsilon: float) -> Array:
    deviation = x - x.mean(axis=1, keepdims=True)
    return np.asarray(deviation / np.sqrt(np.square(deviation).mean(axis=1, keepdims=True) + epsilon))

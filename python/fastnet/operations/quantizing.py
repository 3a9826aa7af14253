"""The matrix products and the convolutions of a model in 8-bit integers.

A kernel w becomes integers from -127 to 127 and a scale for each unit or filter; the values x that it is multiplied with
become integers q from 0 to 255, x = input_scale * (q - zero_point), over the range that they have in calibration data.
Zero is exact, so that images can be padded with it. Everything else, biases and activations too, stays in float32, and so
do products of few inputs and convolutions in groups.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from fastnet._core import Network32
from fastnet.inputs.samples import Features
from fastnet.layers.geometry import Pair
from fastnet.operations.evaluation import trace
from fastnet.operations.steps import (
    Array,
    Convolution,
    ImageOperation,
    Multiplication,
    Operation,
    Scaling,
    arrays_of,
    scaled,
    takes_scaling,
)

__all__ = [
    "MOST_INPUTS",
    "Quantized",
    "QuantizedConvolution",
    "QuantizedMultiplication",
    "fold_scalings",
    "quantize_operations",
]

MOST_INPUTS = 65_536  # of a product whose sums have 32 bits
# The integers of 4 inputs are multiplied at once. Fewer save next to nothing, take as long, and the roundings of the
# inputs do not average out: a model of a table with 3 columns differed by a tenth of a probability.
FEWEST_INPUTS = 4
# Of the calibration data at a time: rows, and values of the largest operation, which are computed in float64.
_ROWS, _VALUES = 256, 1 << 24
_LARGEST_FRAME = 1 << 26  # values of an image and the zeros around it, which the core has in memory as integers


@dataclass(frozen=True, eq=False)
class QuantizedMultiplication(Operation):
    """``(q @ kernel) * (input_scale * scale) + bias`` for ``q = round(x / input_scale)`` as far as 8 bits reach.

    Attributes
    ----------
    kernel : ndarray of int8, shape (inputs, size)
    scale : ndarray of float32, shape (size,)
        What a step of each unit's weights is worth.
    bias : ndarray of float32, shape (size,), or None
    input_scale : float
        What a step of the inputs is worth.
    zero_point : int
        From 0 to 255: q is at least ``-zero_point`` and at most ``255 - zero_point``.
    """

    kernel: Array
    scale: Array
    bias: Array | None
    input_scale: float
    zero_point: int


@dataclass(frozen=True, eq=False)
class QuantizedConvolution(ImageOperation):
    """A `Convolution` without groups, in integers.

    Attributes
    ----------
    kernel : ndarray of int8, shape (height, width, channels, filters)
    scale, bias, input_scale, zero_point
        As in `QuantizedMultiplication`, with filters for units.
    strides, dilation, before : (int, int)
        As in `Convolution`.
    """

    kernel: Array
    scale: Array
    bias: Array | None
    input_scale: float
    zero_point: int
    strides: Pair
    dilation: Pair
    before: Pair


Quantized = QuantizedMultiplication | QuantizedConvolution


def quantize_operations(operations: list[Operation], samples: Features, input_size: int) -> list[Operation]:
    """Return the operations with products in integers; `samples` tell the ranges of their inputs.

    Raises
    ------
    ValueError
        A value on the way, or a scale, is not finite in float32, or a product has too many inputs.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is found, and named
        return _quantize(fold_scalings(operations), samples, input_size)


def _quantize(operations: list[Operation], samples: Features, input_size: int) -> list[Operation]:
    lows = [0.0] * len(operations)  # the range has zero in it
    highs = [0.0] * len(operations)
    rows = max(1, min(_ROWS, _VALUES // max([input_size, *(operation.size for operation in operations)])))
    for start in range(0, len(samples), rows):
        for i, x in _inputs_of_products(operations, _as_floats(samples[start : start + rows], input_size)):
            lows[i] = min(lows[i], float(x.min()))
            highs[i] = max(highs[i], float(x.max()))
    return [
        _quantized(operation, low, high) if _is_worthwhile(operation) else _in_float32(operation)
        for operation, low, high in zip(operations, lows, highs, strict=True)
    ]


def _is_worthwhile(operation: Operation) -> TypeGuard[Multiplication | Convolution]:
    if isinstance(operation, Convolution):
        height, width = _reach(operation)
        if operation.groups > 1 or height * width * operation.image.channels > _LARGEST_FRAME:
            return False
    return isinstance(operation, Multiplication | Convolution) and len(_as_matrix(operation.kernel)) >= FEWEST_INPUTS


def _as_matrix(kernel: Array) -> Array:
    """Return a kernel in the shape (inputs, units)."""
    return kernel.reshape(-1, kernel.shape[-1])


def fold_scalings(operations: list[Operation]) -> list[Operation]:
    """Return the operations without the scalings that a product next to them can do.

    A product in front takes any scaling; one behind takes a scaling of all values alike, as of images, whose values it
    can then be given as they are. Kernels and biases that change are in float64.
    """
    result: list[Operation] = []
    for operation in operations:
        before = result[-1] if result else None
        if before is not None and isinstance(operation, Scaling) and takes_scaling(before, operation):
            result[-1] = scaled(before, operation)
        elif isinstance(before, Scaling) and _takes_scaling_in_front(operation, before):
            result[-1] = _scaled_in_front(before, operation)
        else:
            result.append(operation)
    return result


def _takes_scaling_in_front(operation: Operation, scaling: Scaling) -> TypeGuard[Multiplication | Convolution]:
    """Return whether an operation can do a scaling in front of it, which must scale all values alike.

    The zeros that pad an image are not scaled, so that zero must remain zero there.
    """
    if any(array.min() != array.max() for array in (scaling.center, scaling.factor, scaling.offset)):
        return False
    if isinstance(operation, Convolution):
        return _factor_and_shift(scaling)[1] == 0.0 or not _pads(operation)
    return isinstance(operation, Multiplication)


def _pads(operation: Convolution) -> bool:
    height, width = _reach(operation)
    return any(operation.before) or height > operation.image.height or width > operation.image.width


def _reach(operation: Convolution) -> list[int]:
    """Return how many rows and columns lie between the first value that a window reads and the last one."""
    axes = zip(*(operation.output[:2], operation.strides, operation.kernel.shape, operation.dilation), strict=False)
    return [(number - 1) * stride + (kernel - 1) * dilation + 1 for number, stride, kernel, dilation in axes]


def _factor_and_shift(scaling: Scaling) -> tuple[float, float]:
    factor = float(scaling.factor.flat[0])
    return factor, float(scaling.offset.flat[0]) - float(scaling.center.flat[0]) * factor


def _scaled_in_front(scaling: Scaling, product: Multiplication | Convolution) -> Multiplication | Convolution:
    kernel, (factor, shift) = product.kernel.astype(np.float64), _factor_and_shift(scaling)
    bias = shift * _as_matrix(kernel).sum(axis=0) + (0.0 if product.bias is None else product.bias)
    return replace(product, kernel=kernel * factor, bias=bias)


def _as_floats(samples: Features, input_size: int) -> NDArray[np.float32]:
    """Return samples of any dtype, compressed rows too, as an array of float32."""
    return Network32(input_size, [{"type": "activation"}]).predict(samples, _ROWS)


def _inputs_of_products(operations: list[Operation], samples: Array) -> Iterator[tuple[int, Array]]:
    """Yield the index of each product and the values that it gets from some samples."""
    for i, (operation, x) in enumerate(zip(operations, trace(operations, samples), strict=False)):
        if isinstance(operation, Multiplication | Convolution):
            if not np.isfinite(x).all():
                raise ValueError(
                    f"layer {operation.layer!r} gets values from calibration_data that are not finite in float32"
                )
            yield i, x


def _in_float32(operation: Operation) -> Operation:
    arrays: dict[str, Any] = {name: array.astype(np.float32) for name, array in arrays_of(operation).items()}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise ValueError(f"layer {operation.layer!r} has numbers that are not finite in float32")
    return replace(operation, **arrays)


def _quantized(product: Multiplication | Convolution, low: float, high: float) -> Quantized:
    """Return a product whose inputs are from `low` to `high`, zero included, in integers."""
    kernel = _as_matrix(product.kernel.astype(np.float64))
    if len(kernel) > MOST_INPUTS:
        raise ValueError(f"layer {product.layer!r} has {len(kernel)} inputs; at most {MOST_INPUTS} can be quantized")
    input_scale = _step((high - low) / 255)
    scale = np.array([_step(largest / 127) for largest in np.abs(kernel).max(axis=0)], np.float32)
    bias = None if product.bias is None else product.bias.astype(np.float32)
    finite = np.isfinite(kernel).all() and (bias is None or np.isfinite(bias).all())
    largest_step = input_scale * float(scale.max())
    if not (finite and largest_step <= np.finfo(np.float32).max):
        raise ValueError(
            f"layer {product.layer!r} has weights, or weights times inputs, that are not finite in float32"
        )
    parts: dict[str, Any] = {
        "kernel": np.rint(kernel / scale).astype(np.int8).reshape(product.kernel.shape),
        "scale": scale,
        "bias": bias,
        "input_scale": input_scale,
        "zero_point": int(np.clip(np.rint(-low / input_scale), 0, 255)),
    }
    if isinstance(product, Multiplication):
        return QuantizedMultiplication(product.size, product.layer, **parts)
    windows = {name: getattr(product, name) for name in ("image", "output", "strides", "dilation", "before")}
    return QuantizedConvolution(product.size, product.layer, **windows, **parts)


def _step(step: float) -> float:
    """Return a step as float32 holds it; 1 where there is nothing to tell apart, as in a kernel of zeros."""
    smallest = 2 * float(np.finfo(np.float32).tiny)
    return float(np.float32(step)) if step >= smallest else 1.0

"""The operations of images computed in NumPy, in float64: short rather than fast."""

from collections.abc import Iterator
from functools import reduce, singledispatch

import numpy as np

from fastnet.layers.geometry import Pair
from fastnet.operations import steps
from fastnet.operations.steps import Array, ImageOperation

__all__ = ["compute_images"]


def compute_images(operation: ImageOperation, x: Array) -> Array:
    """Return what an operation makes of images; both are rows of values."""
    outputs: Array = _compute(operation, x.reshape(len(x), *operation.image).astype(np.float64))
    return outputs.reshape(len(x), operation.size)


@singledispatch
def _compute(operation: ImageOperation, x: Array) -> Array:
    raise AssertionError(f"cannot compute {operation!r} of {x.shape}")


@_compute.register
def _convolve(operation: steps.Convolution, x: Array) -> Array:
    groups, (*_, filters) = operation.groups, operation.output
    outputs = np.zeros((groups, len(x) * operation.output.height * operation.output.width, filters // groups))
    kernels = operation.kernel.astype(np.float64).reshape(*operation.kernel.shape[:3], groups, -1)
    for (u, v), values in _taps(operation, operation.kernel.shape[:2], operation.dilation, x, 0.0):
        outputs += np.moveaxis(values.reshape(outputs.shape[1], groups, -1), 1, 0) @ np.moveaxis(kernels[u, v], 1, 0)
    return np.moveaxis(outputs, 0, 1).reshape(len(x), *operation.output) + _bias(operation.bias)


@_compute.register
def _convolve_transposed(operation: steps.TransposedConvolution, x: Array) -> Array:
    (down, right), (height, width, _) = operation.strides, operation.image
    rows, columns = (
        (size - 1) * stride + (kernel - 1) * dilation + 1
        for size, stride, kernel, dilation in zip(
            operation.image[:2], operation.strides, operation.kernel.shape[:2], operation.dilation, strict=True
        )
    )
    full = np.zeros((len(x), rows, columns, operation.output.channels))
    for u, v in np.ndindex(operation.kernel.shape[:2]):
        top, left = u * operation.dilation[0], v * operation.dilation[1]
        target = full[:, top : top + height * down : down, left : left + width * right : right]
        target += x @ operation.kernel[u, v].T.astype(np.float64)
    top, left = operation.before
    return _framed(full, (-top, -left), operation.output[:2]) + _bias(operation.bias)


@_compute.register
def _pool(operation: steps.Pooling, x: Array) -> Array:
    if operation.function == "max":
        values = (values for _, values in _taps(operation, operation.window, (1, 1), x, -np.inf))
        return reduce(np.maximum, values)
    sums, counts = (
        sum(values for _, values in _taps(operation, operation.window, (1, 1), array, 0.0))
        for array in (x, np.ones_like(x))
    )
    return np.asarray(sums / counts)


@_compute.register
def _pad(operation: steps.Padding, x: Array) -> Array:
    return _framed(x, operation.before, operation.output[:2])


@_compute.register
def _upsample(operation: steps.Upsampling, x: Array) -> Array:
    shares = [
        _shares(size, factor, operation.interpolation)
        for size, factor in zip(x.shape[1:3], operation.factors, strict=True)
    ]
    return np.asarray(np.einsum("ar,bs,nrsc->nabc", *shares, x))


def _shares(size: int, factor: int, interpolation: str) -> Array:
    """Return what share each value along an axis has in each value of the longer axis."""
    if interpolation == "nearest":
        return np.repeat(np.eye(size), factor, axis=0)
    centers = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
    return np.maximum(0.0, 1.0 - np.abs(centers[:, np.newaxis] - np.arange(size)))


def _taps(
    operation: steps.Convolution | steps.Pooling, window: Pair, dilation: Pair, x: Array, outside: float
) -> Iterator[tuple[Pair, Array]]:
    """Yield each place in the windows, and what all windows have there, with a number for all values outside the image."""
    (height, width, _), (down, right) = operation.output, operation.strides
    rows, columns = height * down, width * right
    framed = _framed(x, operation.before, (rows + window[0] * dilation[0], columns + window[1] * dilation[1]), outside)
    for u, v in np.ndindex(window):
        top, left = u * dilation[0], v * dilation[1]
        yield (u, v), framed[:, top : top + rows : down, left : left + columns : right]


def _framed(x: Array, before: Pair, size: Pair, outside: float = 0.0) -> Array:
    """Return images of another size, in which the old ones begin at `before`, with a number for all values outside."""
    result = np.full((len(x), *size, x.shape[-1]), outside)
    here, there = zip(*map(_overlap, before, size, x.shape[1:3]), strict=True)
    result[:, *here] = x[:, *there]
    return result


def _overlap(before: int, size: int, old: int) -> tuple[slice, slice]:
    """Return where along an axis the old values are in the new ones, and which they are."""
    first = max(before, 0)
    last = max(first, min(before + old, size))
    return slice(first, last), slice(first - before, last - before)


def _bias(bias: Array | None) -> Array:
    return np.zeros(1) if bias is None else bias.astype(np.float64)

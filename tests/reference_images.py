"""Layers of images in plain NumPy and float64, written from their definitions: each forward beside its backward.

Arrays are samples x rows x columns x channels. A backward takes the gradient of the loss by the layer's output, and
returns that by its input and, where there are weights, those by them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


# --- Windows that slide over an image --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Axis:
    """One axis: position u of the window of output i lies on the image's i * stride + u * dilation - before."""

    image: int
    window: int
    output: int
    stride: int = 1
    dilation: int = 1
    before: int = 0

    def meetings(self, u: int) -> tuple[list[int], list[int]]:
        """Return the outputs whose position u lies inside of the image, and where it lies."""
        places = [(i, i * self.stride + u * self.dilation - self.before) for i in range(self.output)]
        inside = [(i, place) for i, place in places if 0 <= place < self.image]
        return [i for i, _ in inside], [place for _, place in inside]


Axes = tuple[Axis, Axis]
Index = tuple[Any, ...]


def positions(axes: Axes) -> Iterator[tuple[tuple[int, int], Index, Index]]:
    """Iterate over a window in row order: the position, the outputs that it has, and the pixels on which it lies."""
    for u in range(axes[0].window):
        for v in range(axes[1].window):
            (i, row), (j, column) = axes[0].meetings(u), axes[1].meetings(v)
            yield (u, v), (slice(None), *np.ix_(i, j)), (slice(None), *np.ix_(row, column))


def outputs(x: Array, axes: Axes, channels: int, value: float = 0.0) -> Array:
    return np.full((len(x), axes[0].output, axes[1].output, channels), value)


# Keras's sizes: axes of a convolution or pooling, by its kernel and stride.


def valid(image: int, window: int, stride: int = 1, dilation: int = 1) -> Axis:
    """Return windows that lie inside of the image."""
    reach = (window - 1) * dilation + 1
    return Axis(image, window, (image - reach) // stride + 1, stride, dilation)


def same(image: int, window: int, stride: int = 1, dilation: int = 1) -> Axis:
    """Return a window for every `stride` pixels: zeros are on both sides, one more behind if their number is odd."""
    output = -(-image // stride)
    zeros = max((output - 1) * stride + (window - 1) * dilation + 1 - image, 0)
    return Axis(image, window, output, stride, dilation, zeros // 2)


def causal(image: int, window: int, stride: int = 1, dilation: int = 1) -> Axis:
    """Return windows that end at their pixel."""
    return Axis(image, window, -(-image // stride), stride, dilation, (window - 1) * dilation)


# And of a transposed convolution: the convolution whose gradient it is has its input as output, its output as image.


def transposed_valid(size: int, window: int, stride: int = 1, dilation: int = 1, padding: int | None = None) -> Axis:
    reach = (window - 1) * dilation + 1
    image = size * stride + max(reach - stride, 0) if padding is None else (size - 1) * stride + reach + padding
    return Axis(image, window, size, stride, dilation)


def transposed_same(size: int, window: int, stride: int = 1, dilation: int = 1, padding: int | None = None) -> Axis:
    reach = (window - 1) * dilation + 1
    if padding is None:
        image, cut = size * stride, stride + reach - 2
    else:
        image, cut = (size - 1) * stride + reach - 2 * (reach // 2) + padding, reach + reach % 2 - 2 + padding
    return Axis(image, window, size, stride, dilation, reach - 1 - min(cut // 2 + cut % 2, reach - 1))


# --- Convolutions: cross-correlations, as everywhere in the field -----------------------------------------------------


def parts(channels: int, groups: int) -> list[slice]:
    return [slice(g * channels // groups, (g + 1) * channels // groups) for g in range(groups)]


def convolution(x: Array, kernel: Array, axes: Axes, groups: int = 1) -> Array:
    """Convolve with a kernel of rows x columns x channels of a group x filters."""
    y = outputs(x, axes, kernel.shape[3])
    pairs = list(zip(parts(x.shape[3], groups), parts(kernel.shape[3], groups), strict=True))
    for at, out, pixel in positions(axes):
        y[out] += np.concatenate([x[pixel][..., taken] @ kernel[at][:, made] for taken, made in pairs], -1)
    return y


def convolution_backward(
    gradient: Array, x: Array, kernel: Array, axes: Axes, groups: int = 1
) -> tuple[Array, tuple[Array]]:
    by_x, by_kernel = np.zeros_like(x), np.zeros_like(kernel)
    pairs = list(zip(parts(x.shape[3], groups), parts(kernel.shape[3], groups), strict=True))
    for at, out, pixel in positions(axes):
        g = gradient[out]
        by_x[pixel] += np.concatenate([g[..., made] @ kernel[at][:, made].T for _, made in pairs], -1)
        for taken, made in pairs:
            by_kernel[at][:, made] += np.einsum("nijc,nijf->cf", x[pixel][..., taken], g[..., made])
    return by_x, (by_kernel,)


def depthwise(x: Array, kernel: Array, axes: Axes) -> Array:
    """Convolve every channel for itself with kernels of rows x columns x channels x multiplier."""
    y = outputs(x, axes, kernel.shape[2] * kernel.shape[3])
    for at, out, pixel in positions(axes):
        product = x[pixel][..., None] * kernel[at]
        y[out] += product.reshape(*product.shape[:3], y.shape[3])
    return y


def depthwise_backward(gradient: Array, x: Array, kernel: Array, axes: Axes) -> tuple[Array, tuple[Array]]:
    by_x, by_kernel = np.zeros_like(x), np.zeros_like(kernel)
    for at, out, pixel in positions(axes):
        g = gradient[out]
        g = g.reshape(*g.shape[:3], *kernel.shape[2:])
        by_x[pixel] += (g * kernel[at]).sum(axis=4)
        by_kernel[at] += (x[pixel][..., None] * g).sum(axis=(0, 1, 2))
    return by_x, (by_kernel,)


def transposed_convolution(x: Array, kernel: Array, axes: Axes) -> Array:
    """Lay the kernel, of rows x columns x filters x channels, times each input over the image, where these add up."""
    y = np.zeros((len(x), axes[0].image, axes[1].image, kernel.shape[2]))
    for at, source, pixel in positions(axes):
        y[pixel] += x[source] @ kernel[at].T
    return y


def transposed_convolution_backward(gradient: Array, x: Array, kernel: Array, axes: Axes) -> tuple[Array, tuple[Array]]:
    by_x, by_kernel = np.zeros_like(x), np.zeros_like(kernel)
    for at, source, pixel in positions(axes):
        by_x[source] += gradient[pixel] @ kernel[at]
        by_kernel[at] += np.einsum("nijf,nijc->fc", gradient[pixel], x[source])
    return by_x, (by_kernel,)


# --- Pooling: only pixels of the image count -------------------------------------------------------------------------


def max_pooling(x: Array, axes: Axes) -> Array:
    y = outputs(x, axes, x.shape[3], -np.inf)
    for _, out, pixel in positions(axes):
        y[out] = np.maximum(y[out], x[pixel])  # NaN if one is
    return y


def max_pooling_backward(gradient: Array, x: Array, axes: Axes) -> tuple[Array, tuple[()]]:
    """Give the gradient of a window to the first of its largest pixels."""
    by_x, y = np.zeros_like(x), max_pooling(x, axes)
    waiting = np.ones(y.shape, bool)
    for _, out, pixel in positions(axes):
        first = waiting[out] & ((x[pixel] == y[out]) | np.isnan(x[pixel]))
        by_x[pixel] += np.where(first, gradient[out], 0.0)
        waiting[out] &= ~first
    return by_x, ()


def pixels_of_windows(x: Array, axes: Axes) -> Array:
    count = outputs(x, axes, 1)
    for _, out, _ in positions(axes):
        count[out] += 1.0
    return count


def average_pooling(x: Array, axes: Axes) -> Array:
    total = outputs(x, axes, x.shape[3])
    for _, out, pixel in positions(axes):
        total[out] += x[pixel]
    return total / pixels_of_windows(x, axes)


def average_pooling_backward(gradient: Array, x: Array, axes: Axes) -> tuple[Array, tuple[()]]:
    by_x, share = np.zeros_like(x), gradient / pixels_of_windows(x, axes)
    for _, out, pixel in positions(axes):
        by_x[pixel] += share[out]
    return by_x, ()


# --- Images that are moved, cut, filled up with zeros, enlarged, turned ----------------------------------------------


def shifted(x: Array, axes: Axes) -> Array:
    """Copy the pixels under windows of one pixel, and zeros where these are outside."""
    y = outputs(x, axes, x.shape[3])
    for _, out, pixel in positions(axes):
        y[out] = x[pixel]
    return y


def shifted_backward(gradient: Array, x: Array, axes: Axes) -> tuple[Array, tuple[()]]:
    by_x = np.zeros_like(x)
    for _, out, pixel in positions(axes):
        by_x[pixel] = gradient[out]
    return by_x, ()


def shares(size: int, factor: int, bilinear: bool) -> Array:
    """Return how much of each pixel of an axis, the columns, is in each pixel of the enlarged one, the rows."""
    result = np.zeros((size * factor, size))
    for i in range(size * factor):
        if not bilinear:
            result[i, i // factor] = 1.0
            continue
        place = (i + 0.5) / factor - 0.5  # centers of pixels are at halves
        below = int(np.floor(place))
        for pixel, share in ((below, 1.0 - (place - below)), (below + 1, place - below)):
            result[i, min(max(pixel, 0), size - 1)] += share
    return result


def upsampling(x: Array, factors: Sequence[int], bilinear: bool) -> Array:
    rows, columns = (shares(size, factor, bilinear) for size, factor in zip(x.shape[1:3], factors, strict=True))
    return np.einsum("ar,bs,nrsc->nabc", rows, columns, x)


def upsampling_backward(gradient: Array, x: Array, factors: Sequence[int], bilinear: bool) -> tuple[Array, tuple[()]]:
    rows, columns = (shares(size, factor, bilinear) for size, factor in zip(x.shape[1:3], factors, strict=True))
    return np.einsum("ar,bs,nabc->nrsc", rows, columns, gradient), ()


def permutation(x: Array, axes: Sequence[int]) -> Array:
    """Reorder the axes of the samples: axis i of the result is axis `axes[i]`, from 0."""
    return x.transpose(0, *(axis + 1 for axis in axes))


def permutation_backward(gradient: Array, x: Array, axes: Sequence[int]) -> tuple[Array, tuple[()]]:
    return permutation(gradient, [list(axes).index(axis) for axis in range(len(axes))]), ()


def spatial_dropout(x: Array, mask: Array) -> Array:
    """Multiply whole channels of samples by what a mask of samples x channels has for them."""
    return x * mask[:, None, None, :]


def spatial_dropout_backward(gradient: Array, x: Array, mask: Array) -> tuple[Array, tuple[()]]:
    return spatial_dropout(gradient, mask), ()

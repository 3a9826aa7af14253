"""The simple operations that a prediction consists of, which each exporter writes down in its own language.

A sample is one row of values here, an image in the order (height, width, channels); a sequence is an image of height 1.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from fastnet.layers.base import Shape
from fastnet.layers.geometry import Image, Pair

__all__ = [
    "OPERATIONS",
    "Activating",
    "Addition",
    "Convolution",
    "Exchanging",
    "ImageOperation",
    "LayerNormalizing",
    "Multiplication",
    "Operation",
    "Padding",
    "Permuting",
    "Pooling",
    "Remembering",
    "Scaling",
    "SlopedActivating",
    "TransposedConvolution",
    "Upsampling",
    "repeated",
    "scaled",
    "takes_scaling",
]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Operation:
    """One step of a prediction.

    Attributes
    ----------
    size : int
        The number of values that it gives for a sample.
    layer : str
        The name of the layer that it comes from.
    """

    size: int
    layer: str


@dataclass(frozen=True, eq=False)
class Multiplication(Operation):
    """``x @ kernel + bias``, with a kernel of shape (inputs, size); the bias may be None."""

    kernel: Array
    bias: Array | None


@dataclass(frozen=True, eq=False)
class Scaling(Operation):
    """``(x - center) * factor + offset``.

    Each of the three is an array of shape (size,), a single number of shape (), or a shorter array, one entry for each
    channel, which repeats along the row.
    """

    center: Array
    factor: Array
    offset: Array


@dataclass(frozen=True, eq=False)
class Activating(Operation):
    """A function of `fastnet.functional`, other than linear, with the parameter of those that have one.

    A softmax works on each of the `rows` of a sample, which lie one after the other, by itself; there is one of all others.
    """

    function: str
    alpha: float
    rows: int = 1


@dataclass(frozen=True, eq=False)
class SlopedActivating(Operation):
    """``x if x > 0 else slope * x``: PReLU. The slopes are an array like those of `Scaling`."""

    slope: Array


@dataclass(frozen=True, eq=False)
class LayerNormalizing(Operation):
    """``gamma * (x - mean(x)) / sqrt(variance(x) + epsilon) + beta`` for each of the `rows` of a sample.

    Gamma and beta, of the size of a row, may be None.
    """

    epsilon: float
    gamma: Array | None
    beta: Array | None
    rows: int = 1


@dataclass(frozen=True, eq=False)
class Remembering(Operation):
    """Leaves the values as they are, and puts them on a stack."""


@dataclass(frozen=True, eq=False)
class Exchanging(Operation):
    """Takes the values that were last put on the stack, and puts those that it gets there instead."""


@dataclass(frozen=True, eq=False)
class Addition(Operation):
    """Adds the values that were last put on the stack, and takes them from it."""


@dataclass(frozen=True, eq=False)
class ImageOperation(Operation):
    """An operation that makes one image of another.

    Attributes
    ----------
    image, output : Image
        The shapes of its input and of its output, which has `size` values.
    """

    image: Image
    output: Image


@dataclass(frozen=True, eq=False)
class Convolution(ImageOperation):
    """A cross-correlation; windows that reach over the edges of the image see zeros there.

    Attributes
    ----------
    kernel : ndarray of shape (height, width, channels / groups, filters)
        That of a depthwise convolution has ``groups=channels``.
    bias : ndarray of shape (filters,), or None
    strides, dilation : (int, int)
        Along the height and the width.
    before : (int, int)
        How many zeros lie above the image and at its left; those below and at the right follow from the sizes.
    groups : int
    """

    kernel: Array
    bias: Array | None
    strides: Pair
    dilation: Pair
    before: Pair
    groups: int


@dataclass(frozen=True, eq=False)
class TransposedConvolution(ImageOperation):
    """Every value of the image times the kernel, added to a window of the output.

    Attributes
    ----------
    kernel : ndarray of shape (height, width, filters, channels)
    bias : ndarray of shape (filters,), or None
    strides, dilation : (int, int)
        Along the height and the width: value i of the image times entry u of the kernel is added at ``i * stride + u *
        dilation - before`` of the output, if that is in it. What no window reaches is the bias.
    before : (int, int)
        How much is cut off at the top and at the left.
    """

    kernel: Array
    bias: Array | None
    strides: Pair
    dilation: Pair
    before: Pair


@dataclass(frozen=True, eq=False)
class Pooling(ImageOperation):
    """The maximum or the mean of windows, channel by channel, of the values that are inside the image.

    Attributes
    ----------
    function : {"max", "average"}
    window, strides : (int, int)
        Along the height and the width. A window as large as the image stands for global pooling.
    before : (int, int)
        How far the first window begins above the image and left of it.
    """

    function: str
    window: Pair
    strides: Pair
    before: Pair


@dataclass(frozen=True, eq=False)
class Padding(ImageOperation):
    """Zeros around an image, or less of it.

    Attributes
    ----------
    before : (int, int)
        How many rows and columns of zeros lie above the image and at its left; less than 0 are cut off. Those below and at
        the right follow from the sizes.
    """

    before: Pair


@dataclass(frozen=True, eq=False)
class Upsampling(ImageOperation):
    """An image with its rows and its columns repeated, or with others interpolated between the centers of its pixels.

    Attributes
    ----------
    factors : (int, int)
        Those of the height and of the width.
    interpolation : {"nearest", "bilinear"}
    """

    factors: Pair
    interpolation: str


@dataclass(frozen=True, eq=False)
class Permuting(Operation):
    """Values of `shape` with the axes in another order: axis i of the result is axis ``axes[i]``, counted from 0."""

    shape: Shape
    axes: tuple[int, ...]


OPERATIONS = (
    Multiplication,
    Scaling,
    Activating,
    SlopedActivating,
    LayerNormalizing,
    Remembering,
    Exchanging,
    Addition,
    Convolution,
    TransposedConvolution,
    Pooling,
    Padding,
    Upsampling,
    Permuting,
)


Factors = Multiplication | Convolution | TransposedConvolution


def scaled(product: Factors, scaling: Scaling) -> Factors:
    """Return a product or a convolution that does the scaling behind it as well; see `takes_scaling`.

    Its kernel and its bias are in float64.
    """
    filters = _filters_of(product)
    center, factor, offset = (repeated(array.astype(np.float64), filters) for array in _arrays(scaling))
    bias = np.zeros(filters) if product.bias is None else product.bias
    bias = np.broadcast_to((bias - center) * factor + offset, filters)
    if isinstance(product, TransposedConvolution) and factor.ndim:
        factor = factor[:, np.newaxis]
    return replace(product, kernel=product.kernel * factor, bias=bias)


def takes_scaling(operation: Operation, scaling: Scaling) -> TypeGuard[Factors]:
    """Return whether an operation is a product or a convolution, each of whose filters the scaling treats alike."""
    return isinstance(operation, Factors) and not any(_filters_of(operation) % array.size for array in _arrays(scaling))


def _arrays(scaling: Scaling) -> tuple[Array, Array, Array]:
    return scaling.center, scaling.factor, scaling.offset


def _filters_of(product: Factors) -> int:
    return product.size if isinstance(product, Multiplication) else product.output.channels


def repeated(array: Array, size: int) -> Array:
    """Return an array of a scaling as a row of `size` values, or as the single number that it is."""
    return np.tile(array, size // array.size) if array.ndim else array


def arrays_of(operation: Operation) -> dict[str, NDArray[Any]]:
    """Return the arrays of an operation by their names."""
    return {name: value for name, value in vars(operation).items() if isinstance(value, np.ndarray)}

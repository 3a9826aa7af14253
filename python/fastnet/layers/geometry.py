"""Sizes along the axes of images: windows, padding, and arguments that are one integer or one for each axis.

A sequence of shape (steps, channels) is an image of height 1: the core has layers of images only.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from fastnet.layers.base import Layer, Shape
from fastnet.support.validation import check_choice, check_integer, check_shape, describe, unsupported

Pair = tuple[int, int]  # of the height and the width


class Image(NamedTuple):
    """The shape of an image."""

    height: int
    width: int
    channels: int


class Windows(NamedTuple):
    """The windows along one axis.

    Attributes
    ----------
    number : int
        How many there are, which is the size of the output.
    before : int
        How many zeros lie before the first value; of a transposed convolution, how many values are cut off there.
    """

    number: int
    before: int


Both = tuple[Windows, Windows]  # along the height and the width


def windows_of(image: Image, padding: str, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)) -> Both:
    """Return the windows over an image: with "same" one for each stride, the odd zero of the padding behind."""
    vertical, horizontal = (_along(*axis, padding) for axis in zip(image[:2], kernel, stride, dilation, strict=True))
    return vertical, horizontal


def _along(size: int, kernel: int, stride: int, dilation: int, padding: str) -> Windows:
    extent = (kernel - 1) * dilation + 1
    if padding == "valid":
        return Windows((size - extent) // stride + 1, 0)
    number = -(-size // stride)
    return Windows(number, extent - 1 if padding == "causal" else max((number - 1) * stride + extent - size, 0) // 2)


def transposed_windows_of(
    image: Image, padding: str, more: tuple[int | None, int | None], kernel: Pair, stride: Pair, dilation: Pair
) -> Both:
    """Return what a transposed convolution makes of an image; `more` is its output_padding."""
    axes = zip(image[:2], kernel, stride, dilation, more, strict=True)
    vertical, horizontal = (_transposed_along(*axis, padding) for axis in axes)
    return vertical, horizontal


def _transposed_along(size: int, kernel: int, stride: int, dilation: int, more: int | None, padding: str) -> Windows:
    extent = (kernel - 1) * dilation + 1
    if padding == "valid":
        return Windows((size - 1) * stride + (max(extent, stride) if more is None else extent + more), 0)
    if more is None:
        number, total = size * stride, stride + extent - 2
    else:
        number, total = (size - 1) * stride + extent % 2 + more, extent + extent % 2 - 2 + more
    return Windows(number, extent - 1 - min(-(-total // 2), extent - 1))


def sizes_of(image: Image, over: Both, **pairs: Pair) -> dict[str, int]:
    """Return the sizes in a description for the core: of the image, of the output, and one per axis of every pair."""
    (output_height, top), (output_width, left) = over
    by_axis = {f"{name}_{axis}": size for name, pair in pairs.items() for axis, size in zip(_AXES, pair, strict=True)}
    output = {"top": top, "left": left, "output_height": output_height, "output_width": output_width}
    return {**image._asdict(), **by_axis, **output}


_AXES = ("height", "width")


def of_both_axes(sizes: tuple[int, ...], height: int = 1) -> Pair:
    """Return sizes for the height and the width; of a sequence, `height` comes first."""
    *_, down, right = height, *sizes
    return down, right


_LARGEST = 2**31 - 1  # of a size, so that what is computed from two of them fits into 64 bits


# --- Arguments -------------------------------------------------------------------------------------------------------


def integers(name: str, value: Any, count: int, minimum: int = 1) -> tuple[int, ...]:
    """Return an argument that is one integer for every axis or one for each, as `count` integers."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return (check_integer(name, value, minimum=minimum, maximum=_LARGEST),) * count
    if len(value) != count:
        raise ValueError(f"{name} must be an integer or {count} integers; got {describe(value)}")
    return tuple(check_integer(name, entry, minimum=minimum, maximum=_LARGEST) for entry in value)


def sides(name: str, value: Any) -> tuple[Pair, Pair]:
    """Return an argument about the sides of images as ((top, bottom), (left, right)).

    It is one integer for all sides, or one integer or pair for each axis.
    """
    given = (value, value) if isinstance(value, str) or not isinstance(value, Sequence) else value
    if len(given) != 2:
        raise ValueError(f"{name} must be an integer, or 2 integers or pairs of integers; got {describe(value)}")
    (top, bottom), (left, right) = (integers(f"every side of {name}", one, 2, minimum=0) for one in given)
    return (top, bottom), (left, right)


def check_padding(padding: Any, *others: str) -> str:
    """Return "valid" or "same", in any case, or one of the others."""
    return check_choice("padding", padding.lower() if isinstance(padding, str) else padding, ["valid", "same", *others])


def check_data_format(data_format: Any) -> str:
    """Return "channels_last", which None stands for."""
    if data_format == "channels_first":
        raise unsupported("data_format='channels_first' is not available: numpy.moveaxis(x, 1, -1) puts channels last")
    return check_choice("data_format", "channels_last" if data_format is None else data_format, ["channels_last"])


# --- Layers ----------------------------------------------------------------------------------------------------------


class ImageLayer(Layer):
    """A layer of images, of shape (height, width, channels), or of sequences, (steps, channels)."""

    rank: ClassVar[int] = 2  # 1 for sequences

    def image(self, input_shape: Shape) -> Image:
        """Return the shape of one sample as that of an image."""
        if len(input_shape) == self.rank + 1:
            return Image(*of_both_axes(input_shape[:-1]), input_shape[-1])
        expected = "(height, width, channels)" if self.rank == 2 else "(steps, channels)"
        hint = f": Reshape({(*input_shape, 1)}) before it adds an axis" if len(input_shape) == self.rank else ""
        raise ValueError(f"layer {self.name!r} takes samples of shape {expected}; got {input_shape}{hint}")

    def output_image(self, image: Image) -> Image:
        """Return the shape of the output as that of an image."""
        raise NotImplementedError

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        output = self.output_image(self.image(input_shape))
        if min(output) < 1:
            raise ValueError(
                f"layer {self.name!r} would make an output of shape {output[2 - self.rank :]} of samples of shape "
                f"{input_shape}: they are too small for it"
            )
        return check_shape(f"the output of layer {self.name!r}", output[2 - self.rank :])

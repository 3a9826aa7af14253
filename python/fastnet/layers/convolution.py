"""Convolutions."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from fastnet.initializers import Initializer
from fastnet.layers.base import Shape, layers
from fastnet.layers.geometry import (
    Both,
    Image,
    ImageLayer,
    Pair,
    check_data_format,
    check_padding,
    integers,
    of_both_axes,
    sizes_of,
    windows_of,
)
from fastnet.layers.kernels import KernelLayer
from fastnet.regularizers import Regularizer
from fastnet.support.validation import check_integer


class Convolving(ImageLayer, KernelLayer):
    """A layer that moves a kernel over images.

    Parameters
    ----------
    kernel_size, strides, padding, data_format, dilation_rate
        See `Conv2D`.
    activation, use_bias, own, keywords
        See `KernelLayer`.
    """

    paddings: ClassVar[tuple[str, ...]] = ()  # besides "valid" and "same"

    def __init__(
        self,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        data_format: Any,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        own: Sequence[tuple[Any, Any]],
        keywords: dict[str, Any],
    ) -> None:
        super().__init__(activation, use_bias, own, keywords)
        self.kernel_size = integers("kernel_size", kernel_size, self.rank)
        self.strides = integers("strides", strides, self.rank)
        self.padding = check_padding(padding, *self.paddings)
        self.data_format = check_data_format(data_format)
        self.dilation_rate = integers("dilation_rate", dilation_rate, self.rank)
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(
                f"strides and dilation_rate cannot both be larger than 1; got strides={self.strides} and "
                f"dilation_rate={self.dilation_rate}"
            )

    def channels(self, channels: int) -> int:
        """Return the number of channels of the output for that of the input."""
        raise NotImplementedError

    @property
    def pairs(self) -> dict[str, Pair]:
        """The size of the kernel, the strides and the dilation along the height and the width."""
        given = {"kernel": self.kernel_size, "stride": self.strides, "dilation": self.dilation_rate}
        return {name: of_both_axes(sizes) for name, sizes in given.items()}

    def windows(self, image: Image) -> Both:
        """Return the windows along the height and the width of an image."""
        return windows_of(image, self.padding, *self.pairs.values())

    def output_image(self, image: Image) -> Image:
        vertical, horizontal = self.windows(image)
        return Image(vertical.number, horizontal.number, self.channels(image.channels))

    def sizes(self, image: Image) -> dict[str, int]:
        """Return the sizes in the description for the core."""
        return sizes_of(image, self.windows(image), **self.pairs)

    def bias_shape(self, channels: int) -> dict[str, Shape]:
        """Return the name and the shape of the bias, if there is one, for the number of channels of the input."""
        return {"bias": (self.channels(channels),)} if self.use_bias else {}

    def get_config(self) -> dict[str, Any]:
        return {
            "kernel_size": list(self.kernel_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            "dilation_rate": list(self.dilation_rate),
            **super().get_config(),
        }


class _Convolution(Convolving):
    """What convolutions of images and of sequences have in common."""

    kernel_initializer: Initializer
    kernel_regularizer: Regularizer | None

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **keywords: Any,
    ) -> None:
        own = (kernel_initializer, kernel_regularizer), (bias_initializer, bias_regularizer)
        windows = kernel_size, strides, padding, data_format, dilation_rate
        super().__init__(*windows, activation, use_bias, own, keywords)
        self.filters = check_integer("filters", filters)
        self.groups = check_integer("groups", groups)
        if self.filters % self.groups:
            raise ValueError(f"filters must be a multiple of groups={self.groups}; got {self.filters}")

    def channels(self, _channels: int, /) -> int:
        return self.filters

    def image(self, input_shape: Shape) -> Image:
        image = super().image(input_shape)
        if image.channels % self.groups:
            raise ValueError(
                f"layer {self.name!r} has groups={self.groups}, which must divide the channels of its input; "
                f"got samples of shape {input_shape}"
            )
        return image

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        own = {"filters": self.filters, "groups": self.groups, "use_bias": self.use_bias}
        return {"type": "conv2d", **self.sizes(self.image(input_shape)), **own, **self.activation.description}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        channels = input_shape[-1]
        kernel = (*self.kernel_size, channels // self.groups, self.filters)
        return {"kernel": kernel, **self.bias_shape(channels)}

    def _flops(self, input_shape: Shape) -> int:
        products = math.prod(self.kernel_size) * (input_shape[-1] // self.groups)
        return math.prod(self.compute_output_shape(input_shape)) * (2 * products + self.flops_per_output)

    def get_config(self) -> dict[str, Any]:
        return {"filters": self.filters, "groups": self.groups, **super().get_config()}


@layers.add("Conv2D", "Convolution2D")
class Conv2D(_Convolution):
    """A convolution of images: every value of the output is a sum over a window of the input.

    For strides s, a dilation rate d and p zeros in front,
    ``y[i, j, o] = activation(bias[o] + sum x[i * s + u * d - p, j * s + v * d - p, c] * kernel[u, v, c, o])``, the sum over
    u, v and c. LeCun, Bottou, Bengio and Haffner, Proceedings of the IEEE 86 (1998).

    Parameters
    ----------
    filters : int
        The number of channels of the output.
    kernel_size : int or (int, int)
        The height and the width of the window; one integer stands for both, here and below.
    strides : int or (int, int), default 1
        How far the window moves.
    padding : {"valid", "same"}, default "valid"
        Whether windows lie inside the image, or zeros around it give an output of its size divided by `strides`, rounded up.
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    dilation_rate : int or (int, int), default 1
        How far the values of a window are apart; more than 1 only without `strides`.
    groups : int, default 1
        Into how many groups the channels of the input and of the output are divided; a group of the output sees one of the
        input. It divides both numbers of channels.
    activation, use_bias, bias_initializer, kernel_regularizer, bias_regularizer
        See `Dense`.
    kernel_initializer : str or Initializer, default "glorot_uniform"
        The initial values of the kernel, of shape (height, width, channels / groups, filters).
    input_shape, name
        See `Layer`.

    Raises
    ------
    ValueError
        The sizes do not fit each other, or the samples: windows must fit in.
    NotImplementedError
        ``data_format="channels_first"``, or something else that Keras has and fastnet does not, such as
        `kernel_constraint`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Conv2D(32, 3, activation="relu", input_shape=(28, 28, 1))])
    >>> model.output_shape
    (26, 26, 32)
    >>> [array.shape for array in model.get_weights()]
    [(3, 3, 1, 32), (32,)]
    """


@layers.add("Conv1D", "Convolution1D")
class Conv1D(_Convolution):
    """A convolution of sequences: `Conv2D` for samples of shape (steps, channels).

    Parameters
    ----------
    filters : int
        The number of channels of the output.
    kernel_size : int
        The length of the window; it may be a tuple of one integer, here and below.
    strides : int, default 1
        How far the window moves.
    padding : {"valid", "same", "causal"}, default "valid"
        As in `Conv2D`; with "causal" all zeros are in front, so that no output depends on a later step.
    data_format, dilation_rate, groups
        As in `Conv2D`.
    activation, use_bias, bias_initializer, kernel_regularizer, bias_regularizer
        See `Dense`.
    kernel_initializer : str or Initializer, default "glorot_uniform"
        The initial values of the kernel, of shape (length, channels / groups, filters).
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.Conv1D(8, 3, padding="causal", input_shape=(100, 2))]).output_shape
    (100, 8)
    """

    rank = 1
    paddings = ("causal",)


Convolution1D = Conv1D
Convolution2D = Conv2D

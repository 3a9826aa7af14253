"""Transposed convolutions."""

import math
from collections.abc import Sequence
from typing import Any

from fastnet.initializers import Initializer
from fastnet.layers.base import Shape, layers
from fastnet.layers.convolution import Convolving
from fastnet.layers.geometry import Both, Image, integers, of_both_axes, transposed_windows_of
from fastnet.regularizers import Regularizer
from fastnet.support.validation import check_integer


class _Transposed(Convolving):
    """What transposed convolutions of images and of sequences have in common."""

    kernel_initializer: Initializer
    kernel_regularizer: Regularizer | None

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        output_padding: int | Sequence[int] | None = None,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
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
        self.output_padding = (
            None if output_padding is None else integers("output_padding", output_padding, self.rank, minimum=0)
        )
        if any(more >= stride for more, stride in zip(self.output_padding or (), self.strides, strict=False)):
            raise ValueError(f"output_padding must be less than strides={self.strides}; got {self.output_padding}")

    def channels(self, _channels: int, /) -> int:
        return self.filters

    def windows(self, image: Image) -> Both:
        more = (None, None) if self.output_padding is None else of_both_axes(self.output_padding, 0)
        return transposed_windows_of(image, self.padding, more, *self.pairs.values())

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        own = {"filters": self.filters, "use_bias": self.use_bias, **self.activation.description}
        return {"type": "conv2d_transpose", **self.sizes(self.image(input_shape)), **own}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        channels = input_shape[-1]
        return {"kernel": (*self.kernel_size, self.filters, channels), **self.bias_shape(channels)}

    def _flops(self, input_shape: Shape) -> int:
        outputs = math.prod(self.compute_output_shape(input_shape))
        products = math.prod(input_shape) * math.prod(self.kernel_size) * self.filters
        return 2 * products + outputs * self.flops_per_output

    def get_config(self) -> dict[str, Any]:
        more = None if self.output_padding is None else list(self.output_padding)
        return {"filters": self.filters, "output_padding": more, **super().get_config()}


@layers.add("Conv2DTranspose", "Convolution2DTranspose")
class Conv2DTranspose(_Transposed):
    """A transposed convolution of images, which makes them larger: the gradient of `Conv2D` with respect to its input.

    Every value of the input times the kernel is added to a window of the output. Dumoulin and Visin (2016),
    arXiv:1603.07285.

    Parameters
    ----------
    filters : int
        The number of channels of the output.
    kernel_size : int or (int, int)
        The height and the width of the window; one integer stands for both, here and below.
    strides : int or (int, int), default 1
        How far the window moves in the output from one value of the input to the next.
    padding : {"valid", "same"}, default "valid"
        Whether the output holds all windows, or is cut to the size of the input times `strides`.
    output_padding : int or (int, int), optional
        How much larger the output is than the windows need, less than `strides`; by default as `padding` says.
    data_format, dilation_rate
        As in `Conv2D`.
    activation, use_bias, bias_initializer, kernel_regularizer, bias_regularizer
        See `Dense`.
    kernel_initializer : str or Initializer, default "glorot_uniform"
        The initial values of the kernel, of shape (height, width, filters, channels): the channels of the output come first.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Conv2DTranspose(8, 3, strides=2, padding="same", input_shape=(7, 7, 16))])
    >>> model.output_shape
    (14, 14, 8)
    """


@layers.add("Conv1DTranspose", "Convolution1DTranspose")
class Conv1DTranspose(_Transposed):
    """A transposed convolution of sequences: `Conv2DTranspose` for samples of shape (steps, channels).

    Parameters
    ----------
    filters, kernel_size, strides, padding, output_padding, data_format, dilation_rate
        As in `Conv2DTranspose`, with one integer for the steps.
    activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer
        As in `Conv2DTranspose`; the kernel has shape (length, filters, channels).
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.Conv1DTranspose(2, 4, strides=2, input_shape=(10, 3))]).output_shape
    (22, 2)
    """

    rank = 1


Convolution1DTranspose = Conv1DTranspose
Convolution2DTranspose = Conv2DTranspose

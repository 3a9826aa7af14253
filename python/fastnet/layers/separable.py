"""Convolutions of each channel by itself."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from fastnet.initializers import Initializer
from fastnet.layers.base import Shape, layers
from fastnet.layers.convolution import Convolving
from fastnet.layers.functions import get_activation
from fastnet.layers.geometry import Image, Windows, sizes_of
from fastnet.layers.kernels import KernelLayer
from fastnet.regularizers import Regularizer
from fastnet.support.validation import check_integer


class _Depthwise(Convolving):
    """A layer with a kernel for each channel of the input."""

    keras_defaults: ClassVar[dict[str, Any]] = {**KernelLayer.keras_defaults, "depthwise_constraint": None}
    depth_multiplier: int
    depthwise_initializer: Initializer
    depthwise_regularizer: Regularizer | None

    def _depthwise_shape(self, channels: int) -> Shape:
        return (*self.kernel_size, channels, self.depth_multiplier)

    def _depthwise_description(self, image: Image) -> dict[str, Any]:
        filters = image.channels * self.depth_multiplier
        return {"type": "conv2d", **self.sizes(image), "filters": filters, "groups": image.channels}

    def get_config(self) -> dict[str, Any]:
        return {"depth_multiplier": self.depth_multiplier, **super().get_config()}


@layers.add()
class DepthwiseConv2D(_Depthwise):
    """A convolution of each channel of images by itself: channel c of the input gives the next `depth_multiplier` channels.

    Parameters
    ----------
    kernel_size, strides, padding
        See `Conv2D`.
    depth_multiplier : int, default 1
        The number of channels of the output for each channel of the input.
    data_format, dilation_rate
        See `Conv2D`.
    activation, use_bias, bias_initializer, bias_regularizer
        See `Dense`.
    depthwise_initializer : str or Initializer, default "glorot_uniform"
        The initial values of the kernel, of shape (height, width, channels, depth_multiplier).
    depthwise_regularizer : str or Regularizer, optional
        A penalty on the kernel.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.layers.DepthwiseConv2D(3, padding="same", input_shape=(28, 28, 16))])
    >>> model.output_shape, model.count_params()
    ((28, 28, 16), 160)
    """

    weight_prefixes: ClassVar[dict[str, str]] = {"kernel": "depthwise", "bias": "bias"}

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **keywords: Any,
    ) -> None:
        own = (depthwise_initializer, depthwise_regularizer), (bias_initializer, bias_regularizer)
        windows = kernel_size, strides, padding, data_format, dilation_rate
        super().__init__(*windows, activation, use_bias, own, keywords)
        self.depth_multiplier = check_integer("depth_multiplier", depth_multiplier)

    def channels(self, channels: int) -> int:
        return channels * self.depth_multiplier

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        described = self._depthwise_description(self.image(input_shape))
        return {**described, "use_bias": self.use_bias, **self.activation.description}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        channels = input_shape[-1]
        return {"kernel": self._depthwise_shape(channels), **self.bias_shape(channels)}

    def _flops(self, input_shape: Shape) -> int:
        outputs = math.prod(self.compute_output_shape(input_shape))
        return outputs * (2 * math.prod(self.kernel_size) + self.flops_per_output)


@layers.add("SeparableConv2D", "SeparableConvolution2D")
class SeparableConv2D(_Depthwise):
    """A depthwise convolution of images, and a convolution of 1 x 1 that mixes the channels.

    Together they take far fewer products than `Conv2D`. The bias and the activation follow the second. Chollet, CVPR 2017,
    arXiv:1610.02357.

    Parameters
    ----------
    filters : int
        The number of channels of the output.
    kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier
        Those of the depthwise convolution: see `DepthwiseConv2D`.
    activation, use_bias, bias_initializer, bias_regularizer
        See `Dense`.
    depthwise_initializer, pointwise_initializer : str or Initializer, default "glorot_uniform"
        The initial values of the kernels, of shape (height, width, channels, depth_multiplier) and
        (1, 1, channels * depth_multiplier, filters).
    depthwise_regularizer, pointwise_regularizer : str or Regularizer, optional
        Penalties on the kernels.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.layers.SeparableConv2D(32, 3, input_shape=(28, 28, 16))])
    >>> [array.shape for array in model.get_weights()]
    [(3, 3, 16, 1), (1, 1, 16, 32), (32,)]
    """

    weight_prefixes: ClassVar[dict[str, str]] = {
        "depthwise_kernel": "depthwise",
        "pointwise_kernel": "pointwise",
        "bias": "bias",
    }
    keras_defaults: ClassVar[dict[str, Any]] = {**_Depthwise.keras_defaults, "pointwise_constraint": None}
    pointwise_initializer: Initializer
    pointwise_regularizer: Regularizer | None

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: int | Sequence[int] = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **keywords: Any,
    ) -> None:
        depthwise = depthwise_initializer, depthwise_regularizer
        pointwise = pointwise_initializer, pointwise_regularizer
        windows = kernel_size, strides, padding, data_format, dilation_rate
        own = depthwise, pointwise, (bias_initializer, bias_regularizer)
        super().__init__(*windows, activation, use_bias, own, keywords)
        self.filters = check_integer("filters", filters)
        self.depth_multiplier = check_integer("depth_multiplier", depth_multiplier)

    def channels(self, _channels: int, /) -> int:
        return self.filters

    def descriptions(self, input_shape: Shape) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        first, *others = self.weight_shapes(input_shape)
        image = self.image(input_shape)
        linear = get_activation("linear").description
        depthwise = {**self._depthwise_description(image), "use_bias": False, **linear}
        yield (first,), {**depthwise, "trainable": self.trainable}
        yield tuple(others), {**self._pointwise_description(image), "trainable": self.trainable}

    def _pointwise_description(self, image: Image) -> dict[str, Any]:
        height, width, _ = self.output_image(image)
        mixed = Image(height, width, image.channels * self.depth_multiplier)
        sizes = sizes_of(mixed, (Windows(height, 0), Windows(width, 0)), kernel=(1, 1), stride=(1, 1), dilation=(1, 1))
        own = {"filters": self.filters, "groups": 1, "use_bias": self.use_bias, **self.activation.description}
        return {"type": "conv2d", **sizes, **own}

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        channels = input_shape[-1]
        return {
            "depthwise_kernel": self._depthwise_shape(channels),
            "pointwise_kernel": (*(1,) * self.rank, channels * self.depth_multiplier, self.filters),
            **self.bias_shape(channels),
        }

    def _flops(self, input_shape: Shape) -> int:
        height, width, filters = self.compute_output_shape(input_shape)
        between = input_shape[-1] * self.depth_multiplier
        products = between * math.prod(self.kernel_size) + between * filters
        return height * width * (2 * products + filters * self.flops_per_output)

    def get_config(self) -> dict[str, Any]:
        return {"filters": self.filters, **super().get_config()}


SeparableConvolution2D = SeparableConv2D

"""Layers that take the maximum or the mean of windows."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from fastnet.layers.base import Shape, layers
from fastnet.layers.geometry import (
    Both,
    Image,
    ImageLayer,
    Pair,
    Windows,
    check_data_format,
    check_padding,
    integers,
    of_both_axes,
    sizes_of,
    windows_of,
)
from fastnet.support.validation import check_bool


class _Pooling(ImageLayer):
    """What layers that pool windows have in common."""

    core_type: ClassVar[str]

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.pool_size = integers("pool_size", pool_size, self.rank)
        self.strides = self.pool_size if strides is None else integers("strides", strides, self.rank)
        self.padding = check_padding(padding)
        self.data_format = check_data_format(data_format)

    @property
    def _pairs(self) -> dict[str, Pair]:
        """The size of the window and the strides along the height and the width."""
        return {"pool": of_both_axes(self.pool_size), "stride": of_both_axes(self.strides)}

    def _windows(self, image: Image) -> Both:
        return windows_of(image, self.padding, *self._pairs.values())

    def output_image(self, image: Image) -> Image:
        vertical, horizontal = self._windows(image)
        return Image(vertical.number, horizontal.number, image.channels)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        image = self.image(input_shape)
        return {"type": self.core_type, **sizes_of(image, self._windows(image), **self._pairs)}

    def _flops(self, input_shape: Shape) -> int:
        """Return one operation for every value of every window."""
        return math.prod(self.compute_output_shape(input_shape)) * math.prod(self.pool_size)

    def get_config(self) -> dict[str, Any]:
        return {
            "pool_size": list(self.pool_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "data_format": self.data_format,
            **super().get_config(),
        }


@layers.add("MaxPooling2D", "MaxPool2D")
class MaxPooling2D(_Pooling):
    """The maximum of every window of images, channel by channel.

    The gradient of a maximum goes to the value that is the maximum, the first one in the order of rows if there are several.

    Parameters
    ----------
    pool_size : int or (int, int), default 2
        The height and the width of the window; one integer stands for both, here and below.
    strides : int or (int, int), optional
        How far the window moves; by default its size, so that windows do not overlap.
    padding : {"valid", "same"}, default "valid"
        Whether windows lie inside the image, or also reach over its edges, where there is nothing to be the maximum.
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    input_shape, name
        See `Layer`.

    Raises
    ------
    ValueError
        No window fits into a sample.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.MaxPooling2D(2, input_shape=(2, 4, 1))])
    >>> model.predict(np.arange(8.0).reshape(1, 2, 4, 1)).tolist()
    [[[[5.0], [7.0]]]]
    """

    core_type = "max_pooling2d"


@layers.add("AveragePooling2D", "AvgPool2D")
class AveragePooling2D(_Pooling):
    """The mean of every window of images, channel by channel.

    Parameters
    ----------
    pool_size, strides, data_format
        As in `MaxPooling2D`.
    padding : {"valid", "same"}, default "valid"
        As in `MaxPooling2D`; the mean is that of the values inside the image.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.AveragePooling2D(2, input_shape=(2, 4, 1))])
    >>> model.predict(np.arange(8.0).reshape(1, 2, 4, 1)).tolist()
    [[[[2.5], [4.5]]]]
    """

    core_type = "average_pooling2d"


@layers.add("MaxPooling1D", "MaxPool1D")
class MaxPooling1D(_Pooling):
    """The maximum of every window of sequences: `MaxPooling2D` for samples of shape (steps, channels).

    Parameters
    ----------
    pool_size, strides, padding, data_format
        As in `MaxPooling2D`, with one integer for the steps.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.MaxPooling1D(2, input_shape=(9, 3))]).output_shape
    (4, 3)
    """

    rank = 1
    core_type = "max_pooling2d"


@layers.add("AveragePooling1D", "AvgPool1D")
class AveragePooling1D(_Pooling):
    """The mean of every window of sequences: `AveragePooling2D` for samples of shape (steps, channels).

    Parameters
    ----------
    pool_size, strides, padding, data_format
        As in `AveragePooling2D`, with one integer for the steps.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.AveragePooling1D(2, padding="same", input_shape=(9, 3))]).output_shape
    (5, 3)
    """

    rank = 1
    core_type = "average_pooling2d"


class _GlobalPooling(ImageLayer):
    """What layers that pool whole images or sequences have in common."""

    core_type: ClassVar[str]

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.data_format = check_data_format(data_format)
        self.keepdims = check_bool("keepdims", keepdims)

    def output_image(self, image: Image) -> Image:
        return Image(1, 1, image.channels)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        output = super().compute_output_shape(input_shape)
        return output if self.keepdims else output[-1:]

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        image = self.image(input_shape)
        whole = image.height, image.width
        return {"type": self.core_type, **sizes_of(image, (Windows(1, 0), Windows(1, 0)), pool=whole, stride=whole)}

    def get_config(self) -> dict[str, Any]:
        return {"data_format": self.data_format, "keepdims": self.keepdims, **super().get_config()}


@layers.add("GlobalAveragePooling2D", "GlobalAvgPool2D")
class GlobalAveragePooling2D(_GlobalPooling):
    """The mean of each channel of images.

    Parameters
    ----------
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    keepdims : bool, default False
        Whether the output has the shape (1, 1, channels) instead of (channels,).
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.GlobalAveragePooling2D(input_shape=(7, 7, 64))]).output_shape
    (64,)
    """

    core_type = "average_pooling2d"


@layers.add("GlobalMaxPooling2D", "GlobalMaxPool2D")
class GlobalMaxPooling2D(_GlobalPooling):
    """The maximum of each channel of images.

    Parameters
    ----------
    data_format, keepdims
        As in `GlobalAveragePooling2D`.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.GlobalMaxPooling2D(keepdims=True, input_shape=(7, 7, 64))]).output_shape
    (1, 1, 64)
    """

    core_type = "max_pooling2d"


@layers.add("GlobalAveragePooling1D", "GlobalAvgPool1D")
class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each channel of sequences.

    Parameters
    ----------
    data_format, keepdims
        As in `GlobalAveragePooling2D`; samples have the shape (steps, channels).
    input_shape, name
        See `Layer`.
    """

    rank = 1
    core_type = "average_pooling2d"


@layers.add("GlobalMaxPooling1D", "GlobalMaxPool1D")
class GlobalMaxPooling1D(_GlobalPooling):
    """The maximum of each channel of sequences.

    Parameters
    ----------
    data_format, keepdims
        As in `GlobalAveragePooling2D`; samples have the shape (steps, channels).
    input_shape, name
        See `Layer`.
    """

    rank = 1
    core_type = "max_pooling2d"


MaxPool1D = MaxPooling1D
MaxPool2D = MaxPooling2D
AvgPool1D = AveragePooling1D
AvgPool2D = AveragePooling2D
GlobalAvgPool1D = GlobalAveragePooling1D
GlobalAvgPool2D = GlobalAveragePooling2D
GlobalMaxPool1D = GlobalMaxPooling1D
GlobalMaxPool2D = GlobalMaxPooling2D

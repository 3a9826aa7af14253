"""Layers that add, cut off or repeat rows and columns of images."""

import math
from collections.abc import Sequence
from typing import Any

from fastnet.layers.base import Shape, layers
from fastnet.layers.geometry import (
    Both,
    Image,
    ImageLayer,
    Pair,
    Windows,
    check_data_format,
    integers,
    of_both_axes,
    sides,
    sizes_of,
)
from fastnet.support.validation import check_choice, unsupported


class _Framing(ImageLayer):
    """A layer that changes the frame of images."""

    def _added(self) -> tuple[Pair, Pair]:
        """Return how much is added at the top and the bottom, and at the left and the right; less than 0 is cut off."""
        raise NotImplementedError

    def _windows(self, image: Image) -> Both:
        vertical, horizontal = self._added()
        return Windows(image.height + sum(vertical), vertical[0]), Windows(image.width + sum(horizontal), horizontal[0])

    def output_image(self, image: Image) -> Image:
        vertical, horizontal = self._windows(image)
        return Image(vertical.number, horizontal.number, image.channels)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        image = self.image(input_shape)
        return {"type": "padding2d", **sizes_of(image, self._windows(image))}

    def _flops(self, _input_shape: Shape, /) -> int:
        return 0


@layers.add()
class ZeroPadding2D(_Framing):
    """Adds rows and columns of zeros to images.

    Parameters
    ----------
    padding : int, (int, int) or ((int, int), (int, int)), default 1
        How many: at every side; above and below, and left and right; or ((top, bottom), (left, right)).
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.ZeroPadding2D(((1, 0), (2, 2)), input_shape=(28, 28, 3))]).output_shape
    (29, 32, 3)
    """

    def __init__(self, padding: int | Sequence[Any] = 1, data_format: str | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.padding = sides("padding", padding)
        self.data_format = check_data_format(data_format)

    def _added(self) -> tuple[Pair, Pair]:
        return self.padding

    def get_config(self) -> dict[str, Any]:
        padding = [list(pair) for pair in self.padding]
        return {"padding": padding, "data_format": self.data_format, **super().get_config()}


@layers.add()
class ZeroPadding1D(_Framing):
    """Adds steps of zeros to sequences.

    Parameters
    ----------
    padding : int or (int, int), default 1
        How many: at both ends, or (before, after).
    data_format : {"channels_last"}, optional
        Samples have the shape (steps, channels).
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.ZeroPadding1D((2, 0), input_shape=(10, 3))]).output_shape
    (12, 3)
    """

    rank = 1

    def __init__(self, padding: int | Sequence[int] = 1, data_format: str | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.padding = integers("padding", padding, 2, minimum=0)
        self.data_format = check_data_format(data_format)

    def _added(self) -> tuple[Pair, Pair]:
        before, after = self.padding
        return (0, 0), (before, after)

    def get_config(self) -> dict[str, Any]:
        return {"padding": list(self.padding), "data_format": self.data_format, **super().get_config()}


@layers.add()
class Cropping2D(_Framing):
    """Cuts rows and columns off images.

    Parameters
    ----------
    cropping : int, (int, int) or ((int, int), (int, int)), default 0
        How many: at every side; above and below, and left and right; or ((top, bottom), (left, right)).
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    input_shape, name
        See `Layer`.

    Raises
    ------
    ValueError
        Nothing would be left of a sample.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.Cropping2D(((1, 0), (2, 2)), input_shape=(28, 28, 3))]).output_shape
    (27, 24, 3)
    """

    def __init__(self, cropping: int | Sequence[Any] = 0, data_format: str | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.cropping = sides("cropping", cropping)
        self.data_format = check_data_format(data_format)

    def _added(self) -> tuple[Pair, Pair]:
        (top, bottom), (left, right) = self.cropping
        return (-top, -bottom), (-left, -right)

    def get_config(self) -> dict[str, Any]:
        cropping = [list(pair) for pair in self.cropping]
        return {"cropping": cropping, "data_format": self.data_format, **super().get_config()}


@layers.add()
class Cropping1D(_Framing):
    """Cuts steps off sequences.

    Parameters
    ----------
    cropping : int or (int, int), default 1
        How many: at both ends, or (before, after).
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.Cropping1D((2, 0), input_shape=(10, 3))]).output_shape
    (8, 3)
    """

    rank = 1

    def __init__(self, cropping: int | Sequence[int] = 1, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.cropping = integers("cropping", cropping, 2, minimum=0)

    def _added(self) -> tuple[Pair, Pair]:
        before, after = self.cropping
        return (0, 0), (-before, -after)

    def get_config(self) -> dict[str, Any]:
        return {"cropping": list(self.cropping), **super().get_config()}


class _UpSampling(ImageLayer):
    """What layers that enlarge images or sequences have in common."""

    size: Any
    interpolation: str = "nearest"

    def _factors(self) -> Pair:
        return of_both_axes(integers("size", self.size, self.rank))

    def output_image(self, image: Image) -> Image:
        down, right = self._factors()
        return Image(image.height * down, image.width * right, image.channels)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        down, right = self._factors()
        own = {"factor_height": down, "factor_width": right, "bilinear": self.interpolation == "bilinear"}
        return {"type": "upsampling2d", **self.image(input_shape)._asdict(), **own}

    def _flops(self, input_shape: Shape) -> int:
        """Return 7 for each value that is between four others, which are weighted and added."""
        return 7 * math.prod(self.compute_output_shape(input_shape)) if self.interpolation == "bilinear" else 0


@layers.add()
class UpSampling2D(_UpSampling):
    """Repeats the rows and the columns of images, or interpolates between them.

    Parameters
    ----------
    size : int or (int, int), default 2
        The factors of the height and of the width.
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    interpolation : {"nearest", "bilinear"}, default "nearest"
        "nearest" repeats; "bilinear" interpolates between the centers of pixels.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.layers.UpSampling2D((1, 2), input_shape=(1, 2, 1))])
    >>> model.predict(np.array([[[[1.0], [3.0]]]])).reshape(-1).tolist()
    [1.0, 1.0, 3.0, 3.0]
    """

    def __init__(
        self,
        size: int | Sequence[int] = 2,
        data_format: str | None = None,
        interpolation: str = "nearest",
        **keywords: Any,
    ) -> None:
        super().__init__(**keywords)
        self.size = integers("size", size, 2)
        self.data_format = check_data_format(data_format)
        if interpolation in ("bicubic", "lanczos3", "lanczos5"):
            raise unsupported(f"UpSampling2D(interpolation={interpolation!r}) is not available")
        self.interpolation = check_choice("interpolation", interpolation, ["nearest", "bilinear"])

    def get_config(self) -> dict[str, Any]:
        own = {"size": list(self.size), "data_format": self.data_format, "interpolation": self.interpolation}
        return {**own, **super().get_config()}


@layers.add()
class UpSampling1D(_UpSampling):
    """Repeats the steps of sequences.

    Parameters
    ----------
    size : int, default 2
        How often.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.UpSampling1D(3, input_shape=(10, 4))]).output_shape
    (30, 4)
    """

    rank = 1

    def __init__(self, size: int = 2, **keywords: Any) -> None:
        super().__init__(**keywords)
        (self.size,) = integers("size", size, 1)

    def get_config(self) -> dict[str, Any]:
        return {"size": self.size, **super().get_config()}

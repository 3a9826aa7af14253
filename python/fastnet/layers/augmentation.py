"""Layers that flip, move, turn, scale or crop images at random in training, so that a model sees more than its data has.

Every sample of every step is changed in its own way. What is drawn depends on the seed, the step and the place in the batch
alone: it is the same on any number of threads and ranks, and in a run that is continued.
"""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from fastnet.layers.base import Layer, Shape, layers
from fastnet.layers.geometry import Both, Image, ImageLayer, Windows, check_data_format, sizes_of
from fastnet.layers.regularization import RandomLayer
from fastnet.support.validation import check_choice, check_integer, check_number, describe

Factor = float | Sequence[float]  # a largest size, or a lower and an upper bound
Range = tuple[float, float]
FILL_MODES = ("reflect", "constant", "nearest", "wrap")


class Augmentation(ImageLayer, RandomLayer):
    """A layer that changes images in training only.

    Parameters
    ----------
    seed, data_format
        See the layers.
    keywords
        The other arguments of a layer.
    """

    keras_defaults: ClassVar[dict[str, Any]] = {**Layer.keras_defaults, "bounding_box_format": None}
    _called_in_training: ClassVar[bool] = True

    def __init__(self, seed: int | None, data_format: str | None, keywords: dict[str, Any]) -> None:
        super().__init__(seed, keywords)
        self.data_format = check_data_format(data_format)

    def output_image(self, image: Image) -> Image:
        return image

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed, "data_format": self.data_format, **super().get_config()}


class Resampling(Augmentation):
    """A layer that moves the values of images by parts of a pixel.

    Parameters
    ----------
    fill_mode, interpolation, fill_value, seed, data_format
        See `RandomRotation`.
    keywords
        The other arguments of a layer.
    """

    def __init__(
        self,
        fill_mode: str,
        interpolation: str,
        seed: int | None,
        fill_value: float,
        data_format: str | None,
        keywords: dict[str, Any],
    ) -> None:
        super().__init__(seed, data_format, keywords)
        self.fill_mode = check_choice("fill_mode", fill_mode, FILL_MODES)
        self.interpolation = check_choice("interpolation", interpolation, ["nearest", "bilinear"])
        self.fill_value = check_number("fill_value", fill_value)

    def resampled(self, kind: str, input_shape: Shape, **own: Any) -> dict[str, Any]:
        """Return the description of a layer of this kind, with what is its own."""
        common = {"fill_mode": self.fill_mode, "fill_value": self.fill_value, "seed": self.seed}
        return {"type": kind, **self.image(input_shape)._asdict(), **common, **own, "nearest": self._is_nearest}

    @property
    def _is_nearest(self) -> bool:
        return self.interpolation == "nearest"

    def get_config(self) -> dict[str, Any]:
        own = {"fill_mode": self.fill_mode, "interpolation": self.interpolation, "fill_value": self.fill_value}
        return {**own, **super().get_config()}


# ---- Arguments ------------------------------------------------------------------------------------------------------


def pair_of(name: str, value: Any, minimum: float, maximum: float) -> Range:
    """Return two numbers of an argument in ascending order."""
    if len(value) != 2:
        raise ValueError(f"{name} must be a number or 2 numbers; got {describe(value)}")
    lower, upper = sorted(
        check_number(f"every entry of {name}", entry, minimum=minimum, maximum=maximum) for entry in value
    )
    return lower, upper


def is_pair(value: Any) -> bool:
    """Return whether an argument is a sequence, not a number."""
    return isinstance(value, Sequence) and not isinstance(value, str)


def range_of(name: str, value: Any, minimum: float = -1.0, maximum: float = 1.0) -> Range:
    """Return the range of a factor: a number stands for it on both sides of 0, as far as `minimum` allows."""
    if is_pair(value):
        return pair_of(name, value, minimum, maximum)
    largest = abs(check_number(name, value, minimum=minimum, maximum=maximum))
    return max(-largest, minimum), largest


def as_given(name: str, value: Any) -> float | list[float]:
    """Return a factor, which must be one, as a configuration has it."""
    range_of(name, value)
    return [float(entry) for entry in value] if is_pair(value) else float(value)


# ---- Layers ---------------------------------------------------------------------------------------------------------


@layers.add()
class RandomFlip(Augmentation):
    """Flips images in training, at random, and leaves them alone in prediction.

    Parameters
    ----------
    mode : {"horizontal", "vertical", "horizontal_and_vertical"}, default "horizontal_and_vertical"
        "horizontal" swaps left and right, "vertical" top and bottom; each of the two happens with a probability of 1/2.
        With both, one does not depend on the other; Keras 3 does both or none.
    seed : int, optional
        The seed of the layer. Without one the model draws it from its own.
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.RandomFlip("horizontal", input_shape=(32, 32, 3))]).output_shape
    (32, 32, 3)
    """

    def __init__(
        self,
        mode: Literal["horizontal", "vertical", "horizontal_and_vertical"] = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(seed, data_format, keywords)
        self.mode = check_choice("mode", mode, ["horizontal", "vertical", "horizontal_and_vertical"])

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        own = {name: name in self.mode for name in ("horizontal", "vertical")}
        return {"type": "random_flip", **self.image(input_shape)._asdict(), **own, "seed": self.seed}

    def get_config(self) -> dict[str, Any]:
        return {"mode": self.mode, **super().get_config()}


@layers.add()
class RandomTranslation(Resampling):
    """Moves images up or down and to the left or right in training, and leaves them alone in prediction.

    Parameters
    ----------
    height_factor : float or (float, float)
        How far, as a share of the height: a number f stands for the range from -f to f, of which every sample gets a number of
        its own. Positive is down. In [-1, 1].
    width_factor : float or (float, float)
        The same of the width. Positive is to the right.
    fill_mode, interpolation, seed, fill_value, data_format
        As in `RandomRotation`.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.RandomTranslation(0.1, 0.1, input_shape=(28, 28, 1)), fn.Flatten(), fn.Dense(10)])
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, keywords)
        self.height_factor = as_given("height_factor", height_factor)
        self.width_factor = as_given("width_factor", width_factor)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        ranges = range_of("height_factor", self.height_factor), range_of("width_factor", self.width_factor)
        return self.resampled("random_affine", input_shape, transformation="translation", **_factors(*ranges))

    def get_config(self) -> dict[str, Any]:
        return {"height_factor": self.height_factor, "width_factor": self.width_factor, **super().get_config()}


@layers.add()
class RandomRotation(Resampling):
    """Turns images around their center in training, and leaves them alone in prediction.

    Parameters
    ----------
    factor : float or (float, float)
        The angle as a share of a full turn: a number f stands for the range from -f to f, of which every sample gets a number
        of its own. Positive is counterclockwise. In [-1, 1]; ten degrees are 10 / 360.
    fill_mode : {"reflect", "constant", "nearest", "wrap"}, default "reflect"
        What comes in from beyond the edges of a row of pixels ``a b c d``: "reflect" is ``d c b a | a b c d | d c b a``,
        "constant" is `fill_value` everywhere, "nearest" is ``a a a a | a b c d | d d d d``, "wrap" is
        ``a b c d | a b c d | a b c d``.
    interpolation : {"bilinear", "nearest"}, default "bilinear"
        Whether a value that lies between pixels is a mean of the four around it, or that of the nearest one.
    seed : int, optional
        The seed of the layer. Without one the model draws it from its own.
    fill_value : float, default 0.0
        The value beyond the edges with ``fill_mode="constant"``.
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.RandomRotation(10 / 360, fill_mode="constant", input_shape=(2, 2, 1))])
    >>> model.predict(np.ones((1, 2, 2, 1))).reshape(-1).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """

    def __init__(
        self,
        factor: Factor,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, keywords)
        self.factor = range_of("factor", factor)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        return self.resampled("random_affine", input_shape, transformation="rotation", **_factors(self.factor))

    def get_config(self) -> dict[str, Any]:
        return {"factor": list(self.factor), **super().get_config()}


@layers.add()
class RandomZoom(Resampling):
    """Scales images in training, and leaves them alone in prediction.

    Parameters
    ----------
    height_factor : float or (float, float)
        By how much, as a share of the height: a number f stands for the range from -f to f, of which every sample gets a
        number of its own. Positive shows more of what is around: the image shrinks by 1 + factor. Above -1, at most 1.
    width_factor : float or (float, float), optional
        The same of the width. Without it images keep their proportions.
    fill_mode, interpolation, seed, fill_value, data_format
        As in `RandomRotation`.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.RandomZoom((-0.1, 0.2)).get_config()["height_factor"]
    [-0.1, 0.2]
    """

    def __init__(
        self,
        height_factor: Factor,
        width_factor: Factor | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, keywords)
        self.height_factor = _checked_zoom("height_factor", height_factor)
        self.width_factor = None if width_factor is None else _checked_zoom("width_factor", width_factor)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        given = [factor for factor in (self.height_factor, self.width_factor) if factor is not None]
        own = {**_factors(*(range_of("factor", factor) for factor in given)), "proportional": self.width_factor is None}
        return self.resampled("random_affine", input_shape, transformation="zoom", **own)

    def get_config(self) -> dict[str, Any]:
        return {"height_factor": self.height_factor, "width_factor": self.width_factor, **super().get_config()}


def _checked_zoom(name: str, value: Any) -> float | list[float]:
    if range_of(name, value)[0] <= -1.0:
        raise ValueError(f"{name} must be above -1, where an image is infinitely large; got {describe(value)}")
    return as_given(name, value)


def _factors(first: Range, second: Range = (0.0, 0.0)) -> dict[str, float]:
    return dict(zip(("lower", "upper", "width_lower", "width_upper"), (*first, *second), strict=True))


@layers.add()
class RandomCrop(Augmentation):
    """Takes a part of images: anywhere in training, and in prediction from their middle.

    Parameters
    ----------
    height, width : int
        The size of the part.
    seed : int, optional
        The seed of the layer. Without one the model draws it from its own.
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    input_shape, name
        See `Layer`.

    Notes
    -----
    Every sample has a place of its own; Keras 3 draws one for a batch. Keras 3 leaves images as large as they are in
    prediction, where its model was built for the part, and enlarges images that are smaller than the part, which are
    refused here.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.RandomCrop(1, 2, input_shape=(3, 4, 1))])
    >>> model.predict(np.arange(12.0).reshape(1, 3, 4, 1)).reshape(-1).tolist()
    [5.0, 6.0]
    """

    def __init__(
        self, height: int, width: int, seed: int | None = None, data_format: str | None = None, **keywords: Any
    ) -> None:
        super().__init__(seed, data_format, keywords)
        self.height, self.width = check_integer("height", height), check_integer("width", width)

    def output_image(self, image: Image) -> Image:
        if image.height < self.height or image.width < self.width:
            raise ValueError(
                f"layer {self.name!r} takes {self.height} x {self.width} pixels of images that have only {image.height} x "
                f"{image.width}"
            )
        return Image(self.height, self.width, image.channels)

    def _windows(self, image: Image) -> Both:
        top, left = (image.height - self.height) // 2, (image.width - self.width) // 2
        return Windows(self.height, -top), Windows(self.width, -left)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        image = self.image(input_shape)
        return {"type": "random_crop", **sizes_of(image, self._windows(image)), "seed": self.seed}

    def get_config(self) -> dict[str, Any]:
        return {"height": self.height, "width": self.width, **super().get_config()}

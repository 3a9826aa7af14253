"""Layers that change the brightness, the contrast or the shapes of images at random in training."""

from collections.abc import Sequence
from typing import Any

from fastnet.layers.augmentation import Augmentation, Factor, Range, Resampling, is_pair, pair_of, range_of
from fastnet.layers.base import Shape, layers
from fastnet.support.validation import check_number, describe, unsupported

_LARGEST = 3.4e38  # of the values of images, in float32


class _Levels(Augmentation):
    """A layer that changes all values of an image, within a range of values."""

    factor: Range

    def __init__(self, value_range: Sequence[float], seed: int | None, keywords: dict[str, Any]) -> None:
        super().__init__(seed, keywords.pop("data_format", None), keywords)
        self.value_range = values_of(value_range)

    def _described(self, input_shape: Shape, contrast: bool, lower: float, upper: float) -> dict[str, Any]:
        channels = self.image(input_shape).channels
        low, high = self.value_range
        own = {"contrast": contrast, "lower": lower, "upper": upper, "low": low, "high": high, "seed": self.seed}
        return {"type": "random_levels", "channels": channels, **own}

    def get_config(self) -> dict[str, Any]:
        return {"factor": list(self.factor), "value_range": list(self.value_range), **super().get_config()}


def values_of(value_range: Any) -> Range:
    """Return the lowest and the highest value of images."""
    if not is_pair(value_range):
        raise ValueError(
            f"value_range must be 2 numbers, the lowest and the highest value; got {describe(value_range)}"
        )
    return pair_of("value_range", value_range, -_LARGEST, _LARGEST)


@layers.add()
class RandomContrast(_Levels):
    """Changes the contrast of images in training, and leaves them alone in prediction.

    Every value becomes ``(x - mean) * contrast + mean``, where the mean is that of its channel in its image, cut off at the
    limits of `value_range`.

    Parameters
    ----------
    factor : float or (float, float)
        The contrast of every sample is a number between 1 - lower and 1 + upper; one number stands for both. In [0, 1].
    value_range : (float, float), default (0, 255)
        The lowest and the highest value of an image: (0, 1) behind ``Rescaling(1 / 255)``.
    seed : int, optional
        The seed of the layer. Without one the model draws it from its own.
    input_shape, name
        See `Layer`.

    Notes
    -----
    Keras 3 documents that one number stands for both bounds, and takes 0 as the lower one. What it saves has two bounds and
    means the same here.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.RandomContrast(0.2, value_range=(0, 1)).factor
    (0.2, 0.2)
    """

    def __init__(
        self, factor: Factor, value_range: Sequence[float] = (0, 255), seed: int | None = None, **keywords: Any
    ) -> None:
        super().__init__(value_range, seed, keywords)
        lower, upper = range_of("factor", factor, 0.0)
        self.factor = (lower, upper) if is_pair(factor) else (upper, upper)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        lower, upper = self.factor
        return self._described(input_shape, True, 1.0 - lower, 1.0 + upper)


@layers.add()
class RandomBrightness(_Levels):
    """Makes images brighter or darker in training, and leaves them alone in prediction.

    The same number is added to all values of a sample, which are cut off at the limits of `value_range`.

    Parameters
    ----------
    factor : float or (float, float)
        What is added, as a share of the length of `value_range`: a number f stands for the range from -f to f, of which every
        sample gets a number of its own. In [-1, 1].
    value_range : (float, float), default (0, 255)
        The lowest and the highest value of an image: (0, 1) behind ``Rescaling(1 / 255)``.
    seed : int, optional
        The seed of the layer. Without one the model draws it from its own.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.RandomBrightness(0.2, value_range=(0, 1)).factor
    (-0.2, 0.2)
    """

    def __init__(
        self, factor: Factor, value_range: Sequence[float] = (0, 255), seed: int | None = None, **keywords: Any
    ) -> None:
        super().__init__(value_range, seed, keywords)
        self.factor = range_of("factor", factor)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        low, high = self.value_range
        lower, upper = (factor * (high - low) for factor in self.factor)
        return self._described(input_shape, False, lower, upper)


@layers.add()
class RandomElasticTransform(Resampling):
    """Deforms images like rubber in training, and leaves them alone in prediction.

    Every pixel moves by random numbers, which a Gaussian smooths so that neighbors move by nearly the same. Simard, Steinkraus
    and Platt, "Best practices for convolutional neural networks applied to visual document analysis", ICDAR 2003, made the
    handwritten digits of MNIST more with it.

    Parameters
    ----------
    factor : float or (float, float), default 1.0
        The probability that an image is deformed, drawn for every sample: from 0 to a number, or between two. In [0, 1]. The
        default deforms half of them, and (1, 1) all.
    scale : float or (float, float), default 1.0
        The strength, drawn for every sample: from 0 to a number, or between two. In [0, 1].
    interpolation, fill_mode, fill_value, seed, data_format
        As in `RandomRotation`.
    value_range : (float, float), default (0, 255)
        The lowest and the highest value of an image. What is outside is cut off.
    alpha : float, optional
        How far pixels move at a scale of 1: by distances of a standard deviation of 0.28 `alpha` pixels along each axis. By
        default a tenth of the larger side, as in Keras, which does not have this argument.
    sigma : float, optional
        The standard deviation of the Gaussian in pixels at a scale of 1. By default a twentieth of the smaller side, likewise.
    input_shape, name
        See `Layer`.

    Notes
    -----
    With uniform random numbers Simard, Steinkraus and Platt found 34 and sigma = 4 best. The same distances are ``alpha=4.9``
    here, where the numbers are normal with a standard deviation of `sigma`: ``34 / (sqrt(3) * 4)``. Keras draws the scale once
    for a batch.

    Examples
    --------
    >>> import fastnet as fn
    >>> layer = fn.layers.RandomElasticTransform((1, 1), scale=(1, 1), alpha=4.9, sigma=4, fill_mode="constant")
    >>> fn.Sequential([fn.Input((28, 28, 1)), layer]).output_shape
    (28, 28, 1)
    """

    def __init__(
        self,
        factor: Factor = 1.0,
        scale: Factor = 1.0,
        interpolation: str = "bilinear",
        fill_mode: str = "reflect",
        fill_value: float = 0.0,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        *,
        alpha: float | None = None,
        sigma: float | None = None,
        **keywords: Any,
    ) -> None:
        if fill_mode == "mirror":
            raise unsupported("RandomElasticTransform(fill_mode='mirror') is not available")
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, keywords)
        self.factor, self.scale = range_of("factor", factor, 0.0), range_of("scale", scale, 0.0)
        self.value_range = values_of(value_range)
        self.alpha = None if alpha is None else check_number("alpha", alpha, minimum=0.0, maximum=1e5)
        self.sigma = None if sigma is None else check_number("sigma", sigma, minimum=0.0, maximum=1e5)

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        sides = self.image(input_shape)[:2]
        alpha = 0.1 * max(sides) if self.alpha is None else self.alpha
        sigma = 0.05 * min(sides) if self.sigma is None else self.sigma
        ranges = {"": self.factor, "scale_": self.scale}
        drawn = {f"{name}{end}": pair[at] for name, pair in ranges.items() for at, end in enumerate(("lower", "upper"))}
        low, high = self.value_range
        own = {**drawn, "alpha": alpha, "sigma": sigma, "low": low, "high": high}
        return self.resampled("random_elastic", input_shape, **own)

    def get_config(self) -> dict[str, Any]:
        # Keras takes what it wrote: its configurations have no alpha and sigma.
        further = {name: getattr(self, name) for name in ("alpha", "sigma") if getattr(self, name) is not None}
        own = {"factor": list(self.factor), "scale": list(self.scale), "value_range": list(self.value_range)}
        return {**own, **further, **super().get_config()}

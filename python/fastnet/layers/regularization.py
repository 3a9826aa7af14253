"""Layers that act in training only, against overfitting."""

import math
from collections.abc import Sequence
from typing import Any

from fastnet.layers.base import Layer, Shape, layers
from fastnet.layers.geometry import Image, ImageLayer, check_data_format
from fastnet.support.validation import check_integer, check_number, describe, unsupported


class RandomLayer(Layer):
    """A layer that draws random numbers."""

    def __init__(self, seed: int | None, keywords: dict[str, Any]) -> None:
        super().__init__(**keywords)
        self.seed = None if seed is None else check_integer("seed", seed, minimum=0)

    def _flops(self, input_shape: Shape) -> int:
        """Prediction leaves the layer out."""
        del input_shape
        return 0


@layers.add()
class Dropout(RandomLayer):
    """Sets a share of its inputs to zero in training, at random, and leaves them alone in prediction.

    The others are multiplied by ``1 / (1 - rate)``, so that the expected sum stays what it is ("inverted" dropout):
    Srivastava et al., JMLR 15 (2014). What is dropped depends on the seed, the step, the row and the column alone: it
    is the same on any number of threads and on every machine.

    Parameters
    ----------
    rate : float
        The share of the inputs that is dropped, in [0, 1). The attribute can be set at any time, and counts from the next
        batch on.
    noise_shape : tuple of (int or None), optional
        The shape of the mask, that of the batch first: 1 for an axis along which a mask is shared, and None or the size for
        the others, which must follow each other. ``(None, 1, 16)`` drops whole features of sequences, as `SpatialDropout1D`
        does, ``(None, 100, 1)`` whole steps, and ``(1, 100, 16)`` the same values of all samples of a batch. The size of the
        batch can only be None.
    seed : int, optional
        The seed of the layer. Without one the model draws it from its own.
    input_shape, input_dim, name
        See `Layer`.

    Raises
    ------
    ValueError
        `rate` is not in [0, 1).

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.layers.Dropout(0.5, input_shape=(4,))])
    >>> model.predict(np.ones((1, 4)))
    array([[1., 1., 1., 1.]], dtype=float32)
    """

    _changeable = RandomLayer._changeable | {"rate"}

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **keywords: Any,
    ) -> None:
        super().__init__(seed, keywords)
        self.rate = check_number("rate", rate, minimum=0.0, below=1.0)
        self.noise_shape = None if noise_shape is None else _checked_noise_shape(noise_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._mask(input_shape)
        return input_shape

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        length, repeats = self._mask(input_shape)
        own = {"rate": self.rate, "seed": self.seed}
        shared = self.noise_shape is not None and self.noise_shape[0] == 1
        if length * repeats == math.prod(input_shape) and repeats == 1 and not shared:
            return {"type": "dropout", **own}
        return {"type": "spatial_dropout", "channels": length, "repeats": repeats, "shared": shared, **own}

    def _mask(self, input_shape: Shape) -> tuple[int, int]:
        """Return the length of the mask of a sample, and of the runs of values that share one of its."""
        if self.noise_shape is None:
            return math.prod(input_shape), 1
        wanted = self.noise_shape[1:]
        if len(wanted) != len(input_shape) or any(
            n not in (None, 1, size) for n, size in zip(wanted, input_shape, strict=True)
        ):
            raise ValueError(
                f"noise_shape must have None or 1 for the batch, and 1, None or the size for each axis of samples of shape "
                f"{input_shape}; got {self.noise_shape}"
            )
        kept = [axis for axis, n in enumerate(wanted) if n != 1 and input_shape[axis] != 1]
        if not kept:
            return 1, math.prod(input_shape)
        if any(input_shape[axis] != 1 for axis in range(kept[0], kept[-1]) if axis not in kept):
            raise unsupported(
                f"Dropout(noise_shape={self.noise_shape}) is not available: axes with a mask of their own must follow each other"
            )
        return math.prod(input_shape[axis] for axis in kept), math.prod(input_shape[kept[-1] + 1 :])

    def get_config(self) -> dict[str, Any]:
        shape = {} if self.noise_shape is None else {"noise_shape": list(self.noise_shape)}
        return {"rate": self.rate, **shape, "seed": self.seed, **super().get_config()}


def _checked_noise_shape(noise_shape: Any) -> tuple[int | None, ...]:
    if isinstance(noise_shape, str) or not isinstance(noise_shape, Sequence):
        raise TypeError(f"noise_shape must be None or a sequence of integers and None; got {describe(noise_shape)}")
    shape = tuple(None if n is None else check_integer("every value of noise_shape", n) for n in noise_shape)
    if shape[:1] not in ((None,), (1,)):
        raise unsupported(f"Dropout(noise_shape={shape}) is not available: the first value must be None or 1")
    return shape


class _SpatialDropout(ImageLayer, RandomLayer):
    """What dropouts of whole channels have in common."""

    _changeable = RandomLayer._changeable | {"rate"}

    def __init__(self, rate: float, seed: int | None, keywords: dict[str, Any]) -> None:
        super().__init__(seed, keywords)
        self.rate = check_number("rate", rate, minimum=0.0, below=1.0)

    def output_image(self, image: Image) -> Image:
        return image

    def description(self, input_shape: Shape, /) -> dict[str, Any]:
        return {"type": "spatial_dropout", "channels": input_shape[-1], "rate": self.rate, "seed": self.seed}

    def get_config(self) -> dict[str, Any]:
        return {"rate": self.rate, "seed": self.seed, **super().get_config()}


@layers.add()
class SpatialDropout2D(_SpatialDropout):
    """Sets whole channels of images to zero in training, at random, and leaves them alone in prediction.

    Neighboring pixels are much alike, so `Dropout` of single values hides little of them. The other channels are multiplied
    by ``1 / (1 - rate)``. Tompson, Goroshin, Jain, LeCun and Bregler, CVPR 2015, arXiv:1411.4280.

    Parameters
    ----------
    rate : float
        The share of the channels that is dropped, in [0, 1). The attribute can be set at any time, and counts from the next
        batch on.
    data_format : {"channels_last"}, optional
        Samples have the shape (height, width, channels).
    seed : int, optional
        The seed of the layer. Without one the model draws it from its own.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.SpatialDropout2D(0.2, input_shape=(28, 28, 16))]).output_shape
    (28, 28, 16)
    """

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **keywords: Any) -> None:
        super().__init__(rate, seed, keywords)
        self.data_format = check_data_format(data_format)

    def get_config(self) -> dict[str, Any]:
        return {"data_format": self.data_format, **super().get_config()}


@layers.add()
class SpatialDropout1D(_SpatialDropout):
    """Sets whole channels of sequences to zero in training: `SpatialDropout2D` for samples of shape (steps, channels).

    Parameters
    ----------
    rate, seed
        As in `SpatialDropout2D`.
    input_shape, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.layers.SpatialDropout1D(0.2, input_shape=(100, 16))]).output_shape
    (100, 16)
    """

    rank = 1

    def __init__(self, rate: float, seed: int | None = None, **keywords: Any) -> None:
        super().__init__(rate, seed, keywords)


@layers.add()
class GaussianNoise(RandomLayer):
    """Adds noise from a normal distribution in training, and nothing in prediction.

    Parameters
    ----------
    stddev : float
        The standard deviation of the noise. The attribute can be set at any time, and counts from the next batch on.
    seed : int, optional
        The seed of the layer. Without one the model draws it from its own.
    input_shape, input_dim, name
        See `Layer`.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.layers.GaussianNoise(0.1, input_shape=(4,)), fn.Dense(2)])
    """

    _changeable = RandomLayer._changeable | {"stddev"}

    def __init__(self, stddev: float, seed: int | None = None, **keywords: Any) -> None:
        super().__init__(seed, keywords)
        self.stddev = check_number("stddev", stddev, minimum=0.0)

    def description(self, _input_shape: Shape, /) -> dict[str, Any]:
        return {"type": "gaussian_noise", "deviation": self.stddev, "seed": self.seed}

    def get_config(self) -> dict[str, Any]:
        return {"stddev": self.stddev, "seed": self.seed, **super().get_config()}

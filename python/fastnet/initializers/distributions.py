"""Initial values from distributions with given limits."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.initializers.base import RandomInitializer, initializers
from fastnet.support.validation import check_number

if TYPE_CHECKING:
    from numpy.random import Generator  # not at run time: NumPy imports it lazily, which takes a while

__all__ = ["Orthogonal", "RandomNormal", "RandomUniform", "TruncatedNormal"]


@initializers.add("random_uniform", "uniform")
class RandomUniform(RandomInitializer):
    """Uniform between `minval` and `maxval`.

    Examples
    --------
    >>> from fastnet import initializers
    >>> values = initializers.uniform(-0.5, 0.5, seed=0)((784, 10))
    >>> bool(abs(values).max() <= 0.5)
    True
    """

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.minval = check_number("minval", minval)
        self.maxval = check_number("maxval", maxval, minimum=self.minval)

    def get_config(self) -> dict[str, Any]:
        return {"minval": self.minval, "maxval": self.maxval, "seed": self.seed}

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        return generator.uniform(self.minval, self.maxval, shape)


@initializers.add("random_normal", "normal")
class RandomNormal(RandomInitializer):
    """Normal with this mean and standard deviation."""

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: int | None = None) -> None:
        super().__init__(seed)
        self.mean = check_number("mean", mean)
        self.stddev = check_number("stddev", stddev, minimum=0.0)

    def get_config(self) -> dict[str, Any]:
        return {"mean": self.mean, "stddev": self.stddev, "seed": self.seed}

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        return generator.normal(self.mean, self.stddev, shape)


@initializers.add("truncated_normal")
class TruncatedNormal(RandomNormal):
    """Normal with values beyond two standard deviations drawn again; the resulting deviation is 0.88 `stddev`."""

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        return self.mean + self.stddev * truncated_standard_normal(shape, generator)


@initializers.add("orthogonal")
class Orthogonal(RandomInitializer):
    """Rows or columns that are orthogonal and have the length `gain`: Saxe et al. (2014), arXiv:1312.6120.

    Weights of more than two dimensions are a matrix with the last one for columns.

    Examples
    --------
    >>> from fastnet import initializers
    >>> w = initializers.Orthogonal(seed=0)((3, 2), "float64")
    >>> (w.T @ w).round(6) + 0.0
    array([[1., 0.],
           [0., 1.]])
    """

    def __init__(self, gain: float = 1.0, seed: int | None = None) -> None:
        super().__init__(seed)
        self.gain = check_number("gain", gain)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain, "seed": self.seed}

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        if len(shape) < 2:
            raise ValueError(f"Orthogonal is for weights of at least two dimensions; got shape {shape}")
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(generator.standard_normal((max(rows, columns), min(rows, columns))))
        q = q * np.where(np.diag(r) < 0.0, -1.0, 1.0)  # makes them uniform among all such matrices
        return self.gain * (q if rows >= columns else q.T).reshape(shape)


def truncated_standard_normal(shape: tuple[int, ...], generator: "Generator") -> NDArray[np.float64]:
    """Return values of a standard normal, of which those beyond -2 and 2 are drawn again."""
    values = np.asarray(generator.standard_normal(shape))
    while (outside := np.abs(values) > 2.0).any():
        values[outside] = generator.standard_normal(np.count_nonzero(outside))
    return values

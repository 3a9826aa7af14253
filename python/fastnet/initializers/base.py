"""Base classes of initializers, and their registry."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import check_integer
from fastnet.utils import make_generator

if TYPE_CHECKING:
    from numpy.random import Generator  # not at run time: NumPy imports it lazily, which takes a while

__all__ = ["Initializer", "RandomInitializer", "initializers"]


class Initializer(Configurable):
    """Base class of initializers."""

    def __call__(
        self, shape: tuple[int, ...], dtype: DTypeLike = "float32", *, generator: "Generator | None" = None
    ) -> NDArray[Any]:
        """Return an array of initial values.

        Parameters
        ----------
        shape : tuple of int
            The shape of the array; a kernel is (inputs, units).
        dtype : dtype, default "float32"
            "float32" or "float64".
        generator : numpy.random.Generator, optional
            The source of random numbers; a model passes its own. An initializer with a `seed` does not use it.

        Returns
        -------
        ndarray
            An array of this shape and dtype.
        """
        return self._values(shape, make_generator(None) if generator is None else generator).astype(dtype)

    def _values(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        raise NotImplementedError


class RandomInitializer(Initializer):
    """Base class of initializers that draw random numbers.

    Parameters
    ----------
    seed : int, optional
        With a seed, every call returns the same values. Without one, the values come from the model's generator.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = None if seed is None else check_integer("seed", seed, minimum=0)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}

    def _values(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        return self._draw(shape, generator if self.seed is None else make_generator(self.seed))

    def _draw(self, shape: tuple[int, ...], generator: "Generator", /) -> NDArray[np.float64]:
        raise NotImplementedError


initializers = Registry("initializer", Initializer, "initializers")

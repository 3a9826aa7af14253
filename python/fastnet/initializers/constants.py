"""Initial values without random numbers."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet.initializers.base import Initializer, initializers
from fastnet.support.validation import check_number

if TYPE_CHECKING:
    from numpy.random import Generator  # not at run time: NumPy imports it lazily, which takes a while

__all__ = ["Constant", "Identity", "Ones", "Zeros"]


@initializers.add("constant")
class Constant(Initializer):
    """Every value is `value`."""

    def __init__(self, value: float = 0.0) -> None:
        self.value = check_number("value", value)

    def get_config(self) -> dict[str, Any]:
        return {"value": self.value}

    def _values(self, shape: tuple[int, ...], _generator: "Generator", /) -> NDArray[np.float64]:
        return np.full(shape, self.value)


@initializers.add("zeros")
class Zeros(Constant):
    """Every value is 0."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def get_config(self) -> dict[str, Any]:
        return {}


@initializers.add("ones")
class Ones(Constant):
    """Every value is 1."""

    def __init__(self) -> None:
        super().__init__(1.0)

    def get_config(self) -> dict[str, Any]:
        return {}


@initializers.add("identity")
class Identity(Initializer):
    """The identity matrix times `gain`, for weights of two dimensions.

    Examples
    --------
    >>> from fastnet import initializers
    >>> initializers.Identity(2.0)((2, 3))
    array([[2., 0., 0.],
           [0., 2., 0.]], dtype=float32)
    """

    def __init__(self, gain: float = 1.0) -> None:
        self.gain = check_number("gain", gain)

    def get_config(self) -> dict[str, Any]:
        return {"gain": self.gain}

    def _values(self, shape: tuple[int, ...], _generator: "Generator", /) -> NDArray[np.float64]:
        if len(shape) != 2:
            raise ValueError(f"Identity is for weights of two dimensions; got shape {shape}")
        return self.gain * np.eye(*shape)

"""The base of every model: a compiled network with the shapes of its samples."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from fastnet._core import Lock
from fastnet.inputs.ranges import FeatureRange
from fastnet.layers.weights import Network
from fastnet.support.attributes import Sealed
from fastnet.support.missing_names import NamesItsAttributes


class Compiled(Sealed, NamesItsAttributes, ABC):
    """A compiled network, its dtype, and the shapes of one sample."""

    name: str
    dtype: str
    compute_dtype: str
    input_shape: tuple[int, ...] | None
    class_names: list[str] | None
    feature_names: list[str] | None
    feature_ranges: list[FeatureRange] | None
    figures: dict[str, Any]
    _network: Network | None

    def __init__(self) -> None:
        self._structure = Lock()  # held to change the layers, the network or the compilation, or to read them together
        self._output_shape: tuple[int, ...] = ()  # of the network, which may lag behind added or removed layers
        self._maps_rows = False  # whether samples and outputs are rows, which need no reshaping

    @property
    @abstractmethod
    def output_shape(self) -> tuple[int, ...] | None:
        """The shape of one sample of the output, or None before the model is built."""

    @abstractmethod
    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Create the weights, unless the model is built."""

    @abstractmethod
    def _called_in_training(self, x: Any) -> NDArray[Any]:
        """Return the outputs for samples as in a training step."""

    @abstractmethod
    def _trainable_arrays(self) -> list[tuple[str, int, tuple[int, ...]]]:
        """Return the path, such as "dense/kernel", the offset and the shape of every array that is trained."""

    def _penalty(self) -> float:
        """Return the sum of the penalties on weights that are trained."""
        return 0.0

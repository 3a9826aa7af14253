"""Layers to be made, with their weights, and the shape of the sample behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.layers.base import Shape
from fastnet.layers.functions import ActivationFunction

__all__ = ["Made"]

Array = NDArray[Any]

_WITH_ACTIVATION = (
    layers.Dense,
    *(layers.Conv1D, layers.Conv2D, layers.DepthwiseConv2D, layers.Conv1DTranspose, layers.Conv2DTranspose),
)
_KEEP_SIGNS = (
    *(layers.Dropout, layers.SpatialDropout1D, layers.SpatialDropout2D, layers.Flatten, layers.Reshape),
    *(layers.ZeroPadding1D, layers.ZeroPadding2D, layers.Cropping1D, layers.Cropping2D, layers.UpSampling1D),
    *(layers.UpSampling2D, layers.MaxPooling1D, layers.MaxPooling2D, layers.AveragePooling1D, layers.AveragePooling2D),
)


@dataclass
class _Entry:
    """The class, the arguments and the weights of a layer."""

    kind: type[layers.Layer]
    arguments: dict[str, Any]
    weights: list[Array]


class Made:
    """Layers in a row.

    Attributes
    ----------
    shape : tuple of int
        That of a sample behind them.
    frame : list of (int, int) or None
        How much minus infinity is to be put at both ends of every axis of the sample.
    is_positive : bool
        Whether no value of the sample is negative.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.frame: list[tuple[int, int]] | None = None
        self.is_positive = False
        self._entries: list[_Entry] = []

    def add(self, kind: type[layers.Layer], arguments: dict[str, Any], weights: Sequence[Array]) -> None:
        """Add a layer behind the others."""
        self.shape = kind(**arguments).compute_output_shape(self.shape)
        self._entries.append(_Entry(kind, arguments, list(weights)))
        self.is_positive &= kind in _KEEP_SIGNS

    def activate(self, function: ActivationFunction) -> None:
        """Add an activation, as one of the last layer where it has none."""
        last = self._entries[-1] if self._entries else None
        if last is not None and last.kind in _WITH_ACTIVATION and "activation" not in last.arguments:
            last.arguments["activation"] = function
        else:
            self.add(layers.Activation, {"activation": function}, [])
        self.is_positive = ACTIVATIONS[function.name].range[0] >= 0.0

    def drop_dimensions(self) -> bool:
        """Let the last layer give rows, if it pools whole images; return whether it does."""
        last = self._entries[-1] if self._entries else None
        if last is None or not last.arguments.get("keepdims"):
            return False
        del last.arguments["keepdims"]
        self.shape = self.shape[-1:]
        return True

    def move(self, order: NDArray[np.intp]) -> None:
        """Let the `Dense` layer in front make the values of a row in another order."""
        for entry in reversed(self._entries):
            entry.weights = [array[..., order] if array.shape[-1:] == order.shape else array for array in entry.weights]
            if entry.kind is layers.Dense:
                return
            if entry.kind in (layers.Flatten, layers.Reshape) or "keepdims" in entry.arguments:
                break
        raise NotImplementedError("the values of a row become those of an image, and no Linear is in front")

    def layers(self) -> list[layers.Layer]:
        """Return the layers with their weights."""
        made = []
        for entry in self._entries or [_Entry(layers.Activation, {"activation": "linear"}, [])]:
            layer = entry.kind(**entry.arguments)
            layer.keep_weights(entry.weights)
            made.append(layer)
        return made

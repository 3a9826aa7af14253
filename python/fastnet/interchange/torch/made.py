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
# Layers that take the values of a row in any order, if their weights have the same.
_ORDERLESS = (layers.Activation, layers.BatchNormalization, layers.Dropout, layers.LayerNormalization, layers.PReLU)


@dataclass
class _Entry:
    """The class, the arguments and the weights of a layer."""

    kind: type[layers.Layer]
    arguments: dict[str, Any]
    weights: list[Array]

    def layer(self) -> layers.Layer:
        """Return the layer."""
        return self.kind(**self.arguments)


class _Block(_Entry):
    """A `Residual` of layers to be made."""

    def __init__(self, body: "Made", shortcut: "Made") -> None:
        super().__init__(layers.Residual, {}, [*body.weights(), *shortcut.weights()])
        self._parts = body, shortcut

    def layer(self) -> layers.Layer:
        body, shortcut = self._parts
        return layers.Residual(body.layers(), shortcut.layers() if shortcut.has_layers else [])


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

    def add_block(self, body: "Made", shortcut: "Made") -> None:
        """Add layers that begin with the sample here, and whose output is added to that of others that do."""
        if body.shape != shortcut.shape:
            raise ValueError(f"it adds samples of shape {shortcut.shape} to those of shape {body.shape}")
        if not body.has_layers:
            body, shortcut = shortcut, body
        self._entries.append(_Block(body, shortcut))
        self.shape, self.is_positive = body.shape, body.is_positive and shortcut.is_positive

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

    def take_back(self, kind: type[layers.Layer], shape: Shape) -> bool:
        """Take away the last layer, if it is of a class, whose samples had a shape; return whether it was."""
        if not self._entries or self._entries[-1].kind is not kind:
            return False
        del self._entries[-1]
        self.shape = shape
        return True

    def move(self, order: NDArray[np.intp]) -> bool:
        """Let the `Dense` layer in front make the values of a row in another order; return whether there is one."""
        for first in reversed(range(len(self._entries))):
            entry = self._entries[first]
            if entry.kind is layers.Dense:
                break
            if entry.kind not in _ORDERLESS:
                return False
        else:
            return False
        for entry in self._entries[first:]:
            entry.weights = [array[..., order] if array.shape[-1:] == order.shape else array for array in entry.weights]
        return True

    @property
    def has_layers(self) -> bool:
        """Whether there is a layer."""
        return bool(self._entries)

    def weights(self) -> list[Array]:
        """Return the weights of all layers."""
        return [array for entry in self._entries for array in entry.weights]

    def layers(self) -> list[layers.Layer]:
        """Return the layers with their weights."""
        made = []
        for entry in self._entries or [_Entry(layers.Activation, {"activation": "linear"}, [])]:
            layer = entry.layer()
            layer.keep_weights(entry.weights)
            made.append(layer)
        return made

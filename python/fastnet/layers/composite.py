"""Layers that contain layers: the weights of those inside under one name."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from numpy.typing import NDArray

from fastnet.initializers import Initializer
from fastnet.layers.base import Layer, Shape
from fastnet.layers.weights import Weights
from fastnet.regularizers import Regularizer


class _Kept(Initializer):
    """Weights that a layer has before it gets into a block."""

    def __init__(self, label: str, array: NDArray[Any]) -> None:
        self._label, self._array = label, array

    def _values(self, shape: Shape, generator: Any, /) -> NDArray[Any]:
        del generator
        if self._array.shape != shape:
            raise ValueError(f"{self._label} must have shape {shape}; got {self._array.shape}")
        return self._array


class Composite(Layer):
    """The base of layers that contain other layers.

    A weight of layer `dense`, number 0 inside, has the name ``0.dense.kernel`` here.
    """

    _kept_inside: Mapping[str, NDArray[Any]] = MappingProxyType({})  # weights that layers inside have before the block

    def _shapes(self, input_shape: Shape) -> Iterator[tuple[Shape, Shape, Layer]]:
        """Yield the shapes at both ends of every layer inside, and the layer, in the order of `_inside`."""
        raise NotImplementedError

    def _prefixes(self) -> Iterator[tuple[str, Layer]]:
        """Yield every layer inside with what the names of its weights begin with."""
        for number, layer in enumerate(self._inside()):
            yield f"{number}.{layer.name}.", layer

    def _find(self, weight_name: str) -> tuple[Layer, str]:
        """Return the layer inside that has a weight, and the name of the weight there."""
        number, rest = weight_name.split(".", 1)
        layer = self._inside()[int(number)]
        return layer, rest.removeprefix(f"{layer.name}.")

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {
            prefix + name: shape
            for (prefix, layer), (layer_input, _, _) in zip(self._prefixes(), self._shapes(input_shape), strict=True)
            for name, shape in layer.weight_shapes(layer_input).items()
        }

    def prepare(self, input_shape: Shape, draw: bool, generator: Any) -> None:
        kept: dict[str, NDArray[Any]] = {}
        for (prefix, layer), (layer_input, _, _) in zip(self._prefixes(), self._shapes(input_shape), strict=True):
            layer.prepare(layer_input, draw, generator)
            names = layer.weight_shapes(layer_input)
            kept.update(zip((prefix + name for name in names), layer.get_weights(), strict=False))
        self._kept_inside = kept

    def attach(self, weights: Weights, input_shape: Shape, output_shape: Shape) -> None:
        super().attach(weights, input_shape, output_shape)
        self._kept_inside = {}

    def initializer(self, weight_name: str) -> Initializer:
        layer, name = self._find(weight_name)
        kept = self._kept_inside.get(weight_name)
        return layer.initializer(name) if kept is None else _Kept(f"{name} of layer {layer.name!r}", kept)

    def regularizer(self, weight_name: str) -> Regularizer | None:
        layer, name = self._find(weight_name)
        return layer.regularizer(name)

    def trains(self, weight_name: str) -> bool:
        layer, name = self._find(weight_name)
        return self.trainable and layer.trains(name)

    def settings(self, path: str) -> Iterator[tuple[str, Layer, str]]:
        yield from super().settings(path)
        for prefix, layer in self._prefixes():
            yield from layer.settings(f"{path}.{prefix}".removesuffix("."))


def shapes_along(layers: Sequence[Layer], input_shape: Shape) -> Iterator[tuple[Shape, Shape, Layer]]:
    """Yield the shapes at both ends of every layer of a row, and the layer."""
    for layer in layers:
        output_shape = layer.compute_output_shape(input_shape)
        yield input_shape, output_shape, layer
        input_shape = output_shape

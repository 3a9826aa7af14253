"""Layers around other layers."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Self

from fastnet.initializers import Initializer
from fastnet.layers.base import Layer, Shape, check_trainable
from fastnet.layers.base import layers as registry
from fastnet.layers.weights import Weights
from fastnet.regularizers import Regularizer
from fastnet.support.attributes import FixedList
from fastnet.support.validation import describe


@registry.add()
class Residual(Layer):
    """Layers in a row whose output is added to their input: ``y = x + f(x)``.

    The gradient reaches the layers in front through the sum as well as through `f`, which lets networks of many layers
    train: He, Zhang, Ren and Sun, CVPR 2016, arXiv:1512.03385.

    Parameters
    ----------
    layers : list of Layer
        The layers of `f`, from its input on; other residuals may be among them. The output must have the shape of the
        input.
    input_shape, input_dim, name
        See `Layer`.

    Attributes
    ----------
    layers : list of Layer
        The layers of `f`; a list that cannot be changed.
    trainable : bool
        To set it sets it for all layers of `f`. In a block that is frozen no layer is trained, whatever its own `trainable`.

    Raises
    ------
    ValueError
        There are no layers, or the output has another shape than the input.

    Examples
    --------
    >>> import fastnet as fn
    >>> block = fn.layers.Residual([fn.layers.LayerNormalization(), fn.Dense(64, activation="relu"), fn.Dense(64)])
    >>> model = fn.Sequential([fn.Dense(64, input_shape=(784,)), block, fn.Dense(10, activation="softmax")])
    >>> block.count_params()
    8448
    """

    def __init__(self, layers: Any, **keywords: Any) -> None:
        super().__init__(**keywords)
        if not isinstance(layers, Sequence) or not all(isinstance(layer, Layer) for layer in layers):
            raise TypeError(f"layers must be a list of layers; got {describe(layers)}")
        if not layers:
            raise ValueError("layers must have at least one layer; got an empty list")
        self._layers: FixedList[Layer] = FixedList(layers, "make a new Residual")
        for layer in self.layers:
            if layer.in_model:
                raise ValueError(f"layer {layer.name!r} is in a model already")
            layer.join(layer.name)
        if not self.trainable:
            self.trainable = False

    @property
    def layers(self) -> list[Layer]:
        """The layers inside, from the input on."""
        return self._layers

    def _inside(self) -> Sequence[Layer]:
        return self._layers

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        for _, output_shape, layer in self._shapes(input_shape):
            last, name = output_shape, layer.name
        if last != input_shape:
            raise ValueError(
                f"layer {self.name!r} adds its input, of shape {input_shape}, to the output of layer {name!r}, "
                f"of shape {last}: the shapes must be the same"
            )
        return input_shape

    def _shapes(self, input_shape: Shape) -> Iterator[tuple[Shape, Shape, Layer]]:
        """Yield the shapes at both ends of every layer inside, and the layer."""
        for layer in self.layers:
            output_shape = layer.compute_output_shape(input_shape)
            yield input_shape, output_shape, layer
            input_shape = output_shape

    def descriptions(self, input_shape: Shape) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        yield (), {"type": "residual_begin", "trainable": self.trainable}
        for (prefix, layer), (layer_input, _, _) in zip(self._prefixes(), self._shapes(input_shape), strict=True):
            for names, description in layer.descriptions(layer_input):
                trainable = self.trainable and description["trainable"]
                yield tuple(prefix + name for name in names), {**description, "trainable": trainable}
        yield (), {"type": "residual_end", "trainable": self.trainable}

    def _flops(self, input_shape: Shape) -> int:
        return math.prod(input_shape) + sum(layer._flops(shape) for shape, _, layer in self._shapes(input_shape))

    def _prefixes(self) -> Iterator[tuple[str, Layer]]:
        """Yield every layer inside with what the names of its weights begin with."""
        for number, layer in enumerate(self.layers):
            yield f"{number}.{layer.name}.", layer

    def weight_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        return {
            prefix + name: shape
            for (prefix, layer), (layer_input, _, _) in zip(self._prefixes(), self._shapes(input_shape), strict=True)
            for name, shape in layer.weight_shapes(layer_input).items()
        }

    def initializer(self, weight_name: str) -> Initializer:
        number, _, name = weight_name.split(".", 2)
        return self.layers[int(number)].initializer(name)

    def regularizer(self, weight_name: str) -> Regularizer | None:
        number, _, name = weight_name.split(".", 2)
        return self.layers[int(number)].regularizer(name)

    def trains(self, weight_name: str) -> bool:
        number, _, name = weight_name.split(".", 2)
        return self.trainable and self.layers[int(number)].trains(name)

    def settings(self, path: str) -> Iterator[tuple[str, Layer, str]]:
        yield from super().settings(path)
        for prefix, layer in self._prefixes():
            yield from layer.settings(f"{path}.{prefix}".removesuffix("."))

    def attach(self, weights: Weights, input_shape: Shape, output_shape: Shape) -> None:
        super().attach(weights, input_shape, output_shape)
        for (prefix, layer), (*ends, _) in zip(self._prefixes(), self._shapes(input_shape), strict=True):
            layer.attach(weights.part(prefix), *ends)

    def detach(self) -> None:
        super().detach()
        for layer in self.layers:
            layer.detach()

    def get_config(self) -> dict[str, Any]:
        return {"layers": [registry.serialize(layer) for layer in self.layers], **super().get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a block made from what `get_config` returned."""
        given = {**config, "layers": [registry.deserialize(layer) for layer in config["layers"]]}
        trainable = check_trainable(given.pop("trainable", True))
        block = cls(**given)
        block._trainable = trainable  # those inside have their own
        return block

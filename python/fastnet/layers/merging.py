"""Layers around other layers."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, Self

from fastnet.layers.base import Layer, Shape, check_trainable
from fastnet.layers.base import layers as registry
from fastnet.layers.composite import Composite, shapes_along
from fastnet.layers.weights import Weights
from fastnet.support.attributes import FixedList
from fastnet.support.validation import describe


@registry.add()
class Residual(Composite):
    """Layers in a row whose output is added to their input: ``y = x + f(x)``, or ``y = g(x) + f(x)`` with a shortcut.

    The gradient reaches the layers in front through the sum as well as through `f`, which lets networks of many layers
    train: He, Zhang, Ren and Sun, CVPR 2016, arXiv:1512.03385.

    Parameters
    ----------
    layers : list of Layer
        The layers of `f`, from its input on; other residuals may be among them. The output must have the shape of the
        input, or of what the shortcut makes of it.
    shortcut : list of Layer, optional
        The layers of `g`, for an `f` that changes the shape: a convolution of 1 x 1 with the strides of `f`, say. By
        default the input is added as it is.
    input_shape, input_dim, name
        See `Layer`.

    Attributes
    ----------
    layers, shortcut : list of Layer
        The layers of `f` and of `g`; lists that cannot be changed.
    trainable : bool
        To set it sets it for all layers inside. In a block that is frozen no layer is trained, whatever its own `trainable`.

    Raises
    ------
    ValueError
        There are no layers, or what is added has different shapes.

    Examples
    --------
    >>> import fastnet as fn
    >>> block = fn.layers.Residual([fn.layers.LayerNormalization(), fn.Dense(64, activation="relu"), fn.Dense(64)])
    >>> model = fn.Sequential([fn.Dense(64, input_shape=(784,)), block, fn.Dense(10, activation="softmax")])
    >>> block.count_params()
    8448

    A block of a residual network that halves the image:

    >>> f = [fn.Conv2D(16, 3, strides=2, padding="same", activation="relu"), fn.Conv2D(16, 3, padding="same")]
    >>> block = fn.layers.Residual(f, shortcut=[fn.Conv2D(16, 1, strides=2)])
    >>> fn.Sequential([fn.Input((28, 28, 8)), block, fn.layers.ReLU()]).output_shape
    (14, 14, 16)
    """

    def __init__(self, layers: Any, shortcut: Any = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        given = {"layers": layers, "shortcut": [] if shortcut is None else shortcut}
        for argument, value in given.items():
            if not isinstance(value, Sequence) or not all(isinstance(layer, Layer) for layer in value):
                raise TypeError(f"{argument} must be a list of layers; got {describe(value)}")
        if not layers:
            raise ValueError("layers must have at least one layer; got an empty list")
        self._layers, self._shortcut = (FixedList[Layer](value, "make a new Residual") for value in given.values())
        for layer in self._inside():
            if layer.in_model:
                raise ValueError(f"layer {layer.name!r} is in a model already")
            layer.join(layer.name)
        if not self.trainable:
            self.trainable = False

    @property
    def layers(self) -> list[Layer]:
        """The layers inside, from the input on."""
        return self._layers

    @property
    def shortcut(self) -> list[Layer]:
        """The layers of the shortcut, from the input on; none where the input is added as it is."""
        return self._shortcut

    def _inside(self) -> Sequence[Layer]:
        return [*self._layers, *self._shortcut]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        *_, (_, last, layer) = shapes_along(self._layers, input_shape)
        *_, added = input_shape, *(output for _, output, _ in shapes_along(self._shortcut, input_shape))
        if last != added:
            what = (
                f"the output of its shortcut, of shape {added}," if self._shortcut else f"its input, of shape {added},"
            )
            raise ValueError(
                f"layer {self.name!r} adds {what} to the output of layer {layer.name!r}, of shape {last}: "
                "the shapes must be the same"
            )
        return last

    def _shapes(self, input_shape: Shape) -> Iterator[tuple[Shape, Shape, Layer]]:
        """Yield the shapes at both ends of every layer inside, and the layer."""
        yield from shapes_along(self._layers, input_shape)
        yield from shapes_along(self._shortcut, input_shape)

    def descriptions(self, input_shape: Shape) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        yield (), {"type": "residual_begin", "trainable": self.trainable}
        inside = zip(self._prefixes(), self._shapes(input_shape), strict=True)
        for number, ((prefix, layer), (layer_input, _, _)) in enumerate(inside):
            if number == len(self._layers):
                yield (), {"type": "residual_shortcut", "trainable": self.trainable}
            for names, description in layer.descriptions(layer_input):
                trainable = self.trainable and description["trainable"]
                yield tuple(prefix + name for name in names), {**description, "trainable": trainable}
        yield (), {"type": "residual_end", "trainable": self.trainable}

    def _flops(self, input_shape: Shape) -> int:
        added = math.prod(self.compute_output_shape(input_shape))
        return added + sum(layer._flops(shape) for shape, _, layer in self._shapes(input_shape))

    def attach(self, weights: Weights, input_shape: Shape, output_shape: Shape) -> None:
        super().attach(weights, input_shape, output_shape)
        for (prefix, layer), (*ends, _) in zip(self._prefixes(), self._shapes(input_shape), strict=True):
            layer.attach(weights.part(prefix), *ends)

    def detach(self) -> None:
        super().detach()
        for layer in self._inside():
            layer.detach()

    def get_config(self) -> dict[str, Any]:
        inside = {"layers": self._layers, **({"shortcut": self._shortcut} if self._shortcut else {})}
        own = {name: [registry.serialize(layer) for layer in layers] for name, layers in inside.items()}
        return {**own, **super().get_config()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a block made from what `get_config` returned."""
        inside = {name: config[name] for name in ("layers", "shortcut") if config.get(name) is not None}
        own = {name: [registry.deserialize(layer) for layer in layers] for name, layers in inside.items()}
        given = {**config, **own}
        trainable = check_trainable(given.pop("trainable", True))
        block = cls(**given)
        block._trainable = trainable  # those inside have their own
        return block


def with_those_inside(layers: Sequence[Layer]) -> Iterator[Layer]:
    """Yield layers and, behind each block, those inside of it."""
    for layer in layers:
        yield layer
        if isinstance(layer, Residual):
            yield from with_those_inside([*layer.layers, *layer.shortcut])


def contains(layer: Layer, wanted: Layer) -> bool:
    """Return whether a layer is another one, or has it inside."""
    return any(one is wanted for one in with_those_inside([layer]))

"""A model among the layers of another one."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from fastnet.layers import Layer, deserialize, serialize
from fastnet.layers.base import Shape
from fastnet.layers.composite import Composite, shapes_along
from fastnet.layers.weights import Share, Weights

MODEL_CLASS = "Sequential"  # in the configuration of a layer that is a model


class Nested(Composite):
    """A model as a layer: its layers in a row, under its name.

    The model keeps a network of its own, with which it predicts and trains as before. The network of the outer model has the
    same weights a second time, next to those of its other layers; a `Share` keeps both the same.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(name=model.name if model.is_named else None, input_shape=model.input_shape)
        self._model = model
        self._share: Share | None = None

    @property
    def model(self) -> Any:
        """The model."""
        return self._model

    @classmethod
    def default_name(cls) -> str:
        return "sequential"

    def join(self, name: str) -> None:
        super().join(name)
        if not self.model.is_named:  # later models find it under the name that it has in the first
            self.model.name = name
        self.model._uses.add(self)

    def leave(self) -> None:
        super().leave()
        self.model._uses.discard(self)
        self._share = None

    # --- What is trained ---

    @property
    def trainable(self) -> bool:
        """That of the model."""
        return bool(self.model.trainable)

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self.model.trainable = value

    def _inside(self) -> Sequence[Layer]:
        layers: Sequence[Layer] = self.model._layers
        return layers

    # --- What the outer model asks of a layer ---

    def _shapes(self, input_shape: Shape) -> Iterator[tuple[Shape, Shape, Layer]]:
        return shapes_along(self.model._layers, input_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if self.model.input_shape not in (None, input_shape):
            raise ValueError(
                f"model {self.name!r} has input_shape {self.model.input_shape}; as a layer, its input is {input_shape}"
            )
        for _, output_shape, _ in self._shapes(input_shape):
            input_shape = output_shape
        return input_shape

    def description(self, _input_shape: Shape, /) -> None:
        return None

    def descriptions(self, input_shape: Shape) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
        for (prefix, layer), (layer_input, _, _) in zip(self._prefixes(), self._shapes(input_shape), strict=True):
            for names, description in layer.descriptions(layer_input):
                trainable = self.trainable and description["trainable"]
                yield tuple(prefix + name for name in names), {**description, "trainable": trainable}

    def _flops(self, input_shape: Shape) -> int:
        return sum(layer._flops(shape) for shape, _, layer in self._shapes(input_shape))

    def prepare(self, input_shape: Shape, draw: bool, generator: Any) -> None:
        self.model._build_inside(input_shape, draw, generator)

    def get_weights(self) -> list[NDArray[Any]]:
        return super().get_weights() or self.model.get_weights()

    def attach(self, weights: Weights, input_shape: Shape, output_shape: Shape) -> None:
        super().attach(weights, input_shape, output_shape)
        own = self.model._weights
        own.take_from(weights)
        own.changes.spread()
        self._share = Share(own, weights)

    def detach(self) -> None:
        super().detach()
        self._kept_weights = []  # the model has them
        self._share = None

    # --- Configuration ---

    def get_config(self) -> dict[str, Any]:
        outer = ("dtype", "input_shape")  # which the outer model has
        return {
            **{key: value for key, value in self.model.get_config().items() if key not in outer},
            "name": self.name,
        }


def is_model(config: Any) -> bool:
    """Return whether the configuration of a layer is that of a model."""
    return isinstance(config, Mapping) and config.get("class_name") == MODEL_CLASS


def serialized(layer: Layer) -> dict[str, Any]:
    """Return the class name and the configuration of a layer, or of a model among the layers."""
    if isinstance(layer, Nested):
        return {"class_name": MODEL_CLASS, "config": layer.get_config()}
    return serialize(layer)


def deserialized(config: Any, model_class: Any, dtype: str) -> Any:
    """Return a layer, or a model of a class and a dtype, from what `serialized` returned."""
    return model_class.from_config(config_of_model(config, dtype)) if is_model(config) else deserialize(config)


def config_of_model(config: Any, dtype: str) -> dict[str, Any]:
    """Return the configuration of a model of its own for that of a model among the layers of one of a dtype."""
    inside = config.get("config")
    if not isinstance(inside, dict) or not isinstance(inside.get("name"), str):
        raise ValueError(f"the configuration of {MODEL_CLASS!r} among the layers must be a dict with a 'name'")
    for entry in ("dtype", "input_shape"):
        if entry in inside:
            raise ValueError(f"the configuration of {MODEL_CLASS!r} among the layers has an unknown entry {entry!r}")
    # Without the shape, a model that is read from a file takes memory only once its tensors have been checked.
    return {**inside, "dtype": dtype, "input_shape": None}


def named_leaves(layers: Sequence[Layer]) -> list[tuple[str, Layer]]:
    """Return the layers in a row with names, those of models among them in their places, named as in ``base/dense``."""
    found = []
    for layer in layers:
        inside = named_leaves(layer.model._layers) if isinstance(layer, Nested) else None
        found += [(layer.name, layer)] if inside is None else [(f"{layer.name}/{name}", leaf) for name, leaf in inside]
    return found


def leaves(layers: Sequence[Layer]) -> list[Layer]:
    """Return the layers in a row, those of models among them in their places."""
    return [layer for _, layer in named_leaves(layers)]


def leaves_to_train(layers: Sequence[Layer], trained: bool = True) -> list[tuple[Layer, bool]]:
    """Return what `leaves` does, with whether each layer is trained: in a model or a block that is frozen, none is."""
    found = []
    for layer in layers:
        flag = trained and layer.trainable
        found += leaves_to_train(layer.model._layers, flag) if isinstance(layer, Nested) else [(layer, flag)]
    return found

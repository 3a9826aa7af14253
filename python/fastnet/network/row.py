"""The layers of a model in a row: adding and removing layers, those of other models, and models as layers."""

from abc import abstractmethod
from collections.abc import Collection, Iterable
from typing import Any
from weakref import WeakSet

from fastnet.layers import InputLayer, Layer
from fastnet.layers.weights import Share, Weights
from fastnet.network.compiled import Compiled
from fastnet.network.nested import Nested, leaves
from fastnet.support.attributes import FixedList
from fastnet.support.validation import describe


class LayerRow(Compiled):
    """The layers of a model, from input to output.

    Layers of another model, and a model as a whole, share their weights with it: training one trains the other.
    """

    dtype_policy: str
    _named: bool
    _weights: Weights

    def __init__(self) -> None:
        super().__init__()
        self._layers: list[Layer] = []
        self._parts: list[Weights] = []  # of every layer, in the order of `_layers`
        self._borrowed: list[Layer] = []  # layers that belong to other models
        self._shares: list[Share] = []  # of the borrowed layers
        self._names: set[str] = set()
        self._uses: WeakSet[Nested] = WeakSet()  # the layers of other models that are this one

    @abstractmethod
    def _build_if_shape_is_known(self) -> None:
        """Create the network, or drop it where the shape of samples is not known."""

    @property
    def layers(self) -> list[Any]:
        """The layers, from input to output, without an `Input`, and the models among them; a read-only list."""
        shown = [layer.model if isinstance(layer, Nested) else layer for layer in self._layers]
        return FixedList(shown, "use add() and pop() of the model")

    def _leaves(self) -> list[Layer]:
        """Return the layers in a row, those of models among them in their places."""
        return leaves(self._layers)

    def add(self, layer: "Layer | LayerRow") -> None:
        """Append a layer or a model. The other layers keep their weights; the optimizer state is reset."""
        with self._structure:
            self._refuse_if_lent("add")
            self._append(layer)
            self._build_if_shape_is_known()

    def pop(self) -> Any:
        """Remove the last layer and return it. The other layers keep their weights."""
        with self._structure:
            self._refuse_if_lent("pop")
            return self._pop()

    def _pop(self) -> Any:
        if not self._layers:
            raise ValueError("the model has no layers to remove")
        self._shares = []
        layer = self._layers.pop()
        self._names.discard(layer.name)
        if layer not in self._borrowed:
            layer.detach()
        self._release(layer)
        self._build_if_shape_is_known()
        return layer.model if isinstance(layer, Nested) else layer

    def _release_all(self) -> None:
        """Let go of all layers, of a model that could not be made."""
        for layer in self._layers:
            self._release(layer)

    def _release(self, layer: Layer) -> None:
        """Let go of a layer that is removed."""
        if layer in self._borrowed:
            self._borrowed.remove(layer)
        else:
            layer.leave()

    def _refuse_if_lent(self, method: str) -> None:
        if self._network is not None and self._weights.changes.lent:
            raise ValueError(
                f"{method}() cannot change model {self.name!r}: another model has layers of it, or the whole of it among its "
                "layers; use a copy, copy.deepcopy(model)"
            )

    def _append_all(self, layers: Iterable[Any]) -> None:
        """Append layers, those of other models and models with names under the names that they have."""
        given = list(layers)
        reserved = {layer.name for layer in given if isinstance(layer, Layer) and layer.in_model}
        reserved |= {model.name for model in given if isinstance(model, LayerRow) and model._named}
        for layer in given:
            self._append(layer, reserved)

    def _append(self, layer: Any, reserved: Collection[str] = ()) -> None:
        """Append a layer; names that are `reserved` belong to layers that follow."""
        if isinstance(layer, LayerRow):
            layer = self._nested(layer)
        if not isinstance(layer, Layer):
            raise TypeError(f"layers must be objects of fastnet.layers or models; got {describe(layer)}")
        if isinstance(layer, InputLayer) and (self._layers or self.input_shape is not None):
            raise ValueError(f"Input must be the first layer; got it after {len(self._layers)} others")
        self._refuse_twice(layer)
        if borrowed := layer.in_model:
            self._check_borrowed(layer)
        first_shape = layer.input_shape if borrowed else layer.given_input_shape
        if not self._layers and first_shape is not None:
            if self.input_shape not in (None, first_shape):
                raise ValueError(f"Input has shape {self.input_shape}, the first layer {first_shape}")
            vars(self)["input_shape"] = first_shape
        if isinstance(layer, InputLayer):
            return
        if self.output_shape is not None:
            layer.compute_output_shape(self.output_shape)  # raises if the layer does not fit
        if borrowed:
            self._check_name(layer.name)
            self._borrowed.append(layer)
        else:
            layer.join(self._unique_name(layer, reserved))
        self._names.add(layer.name)
        self._layers.append(layer)

    def _nested(self, model: Any) -> Nested:
        """Return a model as a layer of this one."""
        if not model._layers:
            raise ValueError(f"model {model.name!r} has no layers: add some before it becomes a layer")
        if model.dtype_policy != self.dtype_policy:
            raise ValueError(
                f"model {model.name!r} has dtype {model.dtype_policy!r}; as a layer of a model it needs that of the model, "
                f"{self.dtype_policy!r}"
            )
        return Nested(model)

    def _refuse_twice(self, layer: Layer) -> None:
        """Refuse a layer that the model has already, by itself or in a model among its layers."""
        taken = {id(leaf) for leaf in self._leaves()}
        for leaf in leaves([layer]):
            if id(leaf) in taken:
                raise ValueError(f"layer {leaf.name!r} is in the model already: a layer can be in a model once")

    def _check_borrowed(self, layer: Layer) -> None:
        """Refuse a layer of another model whose weights this one cannot share."""
        if layer._weights is None or layer._weights.changes.alone:
            raise ValueError(
                f"layer {layer.name!r} is in a model already, which has no weights yet: build that first to share the layer, "
                f"or make a copy with {type(layer).__name__}.from_config"
            )
        if layer._weights.dtype != self.dtype:
            raise ValueError(
                f"layer {layer.name!r} is in a model of dtype {layer._weights.dtype!r}; this one has {self.dtype!r}"
            )

    def _check_name(self, name: str) -> None:
        if name in self._names:
            raise ValueError(
                f"layers must have different names; got {name!r} twice: give one of them a name when it is made, such as "
                f"name={name + '_of_head'!r}, or put models as a whole in the model, as in Sequential([base, head])"
            )

    def _unique_name(self, layer: Layer, reserved: Collection[str]) -> str:
        if layer.given_name is not None:
            self._check_name(layer.given_name)
            return layer.given_name
        default = layer.default_name()
        taken = self._names.union(reserved)
        numbered = (f"{default}_{number}" for number in range(1, len(taken) + 1))
        return next(name for name in [default, *numbered] if name not in taken)

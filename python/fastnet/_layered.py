"""The layers of a model: their weights, which of them training changes, and what else of them can change."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastnet._attributes import FixedList
from fastnet._evaluation import Evaluator
from fastnet._layer import Layer, check_trainable
from fastnet._weights import HasWeights, Network, Weights

Place = tuple[str, Layer, str]  # of a setting: a path, the layer there, the attribute


class Layered(Evaluator, HasWeights):
    """The part of a model that has layers. `Sequential` makes the network of them."""

    _weights: Weights

    def __init__(self) -> None:
        super().__init__()
        self._layers: list[Layer] = []
        self._trainable = True
        self._places: list[Place] = []
        self._frozen_note: str | None = None
        self._with_gradients: Weights | None = None  # those of `_trained_weights`, of a network that knows its layers
        self._told_settings: Settings | None = None

    @property
    def layers(self) -> list[Layer]:
        """The layers, from the input on, without an `Input`; a list that cannot be changed."""
        return FixedList(self._layers, "use add() and pop() of the model")

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._network is not None

    # --- Weights ---

    def count_params(self) -> int:
        """Return the number of values in all weights."""
        self._require_built("count_params")
        return self._weights.count

    def get_weights(self) -> list[NDArray[Any]]:
        """Return a copy of all weights: kernel and bias of the first layer, then of the next; empty before building."""
        return self._weights.get() if self.built else []

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all weights by arrays of the same shapes, in the order of `get_weights`."""
        with self._structure:
            self._require_built("set_weights")
            self._weights.set(weights)

    def _require_built(self, method: str) -> None:
        if not self.built:
            raise ValueError(
                f"the model has no weights yet: build it or give its first layer an input_shape before {method}()"
            )

    def _weights_if_built(self) -> Weights | None:
        return self._weights if self.built else None

    # --- What is trained ---

    @property
    def trainable(self) -> bool:
        """Whether training changes the model. To set it sets it for all layers, and counts from the next batch on.

        In a model that is frozen no layer is trained, whatever its own `trainable`, as in Keras.

        Examples
        --------
        >>> import fastnet as fn
        >>> model = fn.Sequential([fn.Dense(4, "relu", input_shape=(2,)), fn.Dense(1)])
        >>> model.layers[0].trainable = False
        >>> [array.shape for array in model.trainable_weights]
        [(4, 1), (1,)]
        """
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_trainable(value)
        for layer in self._layers:
            layer.trainable = value

    def _trained(self) -> list[bool]:
        return [self.trainable and trained for layer in self._layers for trained in layer._trained()]

    def _trainable_network(self, method: str, x: Any) -> Network:
        network = super()._trainable_network(method, x)
        if self._weights.changes.pending:
            with self._structure:
                self._update_layers(network)
        return network

    def _update_layers(self, network: Network) -> None:
        """Tell the network what has changed in the layers."""
        self._weights.changes.pending = False
        network.update_layers([{**description, "seed": 0} for description in self._descriptions()])
        self._places = list(self._all_places())
        self._frozen_note = self._note_of_frozen()
        self._with_gradients = self._trained_weights()
        self._told_settings = self._settings()

    def _descriptions(self) -> Iterator[dict[str, Any]]:
        """Yield what the core is told about the layers."""
        for layer in self._layers:
            for _, description in layer.descriptions():
                yield {**description, "trainable": self.trainable and description["trainable"]}

    def _note_of_frozen(self) -> str | None:
        """Return what is frozen though it may not be meant to be, as a sentence."""
        switches = [(path, layer) for path, layer, name in self._places if name == "trainable"]
        willing = [path for path, layer in switches if layer.trainable and layer.count_params()]
        if not any(self._trained()):
            held = f": its own trainable is False, which holds for {willing[0]!r}, too" if willing else ""
            return f"The model does not have any trainable weights{'' if self.trainable else held}."
        for block in (path for path, layer in switches if not layer.trainable):
            for path in willing:
                if path.startswith(f"{block}."):
                    return f"Layer {path!r} is not trained, though its trainable is True: that of {block!r} is False."
        return None

    def _warn_of_frozen(self) -> None:
        """Warn where training is asked for, and something is frozen that may not be meant to be."""
        if self._frozen_note is not None:
            warnings.warn(self._frozen_note, UserWarning, stacklevel=3)

    # --- Settings: what can change at any time ---

    def _settings(self) -> "Settings":
        """Return what they are now, in a network that has been told of its layers."""
        return Settings(self._places, self.trainable, [getattr(layer, name) for _, layer, name in self._places])

    def _apply_settings(self, settings: Mapping[str, Mapping[str, Any]]) -> None:
        """Set what `Settings.as_dict` returned."""
        if (trainable := settings.get("", {}).get("trainable", True)) != self.trainable:
            self.trainable = trainable
        for path, layer, name in self._all_places():
            default = True if name == "trainable" else getattr(layer, name)
            value = settings.get(path, {}).get(name, default)
            if value != getattr(layer, name):
                setattr(layer, name, value)

    def _all_places(self) -> Iterator[Place]:
        for layer in self._layers:
            yield from layer.settings(layer.name)


class Settings:
    """What could change of a model, as it was at a time."""

    __slots__ = ("_places", "_trainable", "_values")

    def __init__(self, places: Sequence[Place], trainable: bool, values: Sequence[Any]) -> None:
        self._places, self._trainable, self._values = places, trainable, values

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the settings by path and name, "" for the model; what is trained is left out."""
        result: dict[str, dict[str, Any]] = {} if self._trainable else {"": {"trainable": False}}
        for (path, _, name), value in zip(self._places, self._values, strict=True):
            if not (name == "trainable" and value):
                result.setdefault(path, {})[name] = value
        return result

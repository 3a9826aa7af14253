"""A sequence of layers and its compiled network: a model without data, training and files."""

import copy
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnet.layers import Layer, Normalization
from fastnet.layers.base import Shape, check_trainable
from fastnet.layers.calling import attach
from fastnet.layers.weights import NETWORKS, Changes, HasWeights, Share, Slot, Weights
from fastnet.network.nested import deserialized, serialized
from fastnet.network.row import LayerRow
from fastnet.network.settings import Place
from fastnet.support.validation import check_choice, check_shape, describe
from fastnet.utils import follows_a_seed, make_generator

if TYPE_CHECKING:
    from numpy.random import Generator

# Keras's dtype policies: the dtype of the weights, and that of the operands of matrix multiplications.
_POLICIES = {
    "float32": ("float32", "float32"),
    "float64": ("float64", "float64"),
    "mixed_bfloat16": ("float32", "bfloat16"),
}


class Layered(LayerRow, HasWeights):
    """The layers of a model, from input to output, and their weights."""

    def __init__(
        self,
        layers: "Iterable[Layer | LayerRow] | None" = None,
        *,
        seed: int | None = None,
        dtype: DTypeLike = "float32",
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        if layers is not None and not isinstance(layers, Iterable):
            raise TypeError(f"layers must be a list of layers; got {describe(layers)}")
        self._name: str = "sequential"
        self._named = False
        if name is not None:
            self.name = name
        self._seeded = seed is not None
        policy = dtype if isinstance(dtype, str) else np.dtype(dtype).name
        self.dtype_policy = check_choice("dtype", policy, _POLICIES)
        self.dtype, self.compute_dtype = _POLICIES[self.dtype_policy]
        self.class_names: list[str] | None = None
        self._feature_names: list[str] | None = None
        self.input_shape = None
        self._trainable = True
        self._network = None
        # And the id of the process that uses it. Without any seed it is made when it is needed: the import of
        # numpy.random takes as long as the loading of a small model, which draws nothing.
        is_due = seed is not None or follows_a_seed()
        self._random: tuple[Generator | None, int] = (make_generator(seed) if is_due else None, os.getpid())
        try:
            self._append_all(layers or ())
            self._build_if_shape_is_known()
            if not check_trainable(trainable):
                self.trainable = False
        except BaseException:
            self._release_all()
            raise

    # --- Attributes ---

    @property
    def name(self) -> str:
        """The name of the model; it cannot change while the model is a layer of another one."""
        return self._name

    @name.setter
    def name(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"name must be a string; got {describe(value)}")
        if self._uses:
            raise AttributeError(
                f"model {self._name!r} is a layer of another model and keeps its name: name it before, or a copy, "
                "copy.deepcopy(model)"
            )
        self._name, self._named = value, True

    @property
    def is_named(self) -> bool:
        """Whether the model was given a name, or got one as a layer."""
        return self._named

    @property
    def output_shape(self) -> tuple[int, ...] | None:
        """The shape of one sample of the output, or None before the model is built."""
        return self._layers[-1].output_shape if self._layers else None

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the inputs: set, learned in training, or those that the first layer was adapted to."""
        if self._feature_names is None and self._layers and isinstance(first := self._layers[0], Normalization):
            return first.feature_names
        return self._feature_names

    @feature_names.setter
    def feature_names(self, names: Sequence[str] | None) -> None:
        if isinstance(names, str):
            raise TypeError(f"feature_names must be a list of strings or None; got {describe(names)}")
        self._feature_names = None if names is None else list(names)
        if self._layers and isinstance(first := self._layers[0], Normalization):
            first.feature_names = self._feature_names

    # --- Building ---

    @property
    def built(self) -> bool:
        """Whether the weights exist."""
        return self._network is not None

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Create the weights, unless the model is built.

        Parameters
        ----------
        input_shape : tuple of int, optional
            The shape of one sample; a leading None, the batch dimension in Keras, is ignored. Optional if the first
            layer has an input shape.
        """
        if input_shape is not None:
            given = tuple(input_shape)
            given = check_shape("input_shape", given[1:] if given[:1] == (None,) else given)
            if self.input_shape not in (None, given):
                raise ValueError(f"the model has input_shape {self.input_shape}; got {given}")
        elif self.input_shape is not None:
            given = self.input_shape
        else:
            raise ValueError("build() needs an input_shape: the first layer has none")
        if not self._layers:
            raise ValueError("the model has no layers: add one before it is built")
        with self._structure:
            if self._network is None:
                self._build(given)

    def _build_if_shape_is_known(self) -> None:
        built = False
        try:
            if self._layers and self.input_shape is not None:
                self._build(self.input_shape)
                built = True
        finally:
            if not built:  # only now: until then, other threads use the old network
                self._network = None

    def _build(self, input_shape: tuple[int, ...], draw: bool = True) -> None:
        """Build the network; layers that have weights, because other layers were added or removed, keep them.

        Without `draw`, other weights are zeros, which the caller overwrites.
        """
        shapes = self._shapes_from(input_shape)
        for layer, shape in zip(self._layers, shapes, strict=False):
            layer.prepare(shape, draw, self._random)
        described = list(self._descriptions(shapes))
        network = NETWORKS[self.dtype](math.prod(input_shape), [self._for_core(one) for _, _, one in described])
        weight_shapes = {
            layer.name: layer.weight_shapes(shape) for layer, shape in zip(self._layers, shapes, strict=False)
        }
        slots: dict[str, list[Slot]] = {layer.name: [] for layer in self._layers}
        names = [(layer, name) for layer, names, _ in described for name in names]
        for (layer, name), (_, _, offset, _, trainable) in zip(names, network.parameter_slots, strict=True):
            shape = weight_shapes[layer.name][name]
            slots[layer.name].append(Slot(f"{name} of layer {layer.name!r}", name, offset, shape, trainable))
        changes = Changes()
        parts = [Weights(network, self.dtype, slots[layer.name], changes) for layer in self._layers]
        new: set[Layer] = set()
        for layer, part in zip(self._layers, parts, strict=True):
            if not (weights := layer.get_weights()):
                new.add(layer)
                weights = self._initial_weights(layer, part) if draw else []
            if weights:
                part.set(weights)
        self._shares = []
        for layer, part, *ends in zip(self._layers, parts, shapes[:-1], shapes[1:], strict=True):
            if layer in self._borrowed:
                self._shares.append(Share(layer._built_weights(), part))
            else:
                attach(layer, part, *ends, new=layer in new)
        network.set_penalties(
            [
                (slot.offset, slot.size, regularizer.l1, regularizer.l2)
                for layer, part in zip(self._layers, parts, strict=True)
                for slot in part.slots
                if (regularizer := layer.regularizer(slot.name)) is not None
            ]
        )
        vars(self)["input_shape"] = input_shape
        self._output_shape = shapes[-1]
        self._maps_rows = len(input_shape) == len(shapes[-1]) == 1
        self._parts = parts
        self._weights = Weights(network, self.dtype, [slot for part in parts for slot in part.slots], changes)
        self._network = network

    def _shapes_from(self, input_shape: Shape) -> list[Shape]:
        """Return the shapes of a sample in front of the first layer and behind every layer."""
        shapes = [input_shape]
        for layer in self._layers:
            known = layer.input_shape if layer in self._borrowed else layer.given_input_shape
            if known not in (None, shapes[-1]):
                raise ValueError(f"layer {layer.name!r} has input_shape {known}; its input is {shapes[-1]}")
            shapes.append(layer.compute_output_shape(shapes[-1]))
        return shapes

    def _build_inside(self, input_shape: Shape, draw: bool, random: "tuple[Generator | None, int]") -> None:
        """Build the model as a layer of another one; without a seed of its own, it draws from that one's generator."""
        with self._structure:
            if self.built:
                return
            if not self._seeded:
                self._random = random
            self._build(input_shape, draw)

    def _initial_weights(self, layer: Layer, part: Weights) -> list[NDArray[Any]]:
        return [layer.initializer(slot.name)(slot.shape, self.dtype, generator=self._generator) for slot in part.slots]

    def _for_core(self, description: dict[str, Any], seed: int | None = None) -> dict[str, Any]:
        """Return a layer's description with the precision of its products, and a seed where it has none of its own."""
        added: dict[str, Any] = {}
        if description["type"] == "dense":
            added["bfloat16"] = self.compute_dtype == "bfloat16"
        if description.get("seed", 0) is None:
            added["seed"] = int(self._generator.integers(2**63)) if seed is None else seed
        return {**description, **added}

    def _descriptions(self, shapes: Iterable[Shape]) -> Iterator[tuple[Layer, tuple[str, ...], dict[str, Any]]]:
        """Yield what describes the layers for the core, given the shapes of their inputs, with the names of its weights."""
        for layer, shape in zip(self._layers, shapes, strict=False):
            for names, description in layer.descriptions(shape):
                yield layer, names, {**description, "trainable": self.trainable and description["trainable"]}

    @property
    def _generator(self) -> "Generator":
        """The random generator; in a forked child a copy, because another thread may have held its lock."""
        generator, process = self._random
        if generator is None:
            generator = np.random.default_rng()
        elif process != os.getpid():
            # From NumPy 2.5 on a copy waits for the lock. As in threading, whose locks have this method for that purpose.
            generator.bit_generator.lock._at_fork_reinit()  # type: ignore[attr-defined]
            generator = copy.deepcopy(generator)
        else:
            return generator
        self._random = generator, os.getpid()
        return generator

    # --- Weights ---

    def count_params(self) -> int:
        """Return the number of values in all weights."""
        self._require_built("count_params")
        return self._weights.count

    def get_weights(self) -> list[NDArray[Any]]:
        """Return copies of all weights, layer by layer, kernel before bias; empty before building."""
        return self._weights.get() if self.built else []

    def set_weights(self, weights: Sequence[ArrayLike]) -> None:
        """Replace all weights by arrays of the same shapes, in the order of `get_weights`."""
        with self._structure:
            self._require_built("set_weights")
            self._weights.set(weights)

    def _values(self) -> NDArray[Any]:
        """Return a copy of all weights as one vector."""
        assert self._network is not None
        return self._network.get_parameters()

    def _set_values(self, values: NDArray[Any]) -> None:
        """Restore weights that `_values` returned."""
        assert self._network is not None
        self._network.set_parameters(values)
        self._weights.changes.spread()

    def _weights_in(self, flat: NDArray[Any] | None) -> list[list[NDArray[Any]]]:
        """Return copies of the weights of every layer in a copy of all values; without one, those that layers keep."""
        if flat is None:
            return [layer.get_weights() for layer in self._layers]
        return [part.split(flat) for part in self._parts]

    def _layers_with_weights(self) -> list[tuple[Layer, list[NDArray[Any]]]]:
        """Return every layer of a built model with copies of its weights, as one consistent snapshot."""
        with self._structure:
            return list(zip(self._layers, self._weights_in(self._values()), strict=True))

    def _leaves_with_weights(self) -> list[tuple[Layer, list[NDArray[Any]]]]:
        """Return what `_layers_with_weights` does, with the layers of models among the layers in their places."""
        with self._structure:
            arrays = iter(self._weights.split(self._values()))
            return [(leaf, [next(arrays) for _ in leaf.weight_names]) for leaf in self._leaves()]

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
        """Whether training changes the model. Setting it sets it for all layers, from the next batch on.

        As in Keras, no layer of a frozen model is trained, whatever its own `trainable`.

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

    def _penalty(self) -> float:
        """Return the sum of the penalties on weights that are trained."""
        penalties = 0.0
        for layer in self._layers:
            trained = zip(layer.weight_names, layer.get_weights(), layer._trained(), strict=True)
            penalties += sum(
                regularizer(array)
                for name, array, is_trained in trained
                if is_trained and self.trainable and (regularizer := layer.regularizer(name)) is not None
            )
        return penalties

    def _all_places(self) -> Iterator[Place]:
        for layer in self._layers:
            yield from layer.settings(layer.name)

    # --- Configuration ---

    def get_config(self) -> dict[str, Any]:
        """Return the architecture, without weights, as a JSON-serializable dictionary."""
        return {
            "name": self.name,
            "dtype": self.dtype_policy,
            "input_shape": None if self.input_shape is None else list(self.input_shape),
            "layers": [serialized(layer) for layer in self._layers],
            **({} if self.trainable else {"trainable": False}),
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return a model with the architecture that `get_config` returned, and fresh weights."""
        parts = [deserialized(layer, cls, config["dtype"]) for layer in config["layers"]]
        model = cls(parts, name=config["name"], dtype=config["dtype"])
        model._trainable = check_trainable(config.get("trainable", True))  # the layers have their own
        if config["input_shape"] is not None:
            model.build(config["input_shape"])
        return model

    def __repr__(self) -> str:
        if not self.built:
            return f"<Sequential {self.name!r}, {len(self._layers)} layers, not built>"
        sizes = [self.input_shape, *(layer.output_shape for layer in self._layers)]
        return f"<Sequential {self.name!r}: {' -> '.join('x'.join(map(str, size or ())) for size in sizes)}>"


def tensor_name(index: int, layer: Layer, weight_name: str) -> str:
    """Return the name that a weight of layer `index` has in a file."""
    return f"layers.{index}.{layer.name}.{weight_name}"


def nested_tensor_name(index: int, model: str, name: str) -> str:
    """Return the name of a weight of a model that is layer `index`, from its name in a file of that model."""
    return f"layers.{index}.{model}.{name.removeprefix('layers.')}"


def tensor_names(model: Layered) -> list[str]:
    """Return the name of every weight, in the order of `Sequential.get_weights`."""
    return [
        tensor_name(index, layer, slot.name)
        for index, (layer, part) in enumerate(zip(model._layers, model._parts, strict=True))
        for slot in part.slots
    ]

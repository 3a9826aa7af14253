"""Models and what they are compiled with, as the configurations that Keras 3 keeps in its files."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from fastnet import initializers, layers, losses, metrics, regularizers, schedules
from fastnet.interchange.keras.order import listed
from fastnet.layers.base import Layer
from fastnet.layers.functions import ActivationFunction
from fastnet.network.nested import leaves_to_train
from fastnet.optimizers.base import Optimizer
from fastnet.support.attributes import own_class
from fastnet.training.trainer import Trainer

__all__ = ["compile_config_of", "config_of", "has_one_moment"]

Json = dict[str, Any]
# Those with a parameter that a layer takes: the layer, and its name of the parameter.
_ACTIVATIONS = {
    "leaky_relu": ("LeakyReLU", "negative_slope"),
    "elu": ("ELU", "alpha"),
    "relu6": ("ReLU", "max_value"),
    "thresholded_relu": ("ReLU", "threshold"),
}
_ALWAYS_TRAINABLE = (layers.SpatialDropout1D, layers.SpatialDropout2D)  # those of Keras do not take the argument


def config_of(model: Trainer) -> Json:
    """Return the configuration of a built model: ``Sequential``, or a functional model where it has a `Residual`.

    Raises
    ------
    NotImplementedError
        Keras has no counterpart of a layer; the message names it.
    """
    assert model.input_shape is not None
    batch = [None, *model.input_shape]
    chain = _Chain(model.dtype_policy)
    first = chain.add("InputLayer", {"batch_shape": batch, "dtype": model.dtype, "name": "input_layer"}, [])
    last = chain.add_all(leaves_to_train(model._layers), first, "", list(model.input_shape))
    entries = [chain.entries[number] for number in listed(chain.sources)]
    config = {"name": _name(model.name), "trainable": model.trainable, "layers": entries}
    if not any(isinstance(layer, layers.Residual) for layer in model._leaves()):
        for entry in entries:
            del entry["name"], entry["inbound_nodes"]
        built = {"dtype": _policy(model.dtype_policy), "build_input_shape": batch}
        return _object("keras", "Sequential", {**config, **built}) | {"build_config": {"input_shape": batch}}
    ends = {"input_layers": [first.name, 0, 0], "output_layers": [last.name, 0, 0]}
    return _object("keras", "Model", {**config, **ends}) | {"build_config": {"input_shape": None}}


def _object(module: str, kind: str, config: Mapping[str, Any]) -> Json:
    return {"module": module, "class_name": kind, "config": dict(config), "registered_name": None}


def _name(name: str) -> str:
    """Return a name that Keras takes: no "/", and no "." either where PyTorch is its backend."""
    return re.sub("[./]", "_", name)


def _policy(name: str) -> Json:
    return _object("keras", "DTypePolicy", {"name": name})


class _Tensor:
    """The output of a layer."""

    def __init__(self, name: str, number: int, shape: list[int], dtype: str) -> None:
        self.name = name
        self.number = number
        config = {"shape": [None, *shape], "dtype": dtype, "keras_history": [name, 0, 0]}
        self.config = {"class_name": "__keras_tensor__", "config": config}


class _Chain:
    """The layers of a functional model, each behind those that it takes, with their numbers."""

    def __init__(self, policy: str) -> None:
        self.entries: list[Json] = []
        self.sources: list[list[int]] = []
        self._policy = policy
        self._names: set[str] = set()

    def add(self, kind: str, config: Json, sources: list[_Tensor], shape: list[int] | None = None) -> _Tensor:
        """Add a layer that takes one tensor or two, under a name that no other has."""
        name = _name(config["name"])
        while name in self._names:
            name += "_"
        config = {**config, "name": name}
        self._names.add(name)
        taken = [source.config for source in sources]
        nodes: list[Json] = [{"args": taken if len(taken) == 1 else [taken], "kwargs": {}}] if taken else []
        self.entries.append(_object("keras.layers", kind, config) | {"name": name, "inbound_nodes": nodes})
        self.sources.append([source.number for source in sources])
        shape = config["batch_shape"][1:] if shape is None else shape
        return _Tensor(name, len(self.entries) - 1, shape, self._policy.removeprefix("mixed_"))

    def add_all(
        self, row: list[tuple[Layer, bool]], tensor: _Tensor, prefix: str, shape: list[int], start: int = 0
    ) -> _Tensor:
        """Add layers in a row, those of a `Residual` under its name, their number in it and their own.

        With each layer comes whether it is trained: no layer in a frozen block is, and the file has no blocks.
        """
        for number, (layer, trained) in enumerate(row, start):
            name = f"{prefix}_{number}_{layer.name}" if prefix else layer.name
            own: Json = {"name": name, "dtype": _policy(self._policy)}
            if not isinstance(layer, _ALWAYS_TRAINABLE):
                own["trainable"] = trained
            if isinstance(layer, layers.Residual):
                body, shortcut = (leaves_to_train(part, trained) for part in (layer.layers, layer.shortcut))
                body_end = self.add_all(body, tensor, name, shape)
                shortcut_end = self.add_all(shortcut, tensor, name, shape, len(body))
                shape = list(layer.compute_output_shape(tuple(shape)))
                tensor = self.add("Add", own, [shortcut_end, body_end], shape)
            else:
                shape = list(layer.compute_output_shape(tuple(shape)))
                kind = own_class(type(layer)).__name__
                config = {key: value for key, value in _settings(layer, self._policy) if key != "trainable"}
                tensor = self.add(kind, {**config, **own}, [tensor], shape)
        return tensor


def has_one_moment(layer: layers.Normalization) -> bool:
    """Return whether Keras has one mean and one variance of all values; the weights may have been set to others."""
    return layer.axis is None and all(np.unique(array).size == 1 for array in layer.get_weights())


def _settings(layer: Layer, policy: str) -> Iterator[tuple[str, Any]]:
    """Yield the arguments of a layer as Keras has them."""
    kind = own_class(type(layer))
    for key, value in kind.get_config(layer).items():
        if key == "activation":
            yield key, _activation(layer, policy)
        elif key.endswith("_initializer"):  # a user's own is left out: the weights are in the file
            known = hasattr(initializers, value["class_name"])
            yield key, _object("keras.initializers", value["class_name"], value["config"]) if known else None
        elif key.endswith("_regularizer"):
            yield key, None if value is None else _regularizer(layer, value)
        elif key == "axis" and isinstance(layer, layers.Normalization):
            yield key, None if has_one_moment(layer) else -1
        else:
            yield key, value


def _regularizer(layer: Layer, value: Json) -> Json:
    if not hasattr(regularizers, value["class_name"]):
        raise NotImplementedError(
            f"fastnet: layer {layer.name!r} cannot be written for Keras, which has no regularizer {value['class_name']}"
        )
    return _object("keras.regularizers", value["class_name"], value["config"])


def _activation(layer: Any, policy: str) -> str | Json:
    """Return the activation of a layer: a name, or a layer where it has a parameter of its own."""
    function: ActivationFunction = layer.activation
    if function.name == "gelu_tanh":
        raise NotImplementedError(
            f"fastnet: layer {layer.name!r} cannot be written for Keras, whose files have no activation 'gelu_tanh': 'gelu' "
            "is at most 0.0005 off"
        )
    if isinstance(function.config, str) and function.name != "thresholded_relu":  # a name that Keras 3 has not
        return function.config
    if function.name not in _ACTIVATIONS:
        raise NotImplementedError(
            f"fastnet: layer {layer.name!r} cannot be written for Keras, whose files have no parameter of the activation "
            f"{function.name!r}; got {function.config!r}"
        )
    kind, parameter = _ACTIVATIONS[function.name]
    return _object("keras.layers", kind, {"name": function.name, parameter: function.alpha, "dtype": _policy(policy)})


# ---- Compile configuration ------------------------------------------------------------------------------------------


def compile_config_of(model: Trainer) -> Json | None:
    """Return what a model is compiled with, or None if it is not compiled.

    Raises
    ------
    NotImplementedError
        Keras has no counterpart of something; the message names it.
    """
    config = model.get_compile_config()
    if config is None:
        return None
    assert model.optimizer is not None
    lists = {name: [_part("metrics", one) for one in config.get(name, ())] for name in ("metrics", "weighted_metrics")}
    return {
        "optimizer": _optimizer(model.optimizer),
        "loss": _part("losses", config["loss"]),
        "loss_weights": None,
        **{name: given or None for name, given in lists.items()},
        "run_eagerly": False,
        "steps_per_execution": 1,
        "jit_compile": False,
    }


def _part(room: str, value: Any) -> Any:
    """Return a loss or a metric; names are those of Keras."""
    if not isinstance(value, dict):
        if value == "quantile":
            raise _lacking("the loss 'quantile'")
        if value != "categorical_generalized_cross_entropy":
            return value
        value = losses.get(value)  # of which Keras knows the class, but not the name
        return _object("keras.losses", type(value).__name__, value.get_config())
    if "function" in value:
        raise _lacking(f"the function {value['function']!r}, which is in no file")
    kind = value["class_name"]
    if kind == "Quantile" or not hasattr({"losses": losses, "metrics": metrics}[room], kind):
        raise _lacking(f"{kind} among its {room}")
    return _object(f"keras.{room}", kind, value["config"])


def _optimizer(optimizer: Optimizer) -> Json:
    kind = own_class(type(optimizer))
    config = kind.get_config(optimizer)
    if config.pop("dampening", 0.0):
        raise _lacking("SGD with dampening")
    if config.pop("excluded_from_weight_decay", None):
        raise _lacking("the names that weight decay leaves alone in its files")
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        if rate["class_name"] in ("InverseScaling", "OneCycle") or not hasattr(schedules, rate["class_name"]):
            raise _lacking(f"the learning rate schedule {rate['class_name']}")
        config["learning_rate"] = _object("keras.optimizers.schedules", rate["class_name"], rate["config"])
    return _object("keras.optimizers", kind.__name__, config)


def _lacking(what: str) -> NotImplementedError:
    return NotImplementedError(f"Keras has not {what}")

"""Configurations of Keras, versions 2 and 3, as those of fastnet. Nothing in them is executed."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnet import initializers, layers, losses, metrics, optimizers
from fastnet.interchange.keras.graphs import DEEPEST, Block, entries_in, row_of
from fastnet.interchange.parts import Inner
from fastnet.layers.base import Layer, Shape, check_trainable
from fastnet.metrics.of_functions import OWN, restored
from fastnet.network.checks import MOST_LAYERS, check_compilation
from fastnet.support.validation import check_shape, describe

__all__ = ["Architecture", "architecture_of", "compile_arguments"]

# The dtype policies of Keras's layers, and the dtype of the model: float16 only saves memory bandwidth of GPUs.
_DTYPES = {
    frozenset(["float32"]): "float32",
    frozenset(["float64"]): "float64",
    frozenset(["mixed_bfloat16"]): "mixed_bfloat16",
    frozenset(["mixed_bfloat16", "float32"]): "mixed_bfloat16",
    frozenset(["mixed_float16"]): "float32",
    frozenset(["mixed_float16", "float32"]): "float32",
}
_SHAPES = ("batch_shape", "batch_input_shape")
# What says nothing about a layer's predictions in fastnet, or is dealt with elsewhere.
_LEFT_OUT = frozenset(["dtype", "renorm_momentum", *_SHAPES])
# What Keras 2 writes of every convolution, though it means nothing to some.
_KERNEL = frozenset(["kernel_initializer", "kernel_regularizer", "kernel_constraint"])
_MEANINGLESS = {
    "Conv1DTranspose": frozenset(["groups"]),
    "Conv2DTranspose": frozenset(["groups"]),
    "DepthwiseConv2D": frozenset(["groups", *_KERNEL]),
    "SeparableConv2D": frozenset(["groups", *_KERNEL]),
}


@dataclass(frozen=True)
class Architecture:
    """The arguments of `Sequential` that a configuration stands for."""

    layers: list[Layer | Inner]
    input_shape: Shape
    dtype: str
    name: str | None
    trainable: bool


def architecture_of(config: Any, version: int) -> Architecture:
    """Return the architecture that the configuration of a whole model describes.

    Parameters
    ----------
    config : dict
        With the entries "class_name" and "config", as Keras's JSON has them.
    version : int
        The version of Keras that wrote it.

    Raises
    ------
    ValueError, TypeError, KeyError, NotImplementedError
        It is not a row of layers that fastnet has; the message names the layer.
    """
    kind, inside = _parts("the model", config)
    if kind not in ("Functional", "Model", "Sequential"):
        raise ValueError(f"it holds a model of class {kind}; fastnet has Sequential models, layers in a row")
    if len(inside["layers"]) > MOST_LAYERS + 1:  # with the input
        raise ValueError(f"its model must have 1 to {MOST_LAYERS} layers; got {len(inside['layers'])}")
    row = inside["layers"] if kind == "Sequential" or not inside["layers"] else row_of(inside)
    all_entries = list(_entries(row, 0))
    entries = [_parts("a layer", entry) for entry in all_entries]
    for entry in all_entries:
        _refuse_custom(entry)
    shapes = [settings[key] for _, settings in entries[:1] for key in _SHAPES if settings.get(key) is not None]
    shapes += [inside["build_input_shape"]] if inside.get("build_input_shape") is not None else []
    if not shapes:
        raise ValueError("its model has no input shape: it was saved before it was built")
    if not isinstance(shapes[0], list):
        raise ValueError(f"the shape of its input must be a list; got {describe(shapes[0])}")
    entries = [entry for entry in entries if entry[0] != "InputLayer"]
    if not 0 < len(entries) <= MOST_LAYERS:
        raise ValueError(f"its model must have 1 to {MOST_LAYERS} layers; got {len(entries)}")
    policies = frozenset(_policy(settings.get("dtype")) for _, settings in entries)
    if policies not in _DTYPES:
        raise ValueError(f"its layers must have one dtype policy that fastnet has; got {', '.join(sorted(policies))}")
    return Architecture(
        [_layer_or_model(part, version) for part in row if _class_of(part) != "InputLayer"],
        check_shape("the shape of its input", shapes[0][1:]),
        _DTYPES[policies],
        inside.get("name"),
        check_trainable(inside.get("trainable", True)),
    )


def _entries(row: Sequence[dict[str, Any] | Block], depth: int) -> Iterator[dict[str, Any]]:
    """Yield the layers of a row, with those of blocks and of models among them in their places."""
    if depth > DEEPEST:
        raise ValueError(f"its models are nested deeper than {DEEPEST}")
    for entry in entries_in(row):
        kind, config = _parts("a layer", entry)
        if kind == "Sequential":
            yield from _entries(_row_inside(config), depth + 1)
        else:
            yield entry


def _row_inside(config: Mapping[str, Any]) -> list[Any]:
    """Return the layers of a model among the layers."""
    row = config.get("layers")
    if not isinstance(row, list) or not row:
        raise ValueError(f"the model {config.get('name')!r} among its layers must have a list of layers")
    return row


def _parts(what: str, entry: Any) -> tuple[str, dict[str, Any]]:
    """Return the class name and the configuration of a serialized object."""
    if not isinstance(entry, dict) or not isinstance(entry.get("class_name"), str):
        raise ValueError(f"the configuration of {what} must have a 'class_name'; got {describe(entry)}")
    config = entry.get("config")
    if isinstance(config, list):  # the layers of a model in the oldest files
        config = {"layers": config}
    if not isinstance(config, dict):
        raise ValueError(f"the configuration of {what} of class {entry['class_name']} must be a JSON object")
    return entry["class_name"], config


def _refuse_custom(entry: Mapping[str, Any]) -> None:
    """Refuse an object of a class that is not Keras's own, whatever it is called."""
    module, registered = entry.get("module"), entry.get("registered_name")
    foreign = isinstance(module, str) and module.partition(".")[0] not in ("keras", "tf_keras", "builtins")
    if foreign or (isinstance(registered, str) and ">" in registered):
        raise ValueError(f"{entry['class_name']} of {registered or module} is not one of Keras's own classes")


def _policy(dtype: Any) -> str:
    """Return the name of a dtype policy; the default of Keras where there is none."""
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name") if dtype.get("class_name") in ("DTypePolicy", "Policy") else dtype
    return dtype if isinstance(dtype, str) else "float32" if dtype is None else describe(dtype)


# ---- Layers ---------------------------------------------------------------------------------------------------------


def _class_of(part: dict[str, Any] | Block) -> str:
    return "Add" if isinstance(part, Block) else _parts("a layer", part)[0]


def _layer_or_model(part: dict[str, Any] | Block, version: int) -> Layer | Inner:
    """Return the layer for a layer of Keras, `Residual` for a block, and `Inner` for a model."""
    if isinstance(part, Block) or _class_of(part) != "Sequential":
        return _layer_or_block(part, version)
    _, config = _parts("a layer", part)
    row = [_layer_or_model(inner, version) for inner in _row_inside(config) if _class_of(inner) != "InputLayer"]
    if not row:
        raise ValueError(f"the model {config.get('name')!r} among its layers has no layers")
    return Inner(config.get("name"), row, check_trainable(config.get("trainable", True)))


def _layer_or_block(part: dict[str, Any] | Block, version: int) -> Layer:
    """Return the layer for a layer of Keras, and `Residual` for a block."""
    if not isinstance(part, Block):
        return _layer(*_parts("a layer", part), version)
    inside = [_layer_or_block(inner, version) for inner in [*part.row, *part.shortcut]]
    for number, layer in enumerate(inside):  # as fastnet names them in Keras
        layer.name = layer.name.removeprefix(f"{part.name}_{number}_") or layer.name
    count = len(part.row)
    return layers.Residual(inside[:count], inside[count:], name=part.name)


def _layer(kind: str, settings: Mapping[str, Any], version: int) -> Layer:
    """Return the layer for a class of Keras and its configuration."""
    name = settings.get("name")
    if kind in ("Sequential", "Functional", "Model"):
        raise ValueError(
            f"layer {name!r} is a model of class {kind}; among the layers of a row only a Sequential is read. Make the model "
            "in Python, and give it the weights with model.set_weights(keras_model.get_weights())"
        )
    if kind == "Lambda":
        raise ValueError(f"layer {name!r} is a Lambda, which holds Python code: nothing in a file is executed")
    layer_class = getattr(layers, kind, None)
    if not (isinstance(layer_class, type) and issubclass(layer_class, Layer)) or kind in ("Layer", "Residual"):
        raise ValueError(f"layer {name!r} is a {kind}, which fastnet does not have")
    left_out = _LEFT_OUT | (_MEANINGLESS.get(kind, frozenset()) if version < 3 else frozenset())
    config = {key: _argument(key, value, version) for key, value in settings.items() if key not in left_out}
    if kind == "LeakyReLU" and "alpha" in config:  # its name before Keras 3
        config["negative_slope"] = config.pop("alpha")
    given = {key: value for key, value in config.items() if value is not None or key == "axis"}
    try:
        return layers.deserialize({"class_name": kind, "config": given})
    except (TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(f"layer {name!r}: {error}") from error


def _argument(key: str, value: Any, version: int) -> Any:
    """Return one argument of a layer as fastnet takes it; None stands for the default."""
    if key.endswith("_initializer"):
        return _initializer(value)
    if key == "activation":
        return _activation(value, version)
    if key == "axis" and isinstance(value, list) and len(value) < 2:
        return value[0] if value else None
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        return np.asarray(value["config"]["value"], np.float64)
    return _object(value)


def _object(value: Any, left_out: Collection[str] = ()) -> Any:
    """Return the configuration of a regularizer, a loss or the like as fastnet has it; other values as they are."""
    if not isinstance(value, dict):
        return value
    _refuse_custom(value)
    kind, config = _parts("an object", value)
    given = {key: _object(one) for key, one in config.items() if one is not None and key not in left_out}
    return {"class_name": kind, "config": given}


def _initializer(value: Any) -> Any:
    """Return an initializer, or None for one that fastnet does not have: the weights are in the file."""
    try:
        return initializers.get(_object(value))
    except (TypeError, ValueError, NotImplementedError):
        return None


def _activation(value: Any, version: int) -> Any:
    """Return an activation: a name, or a layer that stands for its own."""
    if isinstance(value, dict):
        if value.get("class_name") == "function":
            value = value.get("config")
        else:
            _refuse_custom(value)
            return _layer(*_parts("an activation", value), version)
    if value == "hard_sigmoid" and version < 3:
        raise ValueError(
            "the activation 'hard_sigmoid' of Keras 2 is another function than that of Keras 3 and fastnet"
        )
    return value


# ---- Arguments of compile -------------------------------------------------------------------------------------------


def compile_arguments(config: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `Sequential.compile` for the compile configuration of Keras.

    Parameters
    ----------
    config : dict
        As Keras's JSON has it.
    custom_objects : dict
        Python functions by their names, for losses and metrics.

    Raises
    ------
    ValueError, TypeError, KeyError, NotImplementedError
        Something in it is not available; the message names it.
    """
    given = {key: _flat(key, config[key]) for key in ("metrics", "weighted_metrics") if config.get(key)}
    check_compilation(given)
    lists = {key: [_named(metric, custom_objects, metrics) for metric in one] for key, one in given.items()}
    loss = config.get("loss")
    if isinstance(loss, list) and len(loss) == 1:
        loss = loss[0]
    return {
        "optimizer": _optimizer(config.get("optimizer", config.get("optimizer_config"))),
        "loss": _named(loss, custom_objects, losses),
        "loss_weights": config.get("loss_weights"),
        **lists,
    }


def _flat(key: str, given: Any) -> list[Any]:
    """Return a list of metrics; Keras 2 has one list for each output."""
    if not isinstance(given, list):
        raise ValueError(f"{key} must be a list; got {describe(given)}")
    return given[0] if len(given) == 1 and isinstance(given[0], list) else given


def _named(value: Any, custom_objects: Mapping[str, Any], registry: Any) -> Any:
    """Return a loss or a metric: a name, a function of the user's or an object."""
    if isinstance(value, dict):
        kind, config = value.get("class_name"), value.get("config")
        if kind == "function":
            value = config
        elif kind == "MeanMetricWrapper" and isinstance(config, dict):
            return _wrapped(config, custom_objects)
        else:
            made = _object(value, ("dtype", "fn"))
            if made["config"].get("reduction") == "auto":  # Keras 2
                made["config"]["reduction"] = "sum_over_batch_size"
            return registry.deserialize(made)
    return custom_objects.get(value, value) if isinstance(value, str) else value


def _wrapped(config: Mapping[str, Any], custom_objects: Mapping[str, Any]) -> Any:
    """Return the metric of a function: Keras 2 has its name, Keras 3 an object with that; other entries are keywords."""
    function = config.get("fn")
    name = function.get("config") if isinstance(function, dict) else function
    keywords = {key: value for key, value in config.items() if key not in ("name", "dtype", "fn")}
    if not keywords:
        return custom_objects.get(name, name) if isinstance(name, str) else name
    entry = {"function": name, "name": config.get("name"), "keywords": keywords}
    return restored(entry, {**OWN, **custom_objects})


def _optimizer(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("class_name"), str):  # from 2.11 on Keras 2 writes its own as if they were a user's
        value = {**value, "class_name": value["class_name"].removeprefix("Custom>")}
    settings = value.get("config")
    decays = isinstance(settings, dict) and settings.get("decay")  # of Keras 2, which fastnet does not have
    return optimizers.get(_object(value, ("jit_compile", "is_legacy_optimizer", *([] if decays else ["decay"]))))

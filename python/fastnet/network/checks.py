"""Consistency checks of a model file, before memory is allocated for its model."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastnet import layers
from fastnet.files.safetensors import Tensor
from fastnet.network.layered import nested_tensor_name, tensor_name
from fastnet.network.nested import config_of_model, is_model
from fastnet.support.validation import check_shape, describe

DTYPES = {"float32": "F32", "float64": "F64", "mixed_bfloat16": "F32"}
MOST_LAYERS = 10_000  # a layer takes about 100 times the memory of its shortest description
MOST_METRICS = 1_000


def check_architecture(config: Mapping[str, Any]) -> None:
    """Refuse a `Sequential.get_config()` with entries that are unknown, or with more layers than a file may have."""
    known = {"name", "dtype", "input_shape", "layers"}
    for wrong in set(config) - known - {"trainable"}:
        raise ValueError(f"the architecture has an unknown entry {wrong!r}")
    for missing in known - set(config):
        raise ValueError(f"the architecture lacks the entry {missing!r}")
    if not isinstance(config["layers"], list):
        raise ValueError(f"layers must be a list; got {describe(config['layers'])}")
    for inner in filter(is_model, config["layers"]):
        check_architecture(config_of_model(inner, config["dtype"]))
    count = sum(1 for _ in _nested(config["layers"]))
    if count > MOST_LAYERS:
        raise ValueError(f"a model file has at most {MOST_LAYERS} layers; got {count}")
    if not isinstance(config["dtype"], str) or config["dtype"] not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(map(repr, DTYPES))}; got {describe(config['dtype'])}")


def check_compilation(config: Mapping[str, Any]) -> None:
    """Refuse a `Sequential.get_compile_config()` with more metrics than a file may have."""
    for name in ("metrics", "weighted_metrics"):
        metrics = config.get(name, [])
        if not isinstance(metrics, list) or len(metrics) > MOST_METRICS:
            raise ValueError(f"{name} must be a list of at most {MOST_METRICS}; got {describe(metrics)}")


def check_tensors(tensors: Mapping[str, Tensor], config: Mapping[str, Any]) -> None:
    """Refuse tensors that are not exactly those of an architecture that was checked."""
    expected = expected_shapes(config)
    names = set(tensors)
    for verb, wrong in (("lacks the", set(expected) - names), ("has an unknown", names - set(expected))):
        if wrong:
            raise ValueError(f"it {verb} tensor {min(wrong)!r}")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise ValueError(f"tensor {name!r} must have shape {shape}; got {tensors[name].shape}")
        if tensors[name].dtype != DTYPES[config["dtype"]]:
            raise ValueError(f"tensor {name!r} must have dtype {DTYPES[config['dtype']]}; got {tensors[name].dtype}")


def expected_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors of an architecture."""
    return _tensors_and_output(config, check_shape("input_shape", config["input_shape"]))[0]


def _tensors_and_output(
    config: Mapping[str, Any], shape: tuple[int, ...]
) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...]]:
    """Return the names and shapes of the tensors of an architecture, and the shape of its output."""
    shapes = {}
    for index, entry in enumerate(config["layers"]):
        if is_model(entry):
            inside, shape = _tensors_and_output(entry["config"], shape)
            for name, inner_shape in inside.items():
                shapes[nested_tensor_name(index, entry["config"]["name"], name)] = inner_shape
            continue
        layer = layers.deserialize(entry)
        if layer.given_name is None or layer.given_input_shape is not None:
            raise ValueError(
                f"layer {index} must have a name, and no input shape of its own in addition to the model's"
            )
        output_shape = layer.compute_output_shape(shape)
        for weight_name, weight_shape in layer.weight_shapes(shape).items():
            shapes[tensor_name(index, layer, weight_name)] = weight_shape
        shape = output_shape
    return shapes, shape


def _nested(configs: Any) -> Iterator[Any]:
    """Yield the configurations of all layers, including nested ones."""
    for config in configs if isinstance(configs, list) else ():
        yield config
        if isinstance(config, dict) and isinstance(config.get("config"), dict):
            yield from _nested(config["config"].get("layers"))

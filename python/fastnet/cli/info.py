"""``fastnet info``: what is in a model file."""

import argparse
import json
from pathlib import Path
from typing import Any

from fastnet.cli._output import describe_size, print_json, shortened
from fastnet.cli._report import aligned
from fastnet.models import Sequential
from fastnet.serialization import load_model, read_metadata

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Print the architecture, the training configuration and the classes of a model file."""
    model = load_model(arguments.model)
    metadata = read_metadata(arguments.model)
    size = Path(arguments.model).stat().st_size
    if arguments.json:
        print_json("info", _as_json(arguments.model, size, metadata, model))
    else:
        print(_as_text(arguments.model, size, metadata, model))
    return 0


def _as_json(path: str, size: int, metadata: dict[str, str], model: Sequential) -> dict[str, Any]:
    return {
        "file": path,
        "bytes": size,
        "format_version": metadata["format_version"],
        "written_by": metadata.get("fastnet_version"),
        "parameters": model.count_params(),
        "output_shape": model.output_shape,
        "config": json.loads(metadata["config"]),
        "compile": model.get_compile_config(),
        "class_names": model.class_names,
        "feature_names": model.feature_names,
    }


def _as_text(path: str, size: int, metadata: dict[str, str], model: Sequential) -> str:
    table = [["layer", "kind", "output", "parameters"]]
    for layer in model.layers:
        table.append([layer.name, _kind(layer), _shape(layer.output_shape), f"{layer.count_params():,}"])
    compiled = model.get_compile_config()
    multiplied = "" if model.compute_dtype == model.dtype else f", multiplied in {model.compute_dtype}"
    facts = [
        ("file", f"{path}, {describe_size(size)}, format version {metadata['format_version']}"),
        ("written by", f"fastnet {metadata.get('fastnet_version', 'unknown')}"),
        ("parameters", f"{model.count_params():,} of {model.dtype}{multiplied}"),
        ("input", _shape(model.input_shape) + (f": {shortened(model.feature_names)}" if model.feature_names else "")),
        ("classes", f"{len(model.class_names)}: {shortened(model.class_names)}" if model.class_names else "no names"),
        ("optimizer", _call(compiled["optimizer"]) if compiled else "not compiled"),
    ]
    if compiled:
        facts.append(("loss", str(compiled["loss"])))
        facts.append(("metrics", ", ".join(compiled["metrics"]) or "none"))
    return "\n".join([*(f"{name + ':':<12}{value}" for name, value in facts), "", aligned(table, left=2)])


def _kind(layer: Any) -> str:
    """Return the class of a layer with the one argument that tells it apart."""
    config = layer.get_config()
    detail = next((config[key] for key in ("activation", "scale") if key in config), None)
    if isinstance(detail, dict):
        detail = detail.get("class_name")
    if detail is None:
        return type(layer).__name__
    return f"{type(layer).__name__}({detail:.6g})" if isinstance(detail, float) else f"{type(layer).__name__}({detail})"


def _call(serialized: dict[str, Any]) -> str:
    config = {name: value for name, value in serialized["config"].items() if name != "name"}
    return f"{serialized['class_name']}({', '.join(f'{name}={value}' for name, value in config.items())})"


def _shape(shape: tuple[int, ...] | None) -> str:
    return " x ".join(map(str, shape or ()))

"""``fastnet info``: what is in a model file."""

import argparse
import hashlib
import json
import math
import shlex
from pathlib import Path
from typing import Any

from fastnet.cli._origin import words
from fastnet.cli._output import describe_size, print_json, shortened
from fastnet.cli._report import aligned
from fastnet.models import Sequential
from fastnet.models.classes import is_regression
from fastnet.quantization import QuantizedModel
from fastnet.serialization import load_model, read_metadata

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Print the architecture, the training configuration, the classes and the origin of a model file."""
    model = load_model(arguments.model)
    metadata = read_metadata(arguments.model)
    path = Path(arguments.model)
    file = {"file": arguments.model, "bytes": path.stat().st_size, "sha256": _sha256(path)}
    if arguments.json:
        print_json("info", {**file, **_as_json(metadata, model)})
    else:
        print(_as_text(file, metadata, model))
    return 0


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_json(metadata: dict[str, str], model: Sequential | QuantizedModel) -> dict[str, Any]:
    return {
        "format_version": metadata["format_version"],
        "written_by": metadata.get("fastnet_version"),
        "parameters": model.count_params(),
        "output_shape": model.output_shape,
        "config": json.loads(metadata["config"]),
        "compile": model.get_compile_config(),
        "class_names": model.class_names,
        "feature_names": model.feature_names,
        "metrics": model.figures,
        "receipt": model.receipt,
    }


def _as_text(file: dict[str, Any], metadata: dict[str, str], model: Sequential | QuantizedModel) -> str:
    table = [["layer", "kind", "output", "parameters"]]
    table += _rows_of_operations(model) if isinstance(model, QuantizedModel) else _rows_of_layers(model)
    compiled = model.get_compile_config()
    stored = "int8 and float32" if isinstance(model, QuantizedModel) else model.dtype
    multiplied = "" if model.compute_dtype == model.dtype else f", multiplied in {model.compute_dtype}"
    facts = [
        ("file", f"{file['file']}, {describe_size(file['bytes'])}, format version {metadata['format_version']}"),
        ("sha256", file["sha256"]),
        ("written by", f"fastnet {metadata.get('fastnet_version', 'unknown')}"),
        ("parameters", f"{model.count_params():,} of {stored}{multiplied}"),
        ("input", _shape(model.input_shape) + (f": {shortened(model.feature_names)}" if model.feature_names else "")),
        _outputs(model),
        ("optimizer", _call(compiled["optimizer"]) if compiled else "not compiled"),
    ]
    if compiled:
        facts.append(("loss", str(compiled["loss"])))
        facts.append(("metrics", ", ".join(map(str, compiled["metrics"])) or "none"))
    facts += [(name.replace("_", " "), _figures(figures)) for name, figures in model.figures.items()]
    facts += _origin(model.receipt)
    return "\n".join([*(f"{name + ':':<15}{value}" for name, value in facts), "", aligned(table, left=2)])


def _outputs(model: Sequential | QuantizedModel) -> tuple[str, str]:
    if is_regression(model):
        return "predicts", _count(math.prod(model.output_shape or ()), "number")
    return "classes", f"{len(model.class_names)}: {shortened(model.class_names)}" if model.class_names else "no names"


def _rows_of_layers(model: Sequential) -> list[list[str]]:
    return [
        [layer.name, _kind(layer), _shape(layer.output_shape), f"{layer.count_params():,}"] for layer in model._leaves()
    ]


def _rows_of_operations(model: QuantizedModel) -> list[list[str]]:
    return [[layer, kind, str(size), f"{count:,}"] for layer, kind, size, count, _ in model.rows()]


def _kind(layer: Any) -> str:
    """Return the class of a layer with its main argument."""
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


# ---- Origin ---------------------------------------------------------------------------------------------------------


def _figures(figures: Any) -> str:
    """Return the figures as text; those of a file may be anything."""
    if not isinstance(figures, dict):
        return str(figures)
    return ", ".join(
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}" for name, value in figures.items()
    )


def _origin(receipt: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return a summary of the receipt: its last run."""
    if receipt is None or not receipt["runs"]:
        return [("receipt", "none: the model was not trained")]
    run, command = receipt["runs"][-1], receipt.get("command")
    others = len(receipt["runs"]) - 1 + receipt.get("earlier", {"runs": 0})["runs"]
    after = f", after {_count(others, 'other run')}" if others else ""
    data = command["data"] if command else run["data"]
    return [
        (
            "trained",
            f"{_count(run['epochs'], 'epoch')}, {_count(run['steps'], 'step')}, {run['ended'] or 'not ended'}{after}",
        ),
        ("with", ", ".join(f"{name} {run.get(name)}" for name in ("fastnet", "numpy", "python", "isa"))),
        ("seed", str(receipt["seed"])),
        *((name, _hash(data[name])) for name in ("x", "y", "sample_weight") if isinstance(data.get(name), dict)),
        *([("data", str(data["source"]))] if "source" in data else []),
        ("weights", f"sha256 {receipt['weights']}"),
        *([("command", shlex.join(["fastnet", "train", str(data.get("name")), *words(command)]))] if command else []),
    ]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _hash(part: dict[str, Any]) -> str:
    """Return the fingerprint of an array in words."""
    shape = " x ".join(map(str, _list(part.get("shape"))))
    if "sha256" not in part:
        return f"{shape}, sparse"
    every = part.get("every", 1)
    of = "" if every == 1 else f" of every {every}th row"
    if "places" in part:
        of = f" of {part.get('rows_hashed')} rows"
    return f"{shape} {part.get('dtype')}, sha256 {part['sha256']}{of}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]

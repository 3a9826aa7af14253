"""The metadata of model files: the meaning and the type of each entry."""

import json
import os
from collections.abc import Mapping
from typing import Any

from fastnet._core import __version__
from fastnet.files import safetensors
from fastnet.files.errors import refusing
from fastnet.inputs.ranges import checked_ranges
from fastnet.interchange.keras.recognition import is_keras_file
from fastnet.interchange.parts import NAME_LISTS
from fastnet.network.checks import check_architecture
from fastnet.support.json_values import json_value
from fastnet.support.validation import describe
from fastnet.training.evaluation import Evaluator
from fastnet.training.trainer import Trainer

FORMAT = "fastnet"
FORMAT_VERSION = "1"


def read_metadata(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the metadata of a model file, without reading its weights.

    Parameters
    ----------
    path : str or os.PathLike
        The model file.

    Returns
    -------
    dict of str to str
        The entries that the description of this module lists.

    Raises
    ------
    OSError, ValueError
        As `load_model`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.Sequential([fn.Dense(2, input_shape=(3,))]).save("model.safetensors")
    >>> fn.serialization.read_metadata("model.safetensors")["format"]
    'fastnet'
    """
    with refusing(path):
        if is_keras_file(path):
            raise ValueError(
                "it is a Keras file: read it with load_model, and convert it to a model file with Sequential.save"
            )
    with refusing(path), safetensors.opened(path) as file:
        return checked_metadata(file.metadata)


# ---- Writing ---------------------------------------------------------------------------------------------------------


def file_metadata() -> dict[str, str]:
    """Return the metadata that every file has."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "fastnet_version": __version__}


def metadata_of_trained(model: Trainer, hash_of_weights: str) -> dict[str, str]:
    """Return the metadata of a model's file; `hash_of_weights` is a placeholder for the hash of its weights."""
    config = model.get_config()
    check_architecture(config)
    receipt = model._receipt.for_file(hash_of_weights) if len(model._receipt) else None
    history = model.history.as_dict() if model.history is not None and model.history.epoch else None
    return metadata_of(model, {"config": config, "history": history, "receipt": receipt})


def metadata_of(model: Evaluator, own: Mapping[str, Any]) -> dict[str, str]:
    """Return the metadata of a model's file: common entries, and those of its kind."""
    parts = {
        **own,
        "compile": model.get_compile_config(),
        **{key: checked_names(key, getattr(model, key)) for key in NAME_LISTS},
        "feature_ranges": checked_ranges(model.feature_ranges),
        "metrics": _checked_figures(model.figures) or None,
    }
    texts = {key: json.dumps(part, allow_nan=False) for key, part in parts.items() if part is not None}
    return {**file_metadata(), **texts}


def checked_names(key: str, names: Any) -> list[str] | None:
    """Return a list of names, or None, as JSON; raise an error for anything else."""
    if names is None or (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        return names
    raise ValueError(f"{key} must be a list of strings or None; got {describe(names)}")


def _checked_figures(figures: Any) -> dict[str, Any]:
    if not isinstance(figures, dict):
        raise ValueError(f"figures must be a dictionary; got {describe(figures)}")
    checked: dict[str, Any] = json_value(figures)
    return checked


# ---- Reading ---------------------------------------------------------------------------------------------------------


def checked_metadata(metadata: dict[str, str]) -> dict[str, str]:
    """Return the metadata of a file of this or an earlier format; raise an error for anything else."""
    if metadata.get("format") != FORMAT:
        raise ValueError("it is a safetensors file, but not a fastnet model")
    version = metadata.get("format_version", "")
    if version.isascii() and version.isdigit() and int(version) > int(FORMAT_VERSION):
        raise ValueError(
            f"it was written by a newer fastnet ({metadata.get('fastnet_version', 'unknown')}) in format version "
            f"{version}; fastnet {__version__} reads format version {FORMAT_VERSION}"
        )
    if version != FORMAT_VERSION:
        raise ValueError(f"its format version must be {FORMAT_VERSION!r}; got {version!r:.60}")
    return metadata


def parsed(metadata: Mapping[str, str], key: str, kind: type) -> Any:
    """Return one entry of the metadata, decoded from JSON and checked to be of the given type."""
    if key not in metadata:
        raise ValueError(f"its metadata have no {key!r}")
    try:
        value = safetensors.parse_json(metadata[key])
    except ValueError as error:
        raise ValueError(f"{key!r} in its metadata is not JSON ({error})") from error
    if not isinstance(value, kind):
        raise ValueError(f"{key!r} in its metadata must be a JSON {kind.__name__}; got {type(value).__name__}")
    return value

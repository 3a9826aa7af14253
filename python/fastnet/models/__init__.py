"""Models: sequences of layers, built into one compiled network."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from fastnet.models.averaging import ensemble
from fastnet.models.sequential import Sequential
from fastnet.support.missing_names import explain_missing

__all__ = ["Sequential", "clone_model", "ensemble", "load_model", "model_from_json", "save_model"]

explain_missing(__name__)


def load_model(path: str | os.PathLike[str], custom_objects: dict[str, Any] | None = None, compile: bool = True) -> Any:
    """Load a saved model, a quantized model or a Keras model: see `fastnet.serialization.load_model`."""
    from fastnet.models.loading import load_model as load

    return load(path, custom_objects, compile)


def save_model(model: Sequential, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
    """Write a model to a file: see `fastnet.serialization.save_model`."""
    model.save(filepath, overwrite=overwrite)


def clone_model(
    model: Sequential, input_tensors: Any = None, clone_function: Callable[[Any], Any] | None = None, **keywords: Any
) -> Sequential:
    """Return a model of the same architecture with weights of its own: see `fastnet.models.cloning.clone_model`."""
    from fastnet.models.cloning import clone_model as clone

    return clone(model, input_tensors, clone_function, **keywords)


def model_from_json(json_string: str, custom_objects: Mapping[str, Any] | None = None) -> Sequential:
    """Return a model from the text of `Sequential.to_json`: see `fastnet.models.cloning.model_from_json`."""
    from fastnet.models.cloning import model_from_json as read

    return read(json_string, custom_objects)

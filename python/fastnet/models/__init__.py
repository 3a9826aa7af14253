"""Models: sequences of layers, built into one compiled network."""

import os
from typing import Any

from fastnet.models.averaging import ensemble
from fastnet.models.sequential import Sequential
from fastnet.support.missing_names import explain_missing

__all__ = ["Sequential", "ensemble", "load_model"]

explain_missing(__name__)


def load_model(path: str | os.PathLike[str], custom_objects: dict[str, Any] | None = None, compile: bool = True) -> Any:
    """Load a saved model, a quantized model or a Keras model: see `fastnet.serialization.load_model`."""
    from fastnet.models import loading

    return loading.load_model(path, custom_objects, compile)

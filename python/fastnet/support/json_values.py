"""Conversion of values to JSON."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np


def json_value(value: Any) -> Any:
    """Return a JSON-serializable value: non-finite numbers become None, other objects the name of their type."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(json_value(key)): json_value(item) for key, item in value.items()}
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return [json_value(item) for item in value]
    return type(value).__name__

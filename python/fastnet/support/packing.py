"""Values as JSON and arrays, for files and messages: exact, and nothing in them is executed.

In the JSON, an array is ``{"$tensor": name}``, with ``"bool": true`` if its values are booleans, and a float that JSON
lacks is ``{"$float": "nan"}``, ``"inf"`` or ``"-inf"``. Tuples become lists.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.support.validation import describe

__all__ = ["Arrays", "packed", "unpacked"]

Arrays = dict[str, NDArray[Any]]

_TENSOR, _FLOAT = "$tensor", "$float"


def packed(value: Any, place: str, tensors: Arrays) -> Any:
    """Return a value as JSON; its arrays go to `tensors`, named after their place in the value.

    Raises
    ------
    TypeError
        The value has an object of another type; the message says where.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        while place in tensors:  # the key "a.b" and the key "b" within "a" give the same name
            place += "_"
        tensors[place] = value.view(np.uint8) if value.dtype == np.bool_ else value
        return {_TENSOR: place} | ({"bool": True} if value.dtype == np.bool_ else {})
    if isinstance(value, Mapping) and all(isinstance(key, str) and key not in (_TENSOR, _FLOAT) for key in value):
        return {key: packed(part, f"{place}.{key}", tensors) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [packed(part, f"{place}.{number}", tensors) for number, part in enumerate(value)]
    if isinstance(value, np.bool_ | np.integer | np.float16 | np.float32 | np.float64):
        return packed(value.item(), place, tensors)
    if isinstance(value, float) and not math.isfinite(value):
        return {_FLOAT: repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"checkpoints and messages hold numbers, strings, arrays of numbers, and lists and dictionaries of them; got "
        f"{describe(value)} as {place}"
    )


def unpacked(value: Any, tensors: Arrays) -> Any:
    """Return the value that `packed` converted; its arrays are taken out of `tensors`."""
    if isinstance(value, list):
        return [unpacked(part, tensors) for part in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        array = tensors.pop(value[_TENSOR])
        return array.view(np.bool_) if value.get("bool") else array
    if _FLOAT in value:
        return float(value[_FLOAT])
    return {key: unpacked(part, tensors) for key, part in value.items()}

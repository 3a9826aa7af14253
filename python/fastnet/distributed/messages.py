"""The form in which ranks send each other values: a text, which is JSON, and the arrays that it refers to."""

import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.support.packing import Arrays, packed, unpacked

Bytes = NDArray[np.uint8]


def written(value: Any) -> tuple[Bytes, list[Bytes]]:
    """Return the text of a value, and the bytes of its arrays, which are copied only where they have gaps.

    Raises
    ------
    TypeError
        The value is not made of numbers, strings, arrays of numbers, None, and lists and dictionaries of them.
    """
    arrays: Arrays = {}
    document = {"value": packed(value, "the value", arrays)}
    document["arrays"] = [[name, array.dtype.str, array.shape] for name, array in arrays.items()]
    text = np.frombuffer(json.dumps(document, allow_nan=False).encode(), np.uint8)
    return text, [np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in arrays.values()]


def room(text: Bytes) -> list[Bytes]:
    """Return memory for the arrays that a text refers to."""
    described = json.loads(text.tobytes())["arrays"]
    return [np.empty(np.dtype(dtype).itemsize * math.prod(shape), np.uint8) for _, dtype, shape in described]


def read(text: Bytes, arrays: list[Bytes]) -> Any:
    """Return the value of a text and of the arrays that it refers to, which are not copied."""
    document = json.loads(text.tobytes())
    described = zip(document["arrays"], arrays, strict=True)
    shaped = {name: array.view(dtype).reshape(shape) for (name, dtype, shape), array in described}
    return unpacked(document["value"], shaped)

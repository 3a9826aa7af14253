"""Conversion of values to JSON, and parsing of JSON from strangers."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

MOST_LEVELS = 2000  # of lists and objects; a model whose layers need more cannot be built, as Python's recursion ends


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


def parse_bounded(text: str | bytes, **hooks: Any) -> Any:
    """Parse JSON of bounded depth. `hooks` are those of `json.loads`.

    Up to 3.11, Python's limit on recursion holds for json, too. Newer versions also read values that are nested so deep
    that a function that walks them fails.

    Raises
    ------
    ValueError
        It is not JSON, or it is nested too deep.
    """
    import json  # not at the top: it would slow down `import fastnet`

    try:
        value = json.loads(text, **hooks)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        level = [one for one in level if isinstance(one, dict | list)]
        if not level:
            return value
        level = [part for one in level for part in (one.values() if isinstance(one, dict) else one)]
    raise ValueError("it is nested too deep")

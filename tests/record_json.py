"""Results of programs as JSON has them."""

from typing import Any

import numpy as np


def to_json(value: Any) -> Any:
    """Return a result as JSON has it."""
    if isinstance(value, dict):
        return {str(key): to_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    return value

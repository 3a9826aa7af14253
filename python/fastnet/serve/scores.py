"""How good a served model is, from the figures in its file."""

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["score_of"]

# Where figures come from, the best evidence first: the entry, the prefix of its names, and the samples.
_SOURCES = (
    ("held_out", "", "held-out samples"),
    ("test", "", "test samples"),
    ("last_epoch", "val_", "validation samples"),
    ("training_data", "", "training samples"),
    ("last_epoch", "", "training samples"),
)
_NO_SCORES = ("loss", "correct", "rows", "learning_rate")


def score_of(figures: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the accuracy, or else another metric, with the samples that it was measured on; None without one."""
    for entry, prefix, samples in _SOURCES:
        found = figures.get(entry)
        if not isinstance(found, dict):
            continue
        values = {
            name.removeprefix(prefix): float(value)
            for name, value in found.items()
            if name.startswith(prefix) and isinstance(value, int | float) and math.isfinite(value)
        }
        names = ["accuracy", *(name for name in values if name not in _NO_SCORES)]
        name = next((name for name in names if name in values), None)
        if name is not None:
            return {"name": name, "value": values[name], "samples": samples}
    return None

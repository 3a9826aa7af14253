"""A snapshot of the settings of a model that may change at any time."""

from collections.abc import Sequence
from typing import Any

from fastnet.layers.base import Layer

Place = tuple[str, Layer, str]  # the place of a setting: path, layer, attribute


class Settings:
    """Snapshot of the changeable settings of a model."""

    __slots__ = ("_places", "_trainable", "_values")

    def __init__(self, places: Sequence[Place], trainable: bool, values: Sequence[Any]) -> None:
        self._places, self._trainable, self._values = places, trainable, values

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the settings by path and name, "" for the model; `trainable` only if it is False."""
        result: dict[str, dict[str, Any]] = {} if self._trainable else {"": {"trainable": False}}
        for (path, _, name), value in zip(self._places, self._values, strict=True):
            if not (name == "trainable" and value):
                result.setdefault(path, {})[name] = value
        return result

"""What can change of the layers of a model at any time, as it was at a moment."""

from collections.abc import Sequence
from typing import Any

from fastnet.layers.base import Layer

Place = tuple[str, Layer, str]  # of a setting: a path, the layer there, the attribute


class Settings:
    """What could change of a model, as it was at a time."""

    __slots__ = ("_places", "_trainable", "_values")

    def __init__(self, places: Sequence[Place], trainable: bool, values: Sequence[Any]) -> None:
        self._places, self._trainable, self._values = places, trainable, values

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Return the settings by path and name, "" for the model; what is trained is left out."""
        result: dict[str, dict[str, Any]] = {} if self._trainable else {"": {"trainable": False}}
        for (path, _, name), value in zip(self._places, self._values, strict=True):
            if not (name == "trainable" and value):
                result.setdefault(path, {})[name] = value
        return result

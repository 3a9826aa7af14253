"""The values in a pickle of plain data: NumPy arrays from their states, and objects that are complete."""

import re
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Dtype", "Finishing"]

_MOST_DIMENSIONS = 64  # NumPy's
_MOST_VALUES = 1_000_000_000
_SCALARS = {str, bytes, int, float, bool, type(None)}


class Dtype:
    """A dtype, whose byte order follows.

    Parameters
    ----------
    arguments : tuple
        Those of `numpy.dtype`: the name, and others that say nothing about numbers.

    Raises
    ------
    ValueError
        It is not a dtype of numbers or of objects.
    """

    def __init__(self, arguments: tuple[Any, ...]) -> None:
        name = _text(arguments[0]) if arguments else ""
        if not re.fullmatch(r"[biufO][0-9]{0,2}", name):
            raise ValueError(f"it has an array of dtype {name[:20]!r}; only numbers and objects are read")
        self.value: np.dtype[Any] = np.dtype(name)

    def set_state(self, state: tuple[Any, ...]) -> None:
        """Set the byte order.

        Raises
        ------
        ValueError
            The state has something else than a byte order.
        """
        if len(state) < 2 or state[2:5] not in ((), (None, None, None)):
            raise ValueError("it has an array whose dtype has parts")
        order = _text(state[1])
        if order not in ("<", ">", "|", "="):
            raise ValueError(f"it has an array of byte order {order[:20]!r}")
        if order != "|":
            self.value = self.value.newbyteorder(order)  # type: ignore[arg-type]


class Array:
    """A NumPy array, whose state follows."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] | None = None
        self._order: Literal["F", "C"] = "C"
        self._numbers: NDArray[Any] | None = None
        self.objects: list[Any] = []

    def set_state(self, state: tuple[Any, ...]) -> None:
        """Set the version, the shape, the dtype, whether the values are in columns, and the values.

        Raises
        ------
        ValueError
            The array has a state already, or its parts do not fit each other.
        """
        if self._shape is not None:
            raise ValueError("it sets the state of an array twice")
        if len(state) != 5 or not isinstance(state[1], tuple) or not isinstance(state[2], Dtype):
            raise ValueError("it has an array without a shape and a dtype")
        _, shape, described, in_columns, data = state
        dtype, count = described.value, _count(shape)
        if dtype.hasobject:
            if not isinstance(data, list) or len(data) != count:
                raise ValueError(f"it has an array of {count} objects with other data")
            self.objects = data
        else:
            if not isinstance(data, bytes) or len(data) != count * dtype.itemsize:
                raise ValueError(f"it has an array of {count} numbers with other data")
            self._numbers = np.frombuffer(data, dtype)
        self._shape, self._order = shape, "F" if in_columns else "C"

    def array(self, objects: list[Any]) -> NDArray[Any]:
        """Return the array, of its numbers or else of objects.

        Raises
        ------
        ValueError
            It has no state.
        """
        if self._shape is None:
            raise ValueError("it has an array without data")
        values = self._numbers
        if values is None:
            values = np.empty(len(objects), object)
            for number, item in enumerate(objects):  # one by one: of lists of one length NumPy would make a matrix
                values[number] = item
        return values.reshape(self._shape, order=self._order)


class Finishing:
    """Objects that are complete: arrays in the place of what stands for them, and nothing else than plain data.

    An object that a pickle refers to many times is one object afterwards, too: lists of lists of lists that are shared
    would have more items than any memory holds.

    Parameters
    ----------
    most_items : int
        How many items the lists, tuples, dictionaries and arrays may have together.
    """

    def __init__(self, most_items: int) -> None:
        self._left = most_items
        self._known: dict[int, Any] = {}  # by id: whoever calls holds the objects

    def of(self, value: Any) -> Any:
        """Return a value that is complete.

        Raises
        ------
        ValueError
            It has something else than plain data, or too many items.
        RecursionError
            It is nested too deeply, or has itself as a part.
        """
        if type(value) in _SCALARS:
            return value
        if id(value) not in self._known:
            self._known[id(value)] = self._new(value)
        return self._known[id(value)]

    def _new(self, value: Any) -> Any:
        if isinstance(value, Array):
            return value.array(self._all(value.objects))
        if isinstance(value, dict):
            return dict(zip(value, self._all(list(value.values())), strict=True))
        if isinstance(value, list):
            return self._all(value)
        if isinstance(value, tuple):
            return tuple(self._all(value))
        raise ValueError("it has something that is not plain data")

    def _all(self, items: list[Any] | tuple[Any, ...]) -> list[Any]:
        self._left -= len(items)
        if self._left < 0:
            raise ValueError("it has more items than bytes")
        if isinstance(items, list) and set(map(type, items)) <= {int}:  # most of a text
            return items
        return [self.of(item) for item in items]


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("ascii")
    if not isinstance(value, str):
        raise ValueError(f"it has {type(value).__name__} in the place of the text of a dtype")
    return value


def _count(shape: tuple[Any, ...]) -> int:
    """Return how many values an array of a shape has."""
    if len(shape) > _MOST_DIMENSIONS:
        raise ValueError(f"it has an array of {len(shape)} dimensions; at most {_MOST_DIMENSIONS} are read")
    count, product = 1, 1
    for size in shape:
        if type(size) is not int or size < 0:
            raise ValueError("it has an array whose shape is not one")
        count, product = count * size, product * max(size, 1)
        if product > _MOST_VALUES:
            raise ValueError(f"it has an array of a shape of {product} values or more")
    return count

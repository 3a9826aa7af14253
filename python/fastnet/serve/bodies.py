"""Parsing and checking of request bodies: from JSON or npy to an array of instances."""

import io
import json
import math
from collections.abc import Sequence
from itertools import islice
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from fastnet.inputs.tables import order_of
from fastnet.support.validation import describe

__all__ = ["LARGEST", "RequestError", "Rows"]

Array = NDArray[Any]

# The largest number, by the dtype of the model, that leaves room for the sums and squares of the layers.
LARGEST = {"float32": 1e30, "float64": 1e300}
_LONGEST_NPY_HEADER = 4096
_NUMBERS = {int, float}


class RequestError(Exception):
    """An invalid request: the status of the answer and a one-sentence explanation."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Rows:
    """Parser of instances of one shape.

    Parameters
    ----------
    shape : tuple of int
        The shape of an instance, which in JSON may also be one flat list.
    dtype : str
        The dtype of the returned instances.
    most : int
        The maximum number of instances in a request.
    names : list of str, optional
        The names of the features; with names, an instance may be a JSON object.
    """

    def __init__(self, shape: tuple[int, ...], dtype: str, most: int, names: Sequence[str] | None = None) -> None:
        self.shape = shape
        self.size = math.prod(shape)
        sizes = " x ".join(f"{size:,}" for size in shape)
        self.accepted = f"{sizes} numbers" + (", nested or as one list" if len(shape) > 1 else "")
        self.dtype = dtype
        self.most = most
        self.names = names

    def from_json(self, body: bytes) -> Array:
        """Return the instances of ``{"instances": [...]}`` or ``{"instance": [...]}``, shape (n, *shape)."""
        name, value = self._entry(_parse(body), ("instances", "instance"))
        if name == "instance":
            return self._one(value, body)
        if not isinstance(value, list):
            raise RequestError(422, f"instances must be a list of instances; got {_in_words(value)}")
        self._check_count(len(value))
        if any(isinstance(row, dict) for row in value):
            _refuse_doubled_names(body)
        return self._array([self._row(row, f"instances[{index}]") for index, row in enumerate(value)], name)

    def one_from_json(self, body: bytes) -> Array:
        """Return the one instance of ``{"instance": [...]}``, shape (1, *shape)."""
        _, value = self._entry(_parse(body), ("instance",))
        return self._one(value, body)

    def _one(self, value: Any, body: bytes) -> Array:
        if isinstance(value, dict):
            _refuse_doubled_names(body)
        return self._array([self._row(value, "instance")], "instance")

    def from_npy(self, body: bytes) -> Array:
        """Return the instances of a file of `numpy.save`: shape (n, *shape), or shape for a single one."""
        array = _read_npy(body)
        if array.shape == self.shape:
            array = array[None]
        if array.shape[1:] != self.shape:
            accepted = ", ".join(["n", *map(str, self.shape)])
            raise RequestError(422, f"the array must have shape ({accepted}); got {array.shape}")
        self._check_count(len(array))
        return self._checked(array, "the array")

    def _entry(self, document: Any, names: tuple[str, ...]) -> tuple[str, Any]:
        accepted = " or ".join(f'{{"{name}": [...]}}' for name in names)
        if not isinstance(document, dict):
            raise RequestError(422, f"the body must be {accepted}; got {_in_words(document)}")
        name = next(iter(document), "")
        if len(document) != 1 or name not in names:
            got = ", ".join(_in_words(key) for key in islice(document, 3)) or "none"
            raise RequestError(422, f"the body must be {accepted}; got {len(document):,} entries: {got}")
        return name, document[name]

    def _check_count(self, count: int) -> None:
        if count > self.most:
            raise RequestError(422, f"a request may have at most {self.most:,} instances; got {count:,}")
        if not count:
            raise RequestError(422, "instances must have at least one instance; got none")

    def _row(self, value: Any, name: str) -> list[float]:
        """Return the numbers of an instance as a flat list."""
        if isinstance(value, dict):
            value = self._by_names(value, name)
        if not isinstance(value, list) or len(value) not in (self.size, self.shape[0]):
            raise RequestError(422, f"{name} must have {self.accepted}; got {_in_words(value)}")
        flat = len(value) == self.size and not isinstance(value[0], list)
        numbers: list[float] = []
        _flatten(value, (self.size,) if flat else self.shape, name, numbers)
        return numbers

    def _by_names(self, entries: dict[str, Any], name: str) -> list[Any]:
        """Return the values of an instance in the order of the model."""
        if self.names is None:
            raise RequestError(
                422, f"{name} must have {self.accepted}, because the model knows no names of features; got an object"
            )
        try:
            order_of(name, list(entries), self.names)
        except ValueError as error:
            raise RequestError(422, str(error)) from None
        for feature in self.names:
            if type(value := entries[feature]) not in _NUMBERS:
                raise RequestError(
                    422, f"{name}[{json.dumps(feature, ensure_ascii=False)}] must be a number; got {_in_words(value)}"
                )
        return [entries[feature] for feature in self.names]

    def _array(self, rows: list[list[float]], name: str) -> Array:
        try:
            return self._checked(np.asarray(rows, np.float64), name)
        except OverflowError:  # an integer of more than 308 digits
            raise RequestError(422, self._out_of_range(name)) from None

    def _checked(self, array: Array, name: str) -> Array:
        if array.dtype.kind == "f" and not (np.abs(array) <= np.float64(LARGEST[self.dtype])).all():  # nor is NaN
            raise RequestError(422, self._out_of_range(name))
        return array.astype(self.dtype).reshape(-1, *self.shape)

    def _out_of_range(self, name: str) -> str:
        largest = LARGEST[self.dtype]
        return f"{name} must have numbers from {-largest:g} to {largest:g}; got one that is not"


def _flatten(value: Any, shape: tuple[int, ...], name: str, numbers: list[float]) -> None:
    """Append the numbers of nested lists of this shape, and of no other."""
    if not isinstance(value, list) or len(value) != shape[0]:
        what = "numbers" if len(shape) == 1 else "lists"
        raise RequestError(422, f"{name} must be a list of {shape[0]:,} {what}; got {_in_words(value)}")
    if len(shape) > 1:
        for index, part in enumerate(value):
            _flatten(part, shape[1:], f"{name}[{index}]", numbers)
        return
    if not _NUMBERS.issuperset(map(type, value)):
        index = next(index for index, entry in enumerate(value) if type(entry) not in _NUMBERS)
        raise RequestError(422, f"{name}[{index}] must be a number; got {_in_words(value[index])}")
    numbers += value


def _in_words(value: Any) -> str:
    """Describe a JSON value briefly, whatever its size."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case list():
            return f"a list of {len(value):,}"
        case dict():
            return "an object"
        case str() if len(value) > 40:
            return "a string"
        case _:
            return describe(value)


def _parse(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except ValueError as error:
        raise RequestError(400, f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> RequestError:
    return RequestError(400, "the body is nested too deeply")


def _refuse_doubled_names(body: bytes) -> None:
    """Refuse an object with a duplicate name, of which the parser would keep the last."""

    def check(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) < len(pairs):
            raise RequestError(422, "an object must have each name once; got one twice")

    try:
        json.loads(body, object_pairs_hook=check, parse_int=len, parse_float=len)  # len: numbers were checked before
    except RecursionError:  # its limit may be lower than that of the other parser
        raise _too_deep() from None


def _read_npy(body: bytes) -> Array:
    """Return the array of a file of `numpy.save`, whose header must agree with its length; nothing is executed."""
    stream = io.BytesIO(body)
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran_order, dtype = read(stream, max_header_size=_LONGEST_NPY_HEADER)
    except Exception:  # the header is evaluated as a literal, which can fail in many ways
        raise RequestError(400, "the body is not a file of numpy.save, format version 1 or 2") from None
    if dtype.kind not in "fiub" or dtype.itemsize > 8:
        raise RequestError(422, f"the array must hold real numbers of 64 bits at most; got dtype {dtype}")
    data = len(body) - stream.tell()
    # NumPy treats True as 1; the sizes of an empty array may exceed every integer type of NumPy.
    sizes_are_whole = all(type(size) is int and 0 <= size <= len(body) for size in shape)
    if not sizes_are_whole or math.prod(shape) * dtype.itemsize != data:
        raise RequestError(400, f"the array of shape {shape} and dtype {dtype} does not take {data:,} bytes")
    flat = np.frombuffer(body, dtype, offset=stream.tell())
    try:
        array = flat.reshape(shape, order="F" if fortran_order else "C")
    except ValueError:  # more dimensions than NumPy allows
        raise RequestError(400, f"the array has {len(shape)} dimensions") from None
    return array.view(np.uint8) if dtype.kind == "b" else array.astype(dtype.newbyteorder("="))

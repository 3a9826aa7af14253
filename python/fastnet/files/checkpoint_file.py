"""Checkpoint files: safetensors files whose metadata hold everything but the arrays, as JSON.

The weights are tensors with their names in a model file, ``layers.<i>.<layer name>.kernel``. ``optimizer.state`` holds
the optimizer state and ``best.weights`` the weights after the best epoch so far, each as one vector. The rest of the
state is one JSON document, ``state`` in the metadata. In it, an array is ``{"$tensor": name}``, with ``"bool": true``
if its values are booleans, and a float that JSON lacks is ``{"$float": "nan"}``, ``"inf"`` or ``"-inf"``. The metadata
are strings:

=================== ================================================================
``format``          ``fastnet-checkpoint``
``format_version``  ``1``
``fastnet_version`` the version of the package that wrote the file
``state``           the training state, as JSON
``checksum``        as in a model file
=================== ================================================================
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import __version__
from fastnet.files import safetensors
from fastnet.support.validation import describe

__all__ = ["Contents", "DamagedError", "OtherFormatError", "contents_of", "read_checkpoint", "write_checkpoint"]

FORMAT = "fastnet-checkpoint"
FORMAT_VERSION = "1"

Arrays = dict[str, NDArray[Any]]


class DamagedError(ValueError):
    """A damaged file."""


class OtherFormatError(ValueError):
    """A complete file that is not a checkpoint, or one of another format version."""


@dataclass(frozen=True)
class Contents:
    """The contents of a file, which later changes of the model do not affect."""

    tensors: Arrays
    metadata: dict[str, str]


def contents_of(state: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Contents:
    """Return the file contents for a state of dictionaries, lists, strings, numbers and arrays, and for named arrays.

    The arrays in the state are copied, the named arrays are not.

    Raises
    ------
    TypeError
        The state has an object of another type; the message says where.
    """
    tensors = dict(arrays)
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fastnet_version": __version__,
        "state": json.dumps(_packed(state, "state", tensors), allow_nan=False),
    }
    return Contents(tensors, metadata)


def write_checkpoint(path: str | os.PathLike[str], contents: Contents) -> None:
    """Write a checkpoint atomically.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    safetensors.write(path, contents.tensors, contents.metadata)


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[dict[str, Any], Arrays]:
    """Return the state and the other arrays of a checkpoint. Nothing in the file is executed.

    Raises
    ------
    DamagedError
        The file is damaged.
    OtherFormatError
        It is not a checkpoint of this format version.
    OSError
        It cannot be read.
    """
    try:
        with safetensors.opened(path) as file:
            metadata, tensors = file.metadata, file.read()
        _check_format(path, metadata)
        if "checksum" not in metadata:  # other files may lack it
            raise DamagedError("it has no checksum")
        return _unpacked(safetensors.parse_json(metadata["state"]), tensors), tensors
    except OtherFormatError:
        raise
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DamagedError(f"cannot resume from {os.fspath(path)}: {reason}") from error


def _check_format(path: str | os.PathLike[str], metadata: Mapping[str, str]) -> None:
    if metadata.get("format") != FORMAT:
        raise OtherFormatError(f"{os.fspath(path)} is a safetensors file, but not a checkpoint of fastnet")
    if (version := metadata.get("format_version")) != FORMAT_VERSION:
        raise OtherFormatError(
            f"{os.fspath(path)} was written by fastnet {metadata.get('fastnet_version', 'unknown')} in format version "
            f"{version}; fastnet {__version__} resumes from format version {FORMAT_VERSION}"
        )


def _packed(value: Any, place: str, tensors: Arrays) -> Any:
    """Return a value as JSON; arrays go to `tensors`, named after their place in the state."""
    if isinstance(value, np.ndarray):
        while place in tensors:  # the key "a.b" and the key "b" within "a" give the same name
            place += "_"
        tensors[place] = value.astype(np.uint8 if value.dtype == np.bool_ else value.dtype)
        return {"$tensor": place} | ({"bool": True} if value.dtype == np.bool_ else {})
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _packed(part, f"{place}.{key}", tensors) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_packed(part, f"{place}.{number}", tensors) for number, part in enumerate(value)]
    if isinstance(value, np.generic):
        return _packed(value.item(), place, tensors)
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": repr(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"a checkpoint holds numbers, strings, arrays, and lists and dictionaries of them; got {describe(value)} as {place}"
    )


def _unpacked(value: Any, tensors: Arrays) -> Any:
    """Return the value that `_packed` converted; its arrays are taken out of `tensors`."""
    if isinstance(value, list):
        return [_unpacked(part, tensors) for part in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        array = tensors.pop(value["$tensor"])
        return array.view(np.bool_) if value.get("bool") else array
    if "$float" in value:
        return float(value["$float"])
    return {key: _unpacked(part, tensors) for key, part in value.items()}

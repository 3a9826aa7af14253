"""Checkpoint files: safetensors files whose metadata hold everything but the arrays, as JSON.

The weights are tensors with their names in a model file, ``layers.<i>.<layer name>.kernel``. ``optimizer.state`` holds
the optimizer state and ``best.weights`` the weights after the best epoch so far, each as one vector. The rest of the
state is one JSON document, ``state`` in the metadata, in which arrays and floats that JSON lacks stand as in
`fastnet.support.packing`. The metadata are strings:

=================== ================================================================
``format``          ``fastnet-checkpoint``
``format_version``  ``1``
``fastnet_version`` the version of the package that wrote the file
``state``           the training state, as JSON
``checksum``        as in a model file
=================== ================================================================
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fastnet._core import __version__
from fastnet.files import safetensors
from fastnet.support.packing import Arrays, packed, unpacked

__all__ = ["Contents", "DamagedError", "OtherFormatError", "contents_of", "read_checkpoint", "write_checkpoint"]

FORMAT = "fastnet-checkpoint"
FORMAT_VERSION = "1"


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
    in_json = packed(state, "state", tensors)
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "fastnet_version": __version__,
        "state": json.dumps(in_json, allow_nan=False),
    }
    return Contents({name: array if name in arrays else array.copy() for name, array in tensors.items()}, metadata)


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
        return unpacked(safetensors.parse_json(metadata["state"]), tensors), tensors
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

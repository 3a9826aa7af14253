"""Safetensors files: written atomically, and read with every size checked before memory is allocated for it.

A file is eight bytes with the length of the header, the header, which is JSON, and the arrays one after the other:
https://github.com/huggingface/safetensors#format. Nothing in it can be executed. Unlike the safetensors library, this
module refuses duplicate names and numbers that are not JSON. The file is read, not memory-mapped: if another program
truncates it meanwhile, that is an error and does not end the process.

The entry ``checksum`` of the metadata is the XXH64 of the file with the 16 digits of the checksum itself as zeros. It
detects damage. A file without it is read, too.
"""

import errno
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import Checksum
from fastnet.support.json_values import parse_bounded
from fastnet.support.validation import LARGEST_INTEGER, MOST_DIMENSIONS, describe

LARGEST_HEADER = 100_000_000  # bytes; the limit of the safetensors format
_NUMPY_DTYPES = {
    **{f"{kind.upper()}{8 * size}": f"<{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)},
    **{f"F{8 * size}": f"<f{size}" for size in (2, 4, 8)},
}
_CODES = {np.dtype(code): name for name, code in _NUMPY_DTYPES.items()}
DTYPES = {**_NUMPY_DTYPES, "BF16": "<u2"}
_PIECE = 1 << 20  # bytes that are read at a time; they stay in the second-level cache
_LARGE = 1 << 24  # bytes from which a thread and a second flush cost less than the hashes
_UNKNOWN = "0" * 16  # a checksum before it is known


@dataclass(frozen=True)
class Tensor:
    """Location and type of one array in a file."""

    name: str
    dtype: str  # the format's name, such as "F32"
    shape: tuple[int, ...]
    start: int  # bytes from the beginning of the arrays
    end: int

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype in NumPy; a bfloat16 is read as the upper half of a float32."""
        return np.dtype(DTYPES[self.dtype])


# ---- Writing --------------------------------------------------------------------------------------------------------


def write(
    path: str | os.PathLike[str],
    arrays: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, str],
    late: Mapping[str, Callable[[], str]] | None = None,
) -> None:
    """Write named arrays and named strings to one file.

    The arrays keep their order, but those with wide elements come first. The same input gives the same bytes. `late`
    are functions whose results, ASCII of the same length, replace their placeholders in the metadata: hashes, which are
    computed while a large file is being written.

    Raises
    ------
    TypeError
        The format does not have the dtype of an array.
    OSError
        The file cannot be written; an earlier file is not changed.
    """
    from fastnet.files.atomic import Beside, atomic_write, flush_to_disk  # here: programs that only read are many

    contents = {name: _contiguous(name, array) for name, array in arrays.items()}
    contents = dict(sorted(contents.items(), key=lambda item: -item[1].itemsize))  # aligns each array to its item size
    pieces = [array.reshape(-1).view(np.uint8).data for array in contents.values()]
    header = _header(contents, metadata)

    def sealed() -> bytes:
        result = header
        for stand_in, function in (late or {}).items():
            if stand_in.encode() in header:
                result = result.replace(stand_in.encode(), function().encode(), 1)
        checksum = Checksum()
        for piece in [result, *pieces]:
            checksum.update(piece)
        return _with_checksum(result, _UNKNOWN, checksum.hexdigest())

    with atomic_write(path) as file:
        if sum(map(len, pieces)) < _LARGE or not file.seekable():
            _write_all(file, [sealed(), *pieces])
            return
        final = Beside(sealed)
        try:
            _write_all(file, [header, *pieces])
            flush_to_disk(file)
        finally:
            first = final.result()
        assert first is not None
        file.seek(0)
        _write_all(file, [first])


def _write_all(file: IO[bytes], pieces: Sequence[bytes | memoryview]) -> None:
    if sum(map(file.write, pieces)) != sum(map(len, pieces)):
        raise OSError(errno.EIO, "not all bytes were written")


def _contiguous(name: str, array: Any) -> NDArray[Any]:
    """Return an array with the bytes of the format: C order, little-endian."""
    array = np.asarray(array)
    little = array.dtype.newbyteorder("<")
    if little not in _CODES:
        raise TypeError(f"array {name!r} must have one of the dtypes {', '.join(_NUMPY_DTYPES)}; got {array.dtype}")
    return np.asarray(array, little, order="C")


def _header(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """Return the bytes of a file before the arrays, with zeros for the checksum."""
    header: dict[str, Any] = {"__metadata__": dict(sorted({**metadata, "checksum": _UNKNOWN}.items()))}
    end = 0
    for name, array in arrays.items():
        start, end = end, end + array.nbytes
        header[name] = {"dtype": _CODES[array.dtype], "shape": array.shape, "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the arrays begin at a multiple of 8 bytes
    if len(text) > LARGEST_HEADER:
        raise ValueError(f"the names and strings of a file must take at most {LARGEST_HEADER} bytes; got {len(text)}")
    return len(text).to_bytes(8, "little") + text


def _with_checksum(header: bytes, old: str, new: str) -> bytes:
    """Return the header with another checksum."""
    entry = '"checksum":"{}"'
    return header.replace(entry.format(old).encode(), entry.format(new).encode(), 1)


# ---- Reading --------------------------------------------------------------------------------------------------------


class File:
    """An open file with a checked header.

    Attributes
    ----------
    metadata : dict of str to str
    tensors : dict of str to Tensor
        In the order of their bytes, which are contiguous and end with the file.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._header = _read_header(file)
        try:
            header = parse_json(self._header[8:].decode())
        except ValueError as error:
            raise ValueError(f"it is damaged: its header is not JSON ({error})") from error
        if not isinstance(header, dict):
            raise ValueError("it is damaged: its header is not a JSON object")
        self.metadata = _checked_texts(header.pop("__metadata__", {}))
        size = os.fstat(file.fileno()).st_size - len(self._header)
        self.tensors = _checked_tensors(header, size)

    def pieces(self) -> Iterator[tuple[str, int, NDArray[Any]]]:
        """Yield all arrays in pieces: the name, the index of the first value in the flat array, the values.

        The next piece overwrites the values. The data are valid only after the last piece, when the checksum has been
        verified.

        Raises
        ------
        ValueError
            The file is truncated, or its checksum is wrong.
        """
        checksum = Checksum()
        expected = self.metadata.get("checksum")
        checksum.update(_with_checksum(self._header, expected, _UNKNOWN) if expected else self._header)
        largest = max((tensor.end - tensor.start for tensor in self.tensors.values()), default=0)
        buffer = memoryview(bytearray(min(_PIECE, largest)))
        self._file.seek(len(self._header))
        for tensor in self.tensors.values():
            for start in range(tensor.start, tensor.end, _PIECE):
                piece = buffer[: min(_PIECE, tensor.end - start)]
                if self._file.readinto(piece) != len(piece):  # type: ignore[attr-defined]
                    raise ValueError("it was cut short while it was read")
                if expected:
                    checksum.update(piece)
                dtype = tensor.numpy_dtype
                values = np.frombuffer(piece, dtype).astype(dtype.newbyteorder("="), copy=False)
                yield tensor.name, (start - tensor.start) // dtype.itemsize, values
        if expected and checksum.hexdigest() != expected:
            raise ValueError(
                f"it is damaged: its checksum is {checksum.hexdigest()}, not {expected}; a program that changes the file "
                "on purpose removes the entry 'checksum' of the metadata"
            )

    def read(self) -> dict[str, NDArray[Any]]:
        """Return all arrays by their names, those of bfloat16 as float32; errors as those of `pieces`."""
        arrays = {}
        for name, tensor in self.tensors.items():
            dtype = np.dtype("f4") if tensor.dtype == "BF16" else tensor.numpy_dtype.newbyteorder("=")
            arrays[name] = np.empty(tensor.shape, dtype)
        for name, first, values in self.pieces():
            if self.tensors[name].dtype == "BF16":
                values = (values.astype(np.uint32) << 16).view(np.float32)
            arrays[name].reshape(-1)[first : first + len(values)] = values
        return arrays


@contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[File]:
    """Yield the open file at a path; its first bytes and its size are checked before more is read.

    Raises
    ------
    OSError
        There is no such file, it is a folder, it cannot be read.
    ValueError
        It is not a complete safetensors file.
    """
    name = os.fspath(path) or os.curdir
    # Not pathlib, whose import takes longer than the loading of a small model.
    if os.path.isdir(name):  # noqa: PTH112
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a model file", os.fspath(path))
    if os.path.exists(name) and not os.path.isfile(name):  # noqa: PTH110, PTH113
        raise ValueError("it is not a regular file")
    with open(name, "rb") as file:  # noqa: PTH123
        yield File(file)


def parse_json(text: str) -> Any:
    """Parse strict JSON: no duplicate names in an object, no NaN, no infinity.

    Raises
    ------
    ValueError
        It is not JSON, or it is nested too deep.
    """
    return parse_bounded(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        seen: set[str] = set()
        double = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"the name {double!r:.60} comes twice")
    return names


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _read_header(file: IO[bytes]) -> bytes:
    """Return the beginning of a file, up to the arrays."""
    start = file.read(9)
    length = int.from_bytes(start[:8], "little")
    if start[8:] != b"{" or length > LARGEST_HEADER:
        raise ValueError("it is not a safetensors file")
    size = os.fstat(file.fileno()).st_size
    if length > size - 8:
        raise ValueError(f"it is cut short: the header alone has {length} bytes, the file {size}")
    header = start + file.read(length - 1)
    if len(header) != 8 + length:
        raise ValueError("it was cut short while it was read")
    return header


def _checked_texts(metadata: Any) -> dict[str, str]:
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ValueError(f"it is damaged: its metadata must map names to strings; got {describe(metadata)}")
    if "checksum" in metadata and not re.fullmatch("[0-9a-f]{16}", metadata["checksum"]):
        raise ValueError(f"it is damaged: its checksum must have 16 digits; got {metadata['checksum']!r:.60}")
    return metadata


def _checked_tensors(header: Mapping[str, Any], size: int) -> dict[str, Tensor]:
    """Return the entries of a header in the order of their bytes, which must fill `size` bytes without gaps."""
    tensors = sorted((_tensor(name, entry) for name, entry in header.items()), key=lambda one: (one.start, one.end))
    end = 0
    for tensor in tensors:
        if tensor.start != end:
            what = "overlaps the one before it" if tensor.start < end else "leaves a gap before it"
            raise ValueError(f"it is damaged: tensor {tensor.name!r:.100} {what}")
        end = tensor.end
    if end != size:
        what = "cut short" if end > size else "damaged"
        raise ValueError(f"it is {what}: its tensors take {end} bytes, and it has {size} for them")
    return {tensor.name: tensor for tensor in tensors}


def _tensor(name: str, entry: Any) -> Tensor:
    """Return a checked entry of the header: dtype, shape and offsets must agree."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(
            f"it is damaged: tensor {name!r:.100} must have dtype, shape and data_offsets; got {describe(entry)}"
        )
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise ValueError(f"tensor {name!r:.100} must have one of the dtypes {', '.join(DTYPES)}; got {describe(dtype)}")
    if not _are_sizes(shape) or len(shape) > MOST_DIMENSIONS:
        raise ValueError(f"it is damaged: tensor {name!r:.100} has the shape {describe(shape)}")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise ValueError(f"it is damaged: tensor {name!r:.100} has the offsets {describe(offsets)}")
    taken, needed = offsets[1] - offsets[0], math.prod(shape) * np.dtype(DTYPES[dtype]).itemsize
    if taken != needed:
        raise ValueError(
            f"it is damaged: tensor {name!r:.100} of shape {tuple(shape)} and dtype {dtype} takes {needed} bytes; "
            f"its offsets say {taken}"
        )
    return Tensor(name, dtype, tuple(shape), *offsets)


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list) and all(type(size) is int and 0 <= size <= LARGEST_INTEGER for size in values)

"""Rows of arrays that stay on the disk: they are read into the arrays of the reader, without a memory map."""

import mmap
import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Range = tuple[int, int]
Version = tuple[int, int]


class Rows(Protocol):
    """Source of rows, which several threads may read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of all rows as one array."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the values."""

    def blocks(self, rows: int) -> list[Range]:
        """Return all rows as ranges that are best read at once, of about `rows` rows."""

    def place(self, row: int) -> tuple[str, int]:
        """Return the part that has a row and the row's number in it, for messages; "" if there is one part."""

    def read_into(self, first: int, out: Array) -> None:
        """Read the rows from `first` on into a contiguous array of their dtype."""


class FileRows:
    """The rows of an array in a file.

    Parameters
    ----------
    path : str
        The file.
    offset : int
        The number of bytes before the first row.
    shape, dtype
        Those of the array, whose rows are contiguous.
    version : tuple, optional
        What `version_of` returned for the file; it must stay the same.
    """

    def __init__(
        self, path: str, offset: int, shape: tuple[int, ...], dtype: np.dtype[Any], version: Version | None = None
    ) -> None:
        self.path, self.shape, self.dtype = path, shape, dtype
        self._offset, self._version = offset, version
        self._row_bytes = _row_bytes(shape, dtype)

    def blocks(self, rows: int) -> list[Range]:
        return evenly(self.shape[0], rows)

    def place(self, row: int) -> tuple[str, int]:
        return "", row

    def read_into(self, first: int, out: Array) -> None:
        if not out.nbytes:
            return
        left = out.reshape(-1).view(np.uint8).data
        with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 - `import fastnet` does without pathlib
            if self._version is not None:
                check_version(self.path, self._version, file.fileno())
            file.seek(self._offset + first * self._row_bytes)
            while left:
                read = file.readinto(left)
                if not read:
                    raise ValueError(f"{self.path} became shorter: it ends before row {first + len(out)}")
                left = left[read:]


def version_of(file: str | os.PathLike[str] | int) -> Version:
    """Return the size of a file, given by its path or descriptor, and when it was last written."""
    status = os.stat(file)  # noqa: PTH116
    return status.st_size, status.st_mtime_ns


def check_version(path: str | os.PathLike[str], version: Version, file: int | None = None) -> None:
    """Refuse a file that was written since `version_of` returned `version`."""
    if version_of(path if file is None else file) != version:
        raise ValueError(f"{os.fspath(path)} was written since it was opened; open it again")


class ArrayRows:
    """The rows of an array in memory, or of a map that cannot be read from its file."""

    def __init__(self, array: Array) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype

    def blocks(self, rows: int) -> list[Range]:
        return evenly(self.shape[0], rows)

    def place(self, row: int) -> tuple[str, int]:
        return "", row

    def read_into(self, first: int, out: Array) -> None:
        out[...] = self._array[first : first + len(out)]


class JoinedRows:
    """The rows of several files, one after the other, in a dtype for all; their names are those of the places."""

    def __init__(self, parts: Sequence[Rows], names: Sequence[str]) -> None:
        self._parts, self._names = parts, names
        self._starts = np.cumsum([0, *(part.shape[0] for part in parts)])
        self.shape = (int(self._starts[-1]), *parts[0].shape[1:])
        self.dtype = np.result_type(*(part.dtype for part in parts))

    def blocks(self, rows: int) -> list[Range]:
        starts = self._starts.tolist()
        return [
            (start + first, start + last)
            for start, part in zip(starts, self._parts, strict=False)
            for first, last in part.blocks(rows)
        ]

    def place(self, row: int) -> tuple[str, int]:
        part = self._part_of(row)
        return self._names[part], row - int(self._starts[part])

    def read_into(self, first: int, out: Array) -> None:
        while len(out):
            part = self._part_of(first)
            rows = min(len(out), int(self._starts[part + 1]) - first)
            begin = first - int(self._starts[part])
            if self._parts[part].dtype == self.dtype:
                self._parts[part].read_into(begin, out[:rows])
            else:
                out[:rows] = read_ranges(self._parts[part], [(begin, begin + rows)])
            first, out = first + rows, out[rows:]

    def _part_of(self, row: int) -> int:
        return int(np.searchsorted(self._starts, row, side="right")) - 1


class ReshapedRows:
    """Rows in another shape."""

    def __init__(self, rows: Rows, shape: tuple[int, ...]) -> None:
        self._rows, self.dtype = rows, rows.dtype
        self.shape = (rows.shape[0], *shape)
        self.blocks, self.place = rows.blocks, rows.place

    def read_into(self, first: int, out: Array) -> None:
        self._rows.read_into(first, out.reshape(-1, *self._rows.shape[1:]))


class ReorderedRows:
    """Rows with their columns in another order."""

    def __init__(self, rows: Rows, order: Sequence[int]) -> None:
        self._rows, self._order = rows, order
        self.shape, self.dtype = rows.shape, rows.dtype
        self.blocks, self.place = rows.blocks, rows.place

    def read_into(self, first: int, out: Array) -> None:
        given = np.empty_like(out)
        self._rows.read_into(first, given)
        out[...] = given[:, self._order]


class PlacedRows:
    """Values of the rows of a data set, such as weights, at the places that these have in its files.

    Parameters
    ----------
    rows : Rows
        One for each row of the data set, in its order.
    blocks : ndarray of shape (k, 2)
        The rows in the files that are the data set. What is read is a part of one of them.
    """

    def __init__(self, rows: Rows, blocks: NDArray[np.int64]) -> None:
        self._rows, self.shape, self.dtype = rows, rows.shape, rows.dtype
        order = np.argsort(blocks[:, 0])
        self._firsts = blocks[order, 0]
        self._starts = np.concatenate([[0], np.cumsum(blocks[:, 1] - blocks[:, 0])])[order]
        self.blocks, self.place = rows.blocks, rows.place

    def read_into(self, first: int, out: Array) -> None:
        block = int(np.searchsorted(self._firsts, first, side="right")) - 1
        self._rows.read_into(int(self._starts[block]) + first - int(self._firsts[block]), out)


def rows_of(array: Array) -> Rows:
    """Return the rows of an array; those of a plain map of a file are read from the file, which leaves no page mapped."""
    found = _in_file(array)
    return ArrayRows(array) if found is None else found


def _in_file(array: Array) -> FileRows | None:
    """Return the rows of a map in its file, or None if they are not all in one piece there."""
    if not isinstance(array, np.memmap) or not array.flags.c_contiguous or not array.nbytes:
        return None
    mapped, name = array._mmap, array.filename  # type: ignore[attr-defined]
    if mapped is None or name is None or array.mode == "c":  # changes of a copy are not in the file
        return None
    begin = array.offset - array.offset % mmap.ALLOCATIONGRANULARITY
    offset = begin + array.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data
    rows = FileRows(os.fspath(name), offset, array.shape, array.dtype)
    return rows if _has(rows, array) else None


def _has(rows: FileRows, array: Array) -> bool:
    """Return whether a file of this name still has the first and the last row of a map."""
    for first in (0, len(array) - 1):
        row = np.empty_like(array[first : first + 1], subok=False)
        try:
            rows.read_into(first, row)
        except (OSError, ValueError):
            return False
        if row.tobytes() != array[first : first + 1].tobytes():
            return False
    return True


def evenly(total: int, rows: int) -> list[Range]:
    """Return ranges of `rows` rows, the last of which may be shorter."""
    return [(first, min(first + rows, total)) for first in range(0, total, rows)]


def _row_bytes(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    size = dtype.itemsize
    for extent in shape[1:]:
        size *= extent
    return size


def bytes_of_row(rows: Rows) -> int:
    """Return the number of bytes of one row."""
    return _row_bytes(rows.shape, rows.dtype)


def read_ranges(rows: Rows, ranges: Sequence[Range]) -> Array:
    """Return the rows of some ranges, one after the other."""
    result = np.empty((sum(last - first for first, last in ranges), *rows.shape[1:]), rows.dtype)
    at = 0
    for first, last in ranges:
        rows.read_into(first, result[at : at + last - first])
        at += last - first
    return result


def grouped(sizes: NDArray[np.int64], most: int) -> list[int]:
    """Return where groups of at most so many rows begin, of one block at least, and the end of the last."""
    ends = np.cumsum(sizes)
    bounds = [0]
    while bounds[-1] < len(sizes):
        before = int(ends[bounds[-1] - 1]) if bounds[-1] else 0
        bounds.append(max(int(np.searchsorted(ends, before + most, side="right")), bounds[-1] + 1))
    return bounds

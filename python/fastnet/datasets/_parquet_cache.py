"""The rows of Parquet files with large row groups as binary files in the cache, where they are converted once.

The values of a column in a row group can only be read from the first one on, so that a part of a large group costs as
much as all of it, and a whole one does not fit in memory.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._cache import append, cached, progress
from fastnet.datasets._codes import Codes
from fastnet.datasets._parquet_rows import ParquetFiles
from fastnet.files.rows import FileRows
from fastnet.files.stored import LARGEST_BLOCK

__all__ = ["converted", "has_large_groups"]

TRANSPOSED_BYTES = 1 << 24  # of columns that become rows together


def has_large_groups(files: ParquetFiles, dtype: np.dtype[Any]) -> bool:
    """Return whether a row group is too large to be read as one block."""
    return max(rows for _, _, rows in files.groups) * len(files.names) * dtype.itemsize > LARGEST_BLOCK


def converted(
    files: ParquetFiles, path: Path, dtype: np.dtype[Any], encode: bool
) -> tuple[FileRows, FileRows | None, dict[str, Any]]:
    """Return the rows of Parquet files, their labels and a description of these from the cache."""

    def convert(folder: Path) -> dict[str, Any]:
        labels: dict[str, Any] = {"y": None, "classes": None, "n_classes": 0}
        if files.target is not None:
            labels = _write_labels(files, f"{path}: the labels", folder / "y", encode)
        with progress(path, len(files) * len(files.names) * dtype.itemsize) as bar:
            for group in range(len(files.groups)):
                _write_columns(files, group, dtype, folder / "columns", bar)
                _write_rows(files, group, dtype, folder)
        (folder / "columns").unlink()
        return {"rows": len(files), "x": str(dtype), **labels}

    options = [files.names, files.target, str(dtype), encode]
    return cached(path, files.paths, options, len(files.names), convert)


def _write_labels(files: ParquetFiles, where: str, file: Path, encode: bool) -> dict[str, Any]:
    """Write the label column, as codes if they are asked for, and return the description of what was written."""
    if not encode:
        dtype = files.dtype_of_target()
        if dtype.hasobject:
            raise ValueError(f"{where} are text; encode=True gives them codes")
        for values, _ in _labels(files):
            append(file, values)
        return {"y": str(dtype), "classes": None, "n_classes": 0}
    codes = Codes(where)
    for values, first in _labels(files):
        codes.see(values, first)
    codes.finish()
    for values, _ in _labels(files):
        append(file, codes.of(values))
    return {"y": str(codes.dtype), "classes": codes.classes, "n_classes": codes.n_classes}


def _labels(files: ParquetFiles) -> Iterator[tuple[NDArray[Any], int]]:
    """Yield the values of the label column, some at a time, each with the number of its first row."""
    assert files.target is not None
    first = 0
    for group in range(len(files.groups)):
        for values in files.stream(group, [files.target]):
            yield values, first
            first += len(values)


def _write_columns(files: ParquetFiles, group: int, dtype: np.dtype[Any], file: Path, bar: Any) -> None:
    """Write the columns of a row group to a file, one after the other."""
    with file.open("wb") as stream, np.errstate(over="ignore"):  # too large numbers are reported when they are read
        for values in files.stream(group, files.names):
            stream.write(values.astype(dtype, copy=False).data)
            if bar is not None:
                bar.update(values.size * dtype.itemsize)


def _write_rows(files: ParquetFiles, group: int, dtype: np.dtype[Any], folder: Path) -> None:
    """Append the rows of a row group whose columns are in a file."""
    rows, columns = files.groups[group][2], len(files.names)
    some = max(TRANSPOSED_BYTES // (columns * dtype.itemsize), 1)
    with (folder / "columns").open("rb") as stream:
        for first in range(0, rows, some):
            part = np.empty((columns, min(some, rows - first)), dtype)
            for column, values in enumerate(part):
                stream.seek((column * rows + first) * dtype.itemsize)
                values[:] = np.fromfile(stream, dtype, len(values))
            append(folder / "x", part.T)

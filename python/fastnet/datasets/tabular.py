"""CSV files: which line is the header, which column is the label, and what is wrong where.

The numbers are parsed by polars, pyarrow or pandas, whichever is installed, else by `numpy.loadtxt`. The first three
only ever save time: what they refuse or cannot be trusted with (`fastnet.datasets._readers`) goes to `numpy.loadtxt`,
and what that refuses is looked at line by line for the message. So values and errors are the same with each of them.
"""

import csv
import io
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet._text import did_you_mean
from fastnet.datasets import _readers
from fastnet.datasets._dataset import FLOAT32_MAX, compact
from fastnet.datasets._streams import open_data

__all__ = ["Table", "label_column", "read_csv"]

CELLS_AT_ONCE = 1 << 21  # numpy.loadtxt's float64 numbers in memory at a time: 16 MB
SMALL_FILE = 1 << 20  # bytes; numpy.loadtxt reads a megabyte sooner than another library is imported


class Table(NamedTuple):
    """What a file with columns holds.

    Attributes
    ----------
    x : ndarray of shape (n, features), uint8 or float32
    labels : ndarray of shape (n,) or None
        The label column as it stands in the file.
    feature_names : list of str or None
    """

    x: NDArray[Any]
    labels: NDArray[Any] | None
    feature_names: list[str] | None


@dataclass(frozen=True)
class Layout:
    """How a CSV file is laid out: all that is known from its first lines."""

    names: list[str] | None
    """Column names, None without a header."""
    columns: int
    label: int | None
    """Index of the label column, None without one."""
    body: int
    """Number of bytes before the first row of numbers."""
    first_line: int
    """Number of the line on which the rows begin, from 1."""
    bytes_likely: bool
    """Whether all numbers in the first row are whole and from 0 to 255."""

    def column(self, index: int) -> str:
        """Return what to call a column in a message."""
        return f"column {self.names[index]!r}" if self.names is not None else f"column {index + 1}"


def read_csv(
    path: str | os.PathLike[str],
    *,
    target: str | int | None = "label",
    require_labels: bool = False,
    engine: str | None = None,
) -> Table:
    """Read a CSV file, compressed with gzip or not.

    Parameters
    ----------
    path : str or os.PathLike
        Cells are separated by commas; text is UTF-8.
    target : str, int or None, default "label"
        The label column: a name in the header, or an index (-1 is the last). None: every column is a feature.
    require_labels : bool, default False
        Whether a missing "label" column is an error. One of another name always is.
    engine : {"polars", "pyarrow", "pandas", "numpy"}, optional
        What parses the numbers. By default the first of these that is installed, and NumPy for small files.

    Returns
    -------
    Table
        `labels` is text, an object array of str.

    Raises
    ------
    ValueError
        With the file, the line and the column: a row of another length than the first, a cell that is empty, no
        number, or not finite; no label column; no rows.

    Notes
    -----
    A first line in which every cell is a number is data. One of names, or that has the label column among them, is the
    header. (With an index as `target`, the label's own cell does not count.) Without a header the label is the first
    column, as in the MNIST CSV files, unless `target` is another index or None.
    """
    path = Path(path)
    layout = _sniff(path, target, require_labels)
    if engine is None:
        engine = "numpy" if path.stat().st_size < SMALL_FILE else _readers.installed()
    parsed = None
    if engine != "numpy":
        with open_data(path) as stream:
            stream.seek(layout.body)
            body = stream.read()
        parsed = _readers.read(engine, body, layout.columns, layout.label, layout.bytes_likely)
        del body
    if parsed is None:
        parsed = _read_with_numpy(path, layout)
    x, cells = parsed
    names = None if layout.names is None else [name for i, name in enumerate(layout.names) if i != layout.label]
    return Table(x, None if layout.label is None else np.array(cells, dtype=object), names)


# ---- The first lines ------------------------------------------------------------------------------------------------


def _sniff(path: Path, target: str | int | None, require_labels: bool) -> Layout:
    """Find the header, the label column and the first row, from the first two lines that are not blank."""
    with open_data(path) as stream:
        lines = _Lines(path, stream)
        first = next(lines, None)
        if first is None:
            raise ValueError(f"{path} is empty")
        cells = _split(first)
        names = _header(cells, target, f"{path}, line {lines.number}")
        body, first_line = (lines.start, lines.number) if names is None else (lines.end, lines.number + 1)
        row = first if names is None else next(lines, None)
        if row is None:
            raise ValueError(f"{path} has a header and no rows")
    label = label_column(names, len(cells), target, require_labels, str(path))
    if len(cells) == 1 and label is not None:
        raise ValueError(f"{path} has a label column and no features")
    numbers = [cell for index, cell in enumerate(_split(row)) if index != label]
    bytes_likely = all(cell.isascii() and cell.isdigit() and int(cell) <= 255 for cell in numbers)
    return Layout(names, len(cells), label, body, first_line, bytes_likely)


def _header(cells: list[str], target: str | int | None, where: str) -> list[str] | None:
    """Return the column names in the first line of a file, or None if the line is data."""
    names = [cell.strip() for cell in cells]
    if "" in names:
        raise ValueError(
            f"{where}, column {names.index('') + 1}: the cell is empty; expected the name of a column or "
            "a number (an index column, which pandas writes unless index=False, has no name)"
        )
    label = target % len(names) if isinstance(target, int) and -len(names) <= target < len(names) else None
    text = [name for index, name in enumerate(names) if index != label and not _is_number(name)]
    if not text:
        return None
    if len(text) < len(names) - (label is not None) and target not in names:
        raise ValueError(
            f"{where}: {_short(text[0])} is not a number, so this is no row of numbers; "
            f"it is no header either, for it has no column {target!r}"
        )
    return names


def label_column(
    names: list[str] | None, columns: int, target: str | int | None, require_labels: bool, where: str
) -> int | None:
    """Return the index of the label column, or None if there is none.

    Raises ValueError, beginning with `where`, if `target` is not there, or is there twice.
    """
    if target is None:
        if require_labels:
            raise ValueError(f"{where}: labels are needed, but target=None says that no column holds them")
        return None
    if isinstance(target, str):
        if names is None:
            if target == "label":
                return 0
            raise ValueError(f"{where} has no header, so no column is named {target!r}; give the index of the column")
        count = names.count(target)
        if count > 1:
            raise ValueError(f"{where} has {count} columns named {target!r}; give the index of the label column")
        if count == 1:
            return names.index(target)
        if target == "label" and not require_labels:
            return None
        hint = did_you_mean(target, names)
        raise ValueError(f"{where} has no column {target!r} for the labels; its columns are {_some(names)}{hint}")
    if not -columns <= target < columns:
        raise ValueError(f"{where} has {columns} columns; target={target} is not one of them")
    return target % columns


def _some(names: list[str]) -> str:
    shown = names if len(names) <= 6 else [*names[:4], "...", names[-1]]
    return ", ".join(name if name == "..." else repr(name) for name in shown)


class _Lines(Iterator[str]):
    """The lines of a CSV file that are not blank, with their numbers and positions.

    A quoted cell ends on the line where it begins.
    """

    def __init__(self, path: Path, stream: Any, *, first_line: int = 1, skip: int = 0) -> None:
        stream.seek(skip)
        self._path = path
        self._text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        self.number = first_line - 1
        self.start = self.end = skip

    def __next__(self) -> str:
        line = ""
        while not line.strip():
            try:
                line = next(self._text)
            except UnicodeDecodeError as error:
                raise ValueError(f"{self._path} is not text in UTF-8, near line {self.number + 1}") from error
            self.number += 1
            self.start = self.end
            if self.start == 0 and line.startswith("\ufeff"):  # the byte order mark that Excel writes
                line = line[1:]
                self.start = 3
            self.end = self.start + len(line.encode("utf-8"))
        if '"' in line and line.count('"') % 2:
            raise ValueError(f"{self._path}, line {self.number}: a quote is opened and not closed on the line")
        return line


def _split(line: str) -> list[str]:
    return next(csv.reader([line.rstrip("\r\n")]))


# ---- NumPy ----------------------------------------------------------------------------------------------------------


def _read_with_numpy(path: Path, layout: Layout) -> tuple[NDArray[Any], list[str]]:
    blocks: list[NDArray[Any]] = []
    labels: list[str] = []
    rows = max(1, CELLS_AT_ONCE // layout.columns)
    with open_data(path) as stream:
        lines = _Lines(path, stream, first_line=layout.first_line, skip=layout.body)
        while chunk := list(itertools.islice(lines, rows)):
            try:
                blocks.append(_parse(chunk, layout, labels, str(path)))
            except ValueError as error:
                raise _explained(path, layout, error) from error
    return np.concatenate(blocks), labels


def _parse(lines: list[str], layout: Layout, labels: list[str], where: str) -> NDArray[Any]:
    def collect(cell: str) -> float:
        if not cell.strip():
            raise ValueError("a label is missing")
        labels.append(cell)
        return 0.0

    numbers = np.loadtxt(
        lines,
        delimiter=",",
        quotechar='"',
        comments=None,
        ndmin=2,
        converters=None if layout.label is None else {layout.label: collect},
        encoding=None,
    )
    if numbers.shape[1] != layout.columns:
        raise ValueError(f"{numbers.shape[1]} columns, expected {layout.columns}")
    if layout.label is not None:
        numbers = np.delete(numbers, layout.label, axis=1)
    return compact(numbers, where)


# ---- Messages -------------------------------------------------------------------------------------------------------


def _explained(path: Path, layout: Layout, error: ValueError) -> ValueError:
    """Return the error for the first line of a file that cannot be read."""
    with open_data(path) as stream:
        lines = _Lines(path, stream, first_line=layout.first_line, skip=layout.body)
        for line in lines:
            problem = _problem(_split(line), layout)
            if problem:
                return ValueError(f"{path}, line {lines.number}{problem}")
    return ValueError(f"{path} cannot be read: {error}")


def _problem(cells: list[str], layout: Layout) -> str | None:
    """Say what is wrong with a row, or return None."""
    if len(cells) != layout.columns:
        expected = "in the header" if layout.names is not None else "in the first line"
        return f": the row has {len(cells)} values; expected {layout.columns}, as {expected}"
    for index, cell in enumerate(cells):
        what = "a label" if index == layout.label else "a number"
        if not cell.strip():
            return f", {layout.column(index)}: the cell is empty; expected {what}"
        if index == layout.label:
            continue
        if not _is_number(cell):
            return f", {layout.column(index)}: {_short(cell)} is not a number"
        if not abs(float(cell)) <= FLOAT32_MAX:
            return f", {layout.column(index)}: {_short(cell)} is not a finite number in float32"
    return None


def _is_number(cell: str) -> bool:
    """Whether numpy.loadtxt reads a number in a cell: Python's notation, in ASCII and without underscores."""
    if "_" in cell or not cell.isascii():
        return False
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _short(cell: str) -> str:
    return repr(cell if len(cell) <= 30 else cell[:30] + "...")

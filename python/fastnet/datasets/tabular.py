"""CSV files: reading of rows as numbers and labels, with the location of errors.

The numbers are parsed by polars, pyarrow or pandas, whichever is installed, else by `numpy.loadtxt`. The first three
only save time: rows that they refuse, or that they may read differently (`fastnet.datasets._readers`), go to
`numpy.loadtxt`. Rows that it refuses are examined line by line for the message. So values and errors are the same with
all of them.
"""

import itertools
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet.datasets import _readers
from fastnet.datasets._dataset import FLOAT32_MAX, Chunks, check_dtype
from fastnet.datasets._dialect import TO_FILL, check_dialect, how_to_read, short
from fastnet.datasets._label_column import Asked, LabelColumn, ModelColumns, Target
from fastnet.datasets._layout import Layout, Lines, sniff, warn_of
from fastnet.datasets._pipes import as_file
from fastnet.datasets._streams import open_data

__all__ = ["Sink", "Table", "engine_for", "read_csv", "read_rows"]

CELLS_AT_ONCE = 1 << 21  # float64 numbers of numpy.loadtxt in memory at a time: 16 MB
BYTES_AT_ONCE = 1 << 25  # parsed by a library at a time
SMALL_FILE = 1 << 20  # bytes; numpy.loadtxt reads a megabyte faster than another library is imported
MOST_COLUMNS = 1 << 14  # for a library, which allocates kilobytes for each


class Table(NamedTuple):
    """Contents of a file with columns.

    Attributes
    ----------
    x : ndarray of shape (n, features), uint8, float32 or float64
    labels : ndarray of shape (n,) or None
        The label column as written in the file.
    feature_names : list of str or None
    label : LabelColumn or None
        The label column.
    """

    x: NDArray[Any]
    labels: NDArray[Any] | None
    feature_names: list[str] | None
    label: LabelColumn | None
    line_of: Callable[[int], int] | None = None
    """The line of a row of a text file, which is read again up to there."""


class Sink(Protocol):
    """Where the rows of a file go, a block at a time."""

    def add(self, numbers: NDArray[Any], cells: list[str], size: int) -> None:
        """Take the features of some rows and the cells of their label column, which are `size` bytes of the file.

        Raises ValueError for a number that is not finite.
        """


class _Kept:
    """Rows that are kept in memory."""

    def __init__(self, dtype: str | None) -> None:
        self.chunks = Chunks(dtype)
        self.labels: list[str] = []

    def add(self, numbers: NDArray[Any], cells: list[str], size: int) -> None:
        """Take some rows."""
        del size
        self.chunks.add(numbers)
        self.labels += cells


_Sink = TypeVar("_Sink", bound=Sink)


def read_csv(
    path: str | os.PathLike[str],
    *,
    separator: str | None = None,
    decimal: str = ".",
    target: Target = "label",
    require_labels: bool = False,
    dtype: DTypeLike | None = None,
    engine: str | None = None,
    ignore: Sequence[str] = (),
) -> Table:
    """Read a CSV file, which may be compressed with gzip or in a zip archive.

    Parameters
    ----------
    path : str or os.PathLike
        Text in UTF-8, a row on each line.
    separator : {",", ";", "\\t", "|", " "}, optional
        The separator of the cells; a space means any run of white space. By default a comma, or a tab if the name of
        the file ends in .tsv; a file that seems to have another separator is then refused.
    decimal : {".", ","}, default "."
        The decimal sign. Thousands separators are not allowed.
    target : str, int or None, default "label"
        The label column: a name in the header, or an index (-1 is the last). None: every column is a feature.
    require_labels : bool, default False
        Whether a missing "label" column is an error; a missing column of another name always is.
    dtype : {"float32", "float64"}, optional
        The dtype of features other than bytes. By default float32, or float64 if float32 cannot represent a column: its
        values are out of range, or nearly equal in float32.
    engine : {"polars", "pyarrow", "pandas", "numpy"}, optional
        The library that parses the numbers; by default the first of these that is installed, and NumPy for small files.
    ignore : sequence of str, default ()
        Columns that are left out, by their names in the header.

    Returns
    -------
    Table
        `labels` is text, an object array of str.

    Raises
    ------
    ValueError
        With the file, the line and the column: a row differs in length from the first; a cell is empty, not a number,
        or not finite; there is no label column, or no row. Without `separator`: the cells seem to have another
        separator than the default; the message has suitable options. `separator` or `decimal` is invalid, or both are
        commas.

    Warns
    -----
    DataFileWarning
        An index is left out, or a first line of numbers is a header.

    Notes
    -----
    A first line in which every cell is a number is data. A line of names, or with the name of the label column, is the
    header. (With an index as `target`, the label's own cell does not count.) Without a header the label is the first
    column, as in the MNIST CSV files, unless `target` is another index or None.

    pandas writes numbers if columns have no names. Therefore a first line that counts the columns, 0, 1, 2, ..., is not
    a row, unless the next line counts, too. The same holds for numbers that pandas made unique, such as 0, 0.1, 0.2.

    First columns whose header is empty or "Unnamed: 0" are an index that pandas wrote; they are left out.
    """
    path, dtype = Path(path), check_dtype(dtype)
    check_dialect(separator, decimal)
    rule = target if isinstance(target, ModelColumns) else Asked(target, require_labels, tuple(ignore))
    with as_file(path) as file:
        layout = sniff(file, rule, separator, decimal)
        engine = engine or engine_for(file, layout)
        kept = read_rows(file, layout, dtype, engine, lambda: _Kept(dtype))
        if not kept.chunks.fit:
            kept = read_rows(file, layout, "float64", engine, lambda: _Kept("float64"))
    warn_of(path, layout.notes)
    return Table(
        kept.chunks.joined(),
        None if layout.label is None else np.array(kept.labels, dtype=object),
        layout.feature_names,
        None if layout.label is None else LabelColumn.of(layout.columns, layout.label),
        partial(_line_of, file, layout),
    )


def engine_for(path: Path, layout: Layout) -> str:
    """Return the library that parses the numbers of a file fastest, "numpy" if there is none."""
    small = path.exists() and path.stat().st_size < SMALL_FILE
    return "numpy" if small or layout.columns.count > MOST_COLUMNS else _readers.installed()


def read_rows(path: Path, layout: Layout, dtype: str | None, engine: str, sink: Callable[[], _Sink]) -> _Sink:
    """Return a sink with the rows of a file, the second one if the library leaves them to `numpy.loadtxt`."""
    if engine != "numpy" and _read_with_library(path, layout, engine, filled := sink()):
        return filled
    filled = sink()
    _read_with_numpy(path, layout, dtype, filled)
    return filled


def _read_with_library(path: Path, layout: Layout, engine: str, sink: Sink) -> bool:
    """Give the rows to the sink; return False if `numpy.loadtxt` must decide."""
    with open_data(path) as stream:
        stream.seek(layout.body)
        while body := stream.read(BYTES_AT_ONCE):
            if not body.endswith(b"\n"):
                body += stream.readline(BYTES_AT_ONCE)
            parsed = _readers.read(engine, body, layout)
            if parsed is None:
                return False
            try:
                sink.add(*parsed, len(body))
            except ValueError:  # not finite: numpy.loadtxt produces the message with its location
                return False
    return True


# ---- NumPy ----------------------------------------------------------------------------------------------------------


def _read_with_numpy(path: Path, layout: Layout, dtype: str | None, sink: Sink) -> None:
    rows = max(1, CELLS_AT_ONCE // layout.columns.count)
    with open_data(path) as stream:
        lines = _rows(path, stream, layout)
        while chunk := list(itertools.islice(lines, rows)):
            cells: list[str] = []
            try:
                numbers = _parse(chunk, layout, cells)
                sink.add(numbers, cells, sum(map(len, chunk)))
            except ValueError as error:
                raise _explained(path, layout, error, dtype) from error


def _rows(path: Path, stream: Any, layout: Layout) -> Lines:
    return Lines(path, stream, first_line=layout.first_line, skip=layout.body, separator=layout.dialect.separator)


def _line_of(path: Path, layout: Layout, row: int) -> int:
    with open_data(path) as stream:
        lines = _rows(path, stream, layout)
        for _ in itertools.islice(lines, row + 1):
            pass
        return lines.number


def _parse(lines: list[str], layout: Layout, labels: list[str]) -> NDArray[Any]:
    """Return the numbers of the feature columns, and append the cells of the label column to `labels`."""

    def collect(cell: str) -> float:
        if not cell.strip():
            raise ValueError("a label is missing")
        labels.append(cell)
        return 0.0

    converters: dict[int | str, Any] = dict.fromkeys(layout.columns.index, lambda cell: 0.0)  # noqa: ARG005
    if layout.dialect.decimal == ",":
        converters |= dict.fromkeys(layout.features, layout.dialect.number)
    if layout.label is not None:
        converters[layout.label] = collect
    numbers: NDArray[Any] = np.loadtxt(
        lines,
        delimiter=None if layout.dialect.separator == " " else layout.dialect.separator,
        quotechar='"',
        comments=None,
        ndmin=2,
        converters=converters or None,
        encoding=None,
    )
    if numbers.shape[1] != layout.columns.count:
        raise ValueError(f"{numbers.shape[1]} columns, expected {layout.columns.count}")
    return numbers[:, layout.features] if len(layout.features) < layout.columns.count else numbers


# ---- Messages -------------------------------------------------------------------------------------------------------


def _explained(path: Path, layout: Layout, error: ValueError, dtype: str | None) -> ValueError:
    """Return the error for the first line of a file that cannot be read."""
    wanted = sorted([*layout.features, *([] if layout.label is None else [layout.label])])
    with open_data(path) as stream:
        lines = _rows(path, stream, layout)
        for line in lines:
            problem = _problem(layout.dialect.split(line), wanted, layout, dtype)
            if problem:
                return ValueError(f"{path}, line {lines.number}{problem}")
    return ValueError(f"{path} cannot be read: {error}")


def _problem(cells: list[str], wanted: list[int], layout: Layout, dtype: str | None) -> str | None:
    """Return the error in a row, or None."""
    if len(cells) != layout.columns.count:
        expected = "in the header" if layout.columns.names is not None else "in the first line"
        return f": the row has {len(cells)} values; expected {layout.columns.count}, as {expected}"
    for index in wanted:
        cell, where = cells[index], f", {layout.column(index)}"
        if not cell.strip():
            expected = "a label" if index == layout.label else "a number"
            return f"{where}: the cell is empty; expected {expected}: {TO_FILL}"
        if index == layout.label:
            continue
        if not layout.dialect.is_number(cell):
            hint = layout.dialect.hint(cell)
            name = None if layout.columns.names is None else layout.columns.names[index]
            return f"{where}: {short(cell)} is not a number{hint or how_to_read(cell, name)}"
        number = abs(layout.dialect.number(cell))
        if not np.isfinite(number):
            return f"{where}: {short(cell)} is not a finite number"
        if dtype == "float32" and number > FLOAT32_MAX:
            return f"{where}: {short(cell)} is not a finite number in float32"
    return None

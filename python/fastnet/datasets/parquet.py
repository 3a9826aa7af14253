"""Parquet files, read by pyarrow, polars or pandas, whichever is installed."""

import importlib.util
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import NoneType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet.datasets._damage import in_short, refusing
from fastnet.datasets._dataset import check_dtype, compact
from fastnet.datasets._dialect import TO_FILL, how_to_read
from fastnet.datasets._label_column import Asked, Columns, LabelColumn, ModelColumns, Target
from fastnet.datasets._layout import left_out, warn_of
from fastnet.datasets._pipes import as_file
from fastnet.datasets.tabular import Table
from fastnet.support.json_values import parse_bounded

__all__ = ["ENGINES", "installed", "read_parquet"]

NamedColumns = list[tuple[str, NDArray[Any]]]
NUMBERS = (int, float)
LABELS = (str, bytes, int, float, Decimal, NoneType)
INDEX_WITHOUT_NAME = re.compile(r"__index_level_\d+__")


def read_parquet(
    path: str | os.PathLike[str],
    *,
    target: Target = "label",
    require_labels: bool = False,
    dtype: DTypeLike | None = None,
    engine: str | None = None,
    ignore: Sequence[str] = (),
) -> Table:
    """Read a Parquet file with a column for each feature.

    Parameters
    ----------
    path : str or os.PathLike
    target : str, int or None, default "label"
        The label column: a name, or an index (-1 is the last). None: every column is a feature.
    require_labels : bool, default False
        Whether a missing "label" column is an error; a missing column of another name always is.
    dtype : {"float32", "float64"}, optional
        The dtype of features other than bytes, as in `fastnet.datasets.tabular.read_csv`.
    engine : {"pyarrow", "polars", "pandas"}, optional
        The library that reads the file; by default the first of these that is installed.
    ignore : sequence of str, default ()
        Columns that are left out.

    Returns
    -------
    Table

    Raises
    ------
    ImportError
        If none of the three is installed.
    ValueError
        If the file is damaged, a feature column does not hold numbers, a cell is missing or not finite, two columns
        have the same name, or there is no label column.

    Warns
    -----
    DataFileWarning
        An index is left out, which pandas writes as columns and names in the metadata of the file.
    """
    path, dtype = Path(path), check_dtype(dtype)
    engine = engine or installed(path)
    rule = target if isinstance(target, ModelColumns) else Asked(target, require_labels, tuple(ignore))
    with as_file(path) as file:
        columns, index = ENGINES[engine](file)
        return _table(columns, index, rule, file, dtype)


def installed(path: Path) -> str:
    """Return the library that reads Parquet files, of which one must be installed; `path` is for the message."""
    engine = next((name for name in ENGINES if importlib.util.find_spec(name)), None)
    if engine is None:
        raise ImportError(f'{path} is a Parquet file, which pyarrow reads: pip install "fastnet-nn[data]"')
    return engine


def _table(columns: NamedColumns, index: set[str], rule: Asked | ModelColumns, path: Path, dtype: str | None) -> Table:
    names = [name for name, _ in columns]
    index |= {name for name in names if INDEX_WITHOUT_NAME.fullmatch(name)}
    found = Columns(names, len(names), frozenset(place for place, name in enumerate(names) if name in index))
    index_columns = found.index
    found = rule.without_ignored(found, str(path))
    label = rule.find(found, str(path))
    found = replace(found, index=found.index - {label})
    features = [columns[place] for place in found.data if place != label]
    rows = len(columns[0][1]) if columns else 0
    if not rows or not features:
        raise ValueError(f"{path} has {rows} rows and {len(features)} feature columns; expected at least one of each")
    for name, column in features:
        if names.count(name) > 1:
            raise ValueError(f"{path} has {names.count(name)} columns named {name!r}")
        if column.dtype.kind not in "buif" or column.ndim > 1:
            other = _first_other(column, NUMBERS)
            hint = how_to_read(str(other).strip("'"), name)
            raise ValueError(f"{path}, column {name!r}: {other} is not a number{hint}")
        if column.dtype.kind == "f" and np.isnan(column).any():
            row = int(np.argmax(np.isnan(column)))
            raise ValueError(f"{path}, column {name!r}: the cell in row {row} is empty or NaN; {TO_FILL}")
    if label is not None and _first_other(columns[label][1], LABELS) is not None:
        name, column = columns[label]
        raise ValueError(f"{path}, column {name!r}: {_first_other(column, LABELS)} is not a whole number or text")
    x = np.empty((rows, len(features)), dtype=np.result_type(*(column.dtype for _, column in features)))
    for place, (_, column) in enumerate(features):
        x[:, place] = column
    x = compact(x, str(path), dtype)
    if skipped := sorted(index_columns - {label}):
        warn_of(path, [left_out([f"column {names[place]!r}" for place in skipped])])
    return Table(
        x,
        None if label is None else columns[label][1],
        [name for name, _ in features],
        None if label is None else LabelColumn.of(found, label),
    )


def index_of(metadata: str | bytes | None) -> set[str]:
    """Return the index columns from the metadata that pandas writes."""
    try:
        described = parse_bounded(metadata or "{}")
    except ValueError:  # not written by pandas
        return set()
    index = described.get("index_columns") if isinstance(described, dict) else None
    # A RangeIndex is described, not stored.
    return {name for name in index if isinstance(name, str)} if isinstance(index, list) else set()


def _first_other(column: NDArray[Any], types: tuple[type, ...]) -> str | None:
    """Return the first cell of a column with another type than these, as text; None without one."""
    if column.dtype.kind in "buifUS" and column.ndim == 1:
        return None
    return next((repr(cell) for cell in column.tolist() if not isinstance(cell, types)), None)


def _polars(path: Path) -> tuple[NamedColumns, set[str]]:
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, error) from error
    metadata: dict[str, str] = {}
    # Older releases do not read the metadata; an index without a name is still recognized by its name in the file.
    with suppress(AttributeError, pl.exceptions.PolarsError):
        metadata = pl.read_parquet_metadata(path)
    return [(column.name, column.to_numpy()) for column in table], index_of(metadata.get("pandas"))


def _pyarrow(path: Path) -> tuple[NamedColumns, set[str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    columns = [(name, column.to_numpy()) for name, column in zip(table.column_names, table.columns, strict=True)]
    return columns, index_of((table.schema.metadata or {}).get(b"pandas"))


def _pandas(path: Path) -> tuple[NamedColumns, set[str]]:
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except ImportError as error:  # pandas needs pyarrow or fastparquet
        raise ImportError(f'{path} is a Parquet file, which pyarrow reads: pip install "fastnet-nn[data]"') from error
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from error
    columns = [(str(name), table.iloc[:, place].to_numpy()) for place, name in enumerate(table.columns)]
    if isinstance(table.index, pd.RangeIndex):
        return columns, set()
    levels = range(table.index.nlevels)
    names = [f"__index_level_{level}__" if name is None else str(name) for level, name in enumerate(table.index.names)]
    index = [(names[level], table.index.get_level_values(level).to_numpy()) for level in levels]
    return columns + index, set(names)


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} cannot be read as Parquet: {in_short(error)}")


def _refusing(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def refusing_read(path: Path) -> Any:
        with refusing(path, "cannot be read as Parquet"):
            return read(path)

    return refusing_read


# polars is faster, but ends the process if a damaged file requests too much memory.
ENGINES = {"pyarrow": _refusing(_pyarrow), "polars": _refusing(_polars), "pandas": _refusing(_pandas)}

"""Parquet files, by pyarrow, polars or pandas, whichever is installed."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._damage import refusing
from fastnet.datasets._dataset import compact
from fastnet.datasets.tabular import Table, label_column

__all__ = ["read_parquet"]


def read_parquet(
    path: str | os.PathLike[str],
    *,
    target: str | int | None = "label",
    require_labels: bool = False,
    engine: str | None = None,
) -> Table:
    """Read a Parquet file with a column for each feature.

    Parameters
    ----------
    path : str or os.PathLike
    target : str, int or None, default "label"
        The label column: a name, or an index (-1 is the last). None: every column is a feature.
    require_labels : bool, default False
        Whether a missing "label" column is an error. One of another name always is.
    engine : {"pyarrow", "polars", "pandas"}, optional
        What reads the file. By default the first of these that is installed.

    Returns
    -------
    Table

    Raises
    ------
    ImportError
        If none of the three is installed.
    ValueError
        If the file is damaged, a feature column holds something else than numbers, a cell is missing or not finite,
        or there is no label column.
    """
    path = Path(path)
    engine = engine or next((name for name in ENGINES if importlib.util.find_spec(name)), None)
    if engine is None:
        raise ImportError(f'{path} is a Parquet file, which pyarrow reads: pip install "fastnet-nn[data]"')
    columns = ENGINES[engine](path)
    names = list(columns)
    rows = len(next(iter(columns.values()), ()))
    label = label_column(names, len(names), target, require_labels, str(path))
    labels = None if label is None else columns.pop(names[label])
    if not rows or not columns:
        raise ValueError(f"{path} has {rows} rows and {len(columns)} feature columns; expected at least one of each")
    for name, column in columns.items():
        if column.dtype.kind not in "buif":
            raise ValueError(f"{path}, column {name!r}: {_first_other(column)} is not a number")
    x = np.empty((rows, len(columns)), dtype=np.result_type(*(column.dtype for column in columns.values())))
    for index, column in enumerate(columns.values()):
        x[:, index] = column
    return Table(compact(x, str(path)), labels, list(columns))


def _first_other(column: NDArray[Any]) -> str:
    """Return the first cell of a column that is no number, as text."""
    return next((repr(cell) for cell in column.tolist() if not isinstance(cell, int | float)), str(column.dtype))


def _polars(path: Path) -> dict[str, NDArray[Any]]:
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise _unreadable(path, error) from error
    return {column.name: column.to_numpy() for column in table}


def _pyarrow(path: Path) -> dict[str, NDArray[Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    return {name: column.to_numpy() for name, column in zip(table.column_names, table.columns, strict=True)}


def _pandas(path: Path) -> dict[str, NDArray[Any]]:
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except ImportError as error:  # pandas leaves the reading to pyarrow or fastparquet
        raise ImportError(f'{path} is a Parquet file, which pyarrow reads: pip install "fastnet-nn[data]"') from error
    except (ValueError, OSError) as error:
        raise _unreadable(path, error) from error
    return {str(name): table[name].to_numpy() for name in table.columns}


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}")


def _refusing(read: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def refusing_read(path: Path) -> Any:
        with refusing(path, "cannot be read as Parquet"):
            return read(path)

    return refusing_read


# polars is faster, and ends the process where a damaged file asks for too much memory.
ENGINES = {"pyarrow": _refusing(_pyarrow), "polars": _refusing(_polars), "pandas": _refusing(_pandas)}

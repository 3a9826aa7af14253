"""Tables of pandas, polars and pyarrow as arrays, without importing any of them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._validation import describe


def column_names(values: Any) -> list[str] | None:
    """Return the names of a table's columns; None for what is no table."""
    names = getattr(values, "column_names", None)  # pyarrow
    if names is None and hasattr(values, "columns") and hasattr(values, "to_numpy"):  # pandas, polars
        names = values.columns
    return None if names is None or callable(names) else [str(name) for name in names]


def from_table(name: str, table: Any) -> NDArray[Any]:
    """Return a table as an array of its columns, which must hold numbers.

    Raises
    ------
    TypeError
        A column holds something else; the message names it.
    """
    names = column_names(table)
    assert names is not None
    columns = [_column(f"column {text!r} of {name}", table, number, text) for number, text in enumerate(names)]
    if not columns:
        raise ValueError(f"{name} must have at least one column; got {describe(table)}")
    if len({column.dtype for column in columns}) == 1 and hasattr(table, "to_numpy"):
        whole = np.asarray(table.to_numpy())
        if whole.dtype == columns[0].dtype:
            return whole
    return np.stack(columns, axis=1)


def _column(label: str, table: Any, number: int, name: str) -> NDArray[Any]:
    """Return one column; a missing value becomes NaN, which is refused where data are checked."""
    column = table.iloc[:, number] if hasattr(table, "iloc") else table[name]
    array = np.asarray(column.to_numpy())
    if array.dtype == object:
        try:
            array = np.array([np.nan if value is None else float(value) for value in array.tolist()])
        except (TypeError, ValueError):
            array = np.asarray(array.tolist(), dtype=object)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{label} must hold numbers; got {getattr(column, 'dtype', array.dtype)}")
    return array

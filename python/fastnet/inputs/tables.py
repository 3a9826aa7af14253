"""Tables of pandas, polars, pyarrow and similar libraries as arrays with column names; none of them is imported.

A model with feature names selects the columns of tables by name, wherever it takes samples.
"""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.files.stored import StoredDataset
from fastnet.inputs.columns import Columns, as_columns
from fastnet.support.text import closest
from fastnet.support.validation import describe

_MOST_NAMES, _LONGEST_NAME = 5, 60  # in a message
_NO_TABLES = (np.ndarray, list, tuple)


# ---- What is a table ------------------------------------------------------------------------------------------------


def is_table(values: Any) -> bool:
    """Return whether `values` is a table: of a known library, or with the interface of one."""
    if isinstance(values, _NO_TABLES):
        return False
    if hasattr(values, "iloc"):  # pandas, cuDF, modin, dask
        return bool(values.ndim == 2)
    if _has_names(values) or _is_lazy(values):
        return True
    if hasattr(values, "to_numpy"):  # polars, narwhals
        return hasattr(values, "columns")
    # A reader that can be read only once is a source of batches.
    streams = hasattr(values, "__arrow_c_stream__") and not hasattr(values, "__next__")
    return hasattr(values, "__dataframe__") or (streams and not hasattr(values, "__array__"))


def _has_names(values: Any) -> bool:
    names = getattr(values, "column_names", None)  # pyarrow
    return names is not None and not callable(names)


def _is_lazy(values: Any) -> bool:
    return hasattr(values, "collect_schema") and not hasattr(values, "to_numpy")


def _readable(name: str, table: Any) -> Any:
    """Return a table with accessible columns: itself, or converted by pyarrow."""
    if _is_lazy(table):
        raise TypeError(f"{name} must have its rows in memory; got {type(table).__name__}: collect() reads them")
    if hasattr(table, "iloc") or hasattr(table, "to_numpy") or _has_names(table):
        return table
    try:
        import pyarrow as pa
        from pyarrow.interchange import from_dataframe
    except ImportError:
        raise TypeError(f"{name} is a {type(table).__name__}, which pyarrow reads: pip install pyarrow") from None
    return pa.table(table) if hasattr(table, "__arrow_c_stream__") else from_dataframe(table)


# ---- Names ----------------------------------------------------------------------------------------------------------


def names_of(name: str, values: Any) -> list[str] | None:
    """Return the column names of a table, series or stored data set; None without names, or if they are not strings.

    Raises
    ------
    TypeError
        Some column names are strings and some are not.
    """
    if isinstance(values, _NO_TABLES):
        return None
    if isinstance(values, StoredDataset):
        return values.feature_names
    if is_table(values):
        names = _all_names(_readable(name, values))
    else:
        names = [getattr(values, "name", None) or None] if hasattr(values, "to_frame") else []
    text = [str(name) for name in names if isinstance(name, str)]
    if text and len(text) < len(names):
        kinds = ", ".join(sorted({type(name).__name__ for name in names}))
        raise TypeError(
            f"{name} must have column names that are all strings, or none: Feature names are only supported if all "
            f"input features have string names; got {kinds}. x.columns = x.columns.astype(str) converts them to strings"
        )
    return text or None


def names_to_learn(name: str, values: Any) -> list[str] | None:
    """Return the column names of a table as new feature names; they must be unique.

    Raises
    ------
    ValueError
        Several columns have the same name.
    """
    names = names_of(name, values)
    if names is not None and (doubled := _doubled(names)):
        raise ValueError(f"{name} must have columns of different names; got several of {_listed(doubled)}")
    return names


def _all_names(table: Any) -> list[Any]:
    return list(table.column_names if _has_names(table) and not hasattr(table, "iloc") else table.columns)


def _doubled(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []


def order_of(what: str, have: Sequence[str], wanted: Sequence[str]) -> list[int] | None:
    """Return the index of each feature of a model among given columns; None if the order is the same.

    Raises
    ------
    ValueError
        The names differ. The message lists them, each with the name that it may be a misspelling of.
    """
    if list(have) == list(wanted):
        return None
    place = {name: index for index, name in enumerate(have)}
    known = set(wanted)
    unseen = [name for name in place if name not in known]
    missing = [name for name in wanted if name not in place]
    lists = {
        "Feature names unseen at fit time": _listed(unseen, missing),
        "Feature names seen at fit time, yet now missing": _listed(missing),
        "Feature names that several columns have": _listed(_doubled(have)),
    }
    if problems := [f"{title}: {names}." for title, names in lists.items() if names]:
        raise ValueError(
            f"{what}: The feature names should match those that were passed during fit. {' '.join(problems)}"
        )
    return [place[name] for name in wanted]


def _listed(names: Sequence[str], known: Sequence[str] = ()) -> str:
    """Return the first names for a message, each with the most similar known name."""
    shown = []
    for name in names[:_MOST_NAMES]:
        near = closest(name, known)
        shown.append(_quoted(name) + (f" (did you mean {_quoted(near)}?)" if near else ""))
    return ", ".join([*shown, *(["..."] if len(names) > _MOST_NAMES else [])])


def _quoted(name: str) -> str:
    return repr(name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "...")


# ---- Numbers --------------------------------------------------------------------------------------------------------


def from_table(name: str, table: Any, wanted: Sequence[str] | None = None) -> NDArray[Any]:
    """Return a table as an array: see `columns_of`."""
    found = columns_of(name, table, wanted)
    return found[:] if isinstance(found, Columns) else found


def columns_of(name: str, table: Any, wanted: Sequence[str] | None = None) -> NDArray[Any] | Columns:
    """Return the requested columns of a table, in their order; they must hold numbers.

    Columns without names are taken by position.

    Raises
    ------
    TypeError
        A column does not hold numbers; the message names it.
    ValueError
        The requested columns are missing, or there are others.
    """
    table = _readable(name, table)
    have = None if wanted is None else names_of(name, table)
    order = None if wanted is None or have is None else order_of(name, have, wanted)
    if order is None and (whole := _of_one_dtype(table)) is not None:
        return whole
    names, columns = _all_names(table), _columns(table)
    arrays = [
        numbers_of(f"column {names[number]!r} of {name}", columns[number])
        for number in (range(len(columns)) if order is None else order)
    ]
    if not arrays:
        raise ValueError(f"{name} must have at least one column; got {describe(table)}")
    return as_columns(arrays)


def _of_one_dtype(table: Any) -> NDArray[Any] | None:
    """Return a pandas table with a single numeric dtype without a copy, and without checking each column."""
    dtypes = set(table.dtypes) if hasattr(table, "iloc") else set()
    if len(dtypes) != 1 or not isinstance(dtype := dtypes.pop(), np.dtype) or dtype.kind not in "fiub":
        return None
    whole = np.asarray(table.to_numpy())
    return whole if whole.dtype == dtype else None


def _columns(table: Any) -> list[Any]:
    if hasattr(table, "iloc"):
        return [table.iloc[:, number] for number in range(len(table.columns))]
    if hasattr(table, "get_columns"):  # polars
        return list(table.get_columns())
    if _has_names(table) and hasattr(table, "columns"):
        return list(table.columns)
    return [table[name] for name in _all_names(table)]


def numbers_of(label: str, column: Any) -> NDArray[Any]:
    """Return a column or a series as an array of numbers, with NaN for missing values."""
    array = np.asarray(column)
    if array.dtype == object:
        from decimal import Decimal  # not at the top: few tables need it

        values = array.tolist()
        if all(isinstance(value, Real | Decimal | np.bool_) or _is_missing(value) for value in values):
            array = np.array([math.nan if _is_missing(value) else _as_float(label, value) for value in values])
    if array.dtype.kind not in "fiub":
        kind = getattr(column, "dtype", None) or getattr(column, "type", None) or array.dtype
        raise TypeError(f"{label} must hold numbers; got {kind}")
    return array


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType"  # pandas.NA, whose truth value is an error


def _as_float(label: str, value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{label} has a number that is too large for a float64: {describe(value)}") from None


def refuse_dates(name: str, values: Any) -> None:
    """Refuse times and durations, which other libraries silently convert to numbers.

    Raises
    ------
    TypeError
        The array, or a column of the table, holds times or durations.
    """
    if is_table(values):
        table = _readable(name, values)
        columns = {
            f"column {text!r} of {name}": column
            for text, column in zip(_all_names(table), _columns(table), strict=True)
        }
    else:
        columns = {name: values} if hasattr(values, "__array__") and hasattr(values, "__len__") else {}
    for label, column in columns.items():
        kind = getattr(getattr(column, "dtype", None), "kind", None) or np.asarray(column[:0]).dtype.kind
        if kind in ("m", "M"):
            raise TypeError(
                f"{label} must hold numbers; got {column.dtype if hasattr(column, 'dtype') else column.type}"
            )

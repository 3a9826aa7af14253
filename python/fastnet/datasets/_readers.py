"""Fast CSV readers. Each returns the result of `numpy.loadtxt`, or None if that is not certain.

A reader gets the rows without the header, as bytes, and returns the features and the cells of the label column. It
is strict: no cell counts as missing, labels are read as text, and numbers must be numbers.
"""

import codecs
import importlib.util
import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._dialect import Dialect
from fastnet.datasets._layout import Layout

__all__ = ["installed", "read"]

Parsed = tuple[NDArray[Any], list[str]]


def installed() -> str:
    """Return the fastest reader that is installed."""
    return next((name for name in READERS if importlib.util.find_spec(name)), "numpy")


def read(engine: str, body: bytes, layout: Layout) -> Parsed | None:
    """Return the features and the labels in some rows, or None if `numpy.loadtxt` must decide."""
    if layout.dialect.separator == " " or not _is_plain(body, layout.dialect):
        return None
    columns = layout.columns.count
    text = {column for column in range(columns) if column == layout.label or column in layout.columns.index}
    for dtype in ("uint8", "float64") if layout.bytes_likely else ("float64",):
        parsed = READERS[engine](body, Request(columns, text, layout.label, dtype, layout.dialect))
        if parsed is not None:
            break
    else:
        return None
    return parsed if all(cell and not cell.isspace() for cell in parsed[1]) else None


def _is_plain(body: bytes, dialect: Dialect) -> bool:
    """Return whether the libraries agree on the meaning of every character.

    They differ in quotes, in carriage returns inside a line, in hexadecimal numbers, in a misplaced byte order
    mark, in a separator at the very end, and in decimal points among decimal commas.
    """
    if any(odd in body for odd in (b'"', b"0x", b"0X")) or body.startswith(codecs.BOM_UTF8):
        return False
    if body.endswith(dialect.separator.encode()) or (dialect.decimal == "," and b"." in body):
        return False
    return b"\r" not in body or body.count(b"\r") == body.count(b"\r\n")


class Request(NamedTuple):
    """Columns of numbers and of text in a table."""

    columns: int
    text: set[int]
    """Columns that are not numbers: the label and an index."""
    label: int | None
    dtype: str
    """The dtype of the parsed numbers."""
    dialect: Dialect


def _polars(body: bytes, request: Request) -> Parsed | None:
    import polars as pl

    number = pl.UInt8 if request.dtype == "uint8" else pl.Float64
    schema = {str(column): pl.String if column in request.text else number for column in range(request.columns)}
    comma = {"decimal_comma": True} if request.dialect.decimal == "," else {}
    try:
        table = pl.read_csv(
            body, has_header=False, schema=schema, quote_char=None, separator=request.dialect.separator, **comma
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    labels = [] if request.label is None else table.get_column(str(request.label)).to_list()
    table = table.drop([str(column) for column in request.text])
    if any(table.null_count().row(0)) or None in labels:
        return None
    return table.to_numpy(order="c"), labels


def _pyarrow(body: bytes, request: Request) -> Parsed | None:
    import pyarrow as pa
    import pyarrow.csv as pc

    number, text = pa.type_for_alias(request.dtype), pa.string()
    types = {str(column): text if column in request.text else number for column in range(request.columns)}
    dialect = request.dialect
    try:
        table = pc.read_csv(
            pa.BufferReader(body),
            read_options=pc.ReadOptions(column_names=list(types), block_size=1 << 24),
            parse_options=pc.ParseOptions(quote_char=False, delimiter=dialect.separator),
            convert_options=pc.ConvertOptions(
                column_types=types, null_values=[], strings_can_be_null=False, decimal_point=dialect.decimal
            ),
        )
    except pa.ArrowException:
        return None
    labels = [] if request.label is None else table.column(request.label).to_pylist()
    table = table.drop_columns([str(column) for column in request.text])
    x = np.empty((table.num_rows, table.num_columns), dtype=request.dtype)
    start = 0
    for batch in table.to_batches():  # by batch, whose columns are still in the cache when they are converted to rows
        x[start : start + batch.num_rows] = np.stack([column.to_numpy() for column in batch.columns], axis=1)
        start += batch.num_rows
    return x, labels


def _pandas(body: bytes, request: Request) -> Parsed | None:
    import pandas as pd

    old = tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1)
    options: dict[str, Any] = {"float_precision": "round_trip"} if old else {}
    try:
        table = pd.read_csv(
            io.BytesIO(body),
            header=None,
            dtype=dict.fromkeys(request.text, str) or None,
            keep_default_na=False,
            quoting=3,  # csv.QUOTE_NONE
            low_memory=False,
            sep=request.dialect.separator,
            decimal=request.dialect.decimal,
            **options,
        )
    except (ValueError, OverflowError):  # pandas's ParserError is a ValueError
        return None
    if table.shape[1] != request.columns:
        return None
    labels = [] if request.label is None else table[request.label].tolist()
    table = table.drop(columns=list(request.text))
    kinds = {dtype.kind for dtype in table.dtypes}
    if not kinds <= set("iuf"):
        return None
    return table.to_numpy(dtype=np.float64 if len(kinds) > 1 else None), labels


READERS: dict[str, Callable[[bytes, Request], Parsed | None]] = {
    "polars": _polars,
    "pyarrow": _pyarrow,
    "pandas": _pandas,
}

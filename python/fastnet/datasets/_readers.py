"""Fast CSV readers. Each returns what `numpy.loadtxt` would, or None where that is not certain.

A reader gets the rows without the header, as bytes, and returns the features and the cells of the label column. It
is strict: no cell is taken for missing, a label is read as text and a number is a number.
"""

import codecs
import importlib.util
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._dataset import compact

__all__ = ["installed", "read"]

Parsed = tuple[NDArray[Any], list[str]]


def installed() -> str:
    """Return the fastest reader that is installed."""
    return next((name for name in READERS if importlib.util.find_spec(name)), "numpy")


def read(engine: str, body: bytes, columns: int, label: int | None, bytes_likely: bool) -> Parsed | None:
    """Return the features and the labels, or None where `numpy.loadtxt` has to decide."""
    if not _is_plain(body):
        return None
    for dtype in ("uint8", "float64") if bytes_likely else ("float64",):
        parsed = READERS[engine](body, columns, label, dtype)
        if parsed is not None:
            break
    else:
        return None
    x, labels = parsed
    if not all(cell and not cell.isspace() for cell in labels):
        return None
    try:
        return compact(x, ""), labels
    except ValueError:  # a number that is not finite: numpy.loadtxt's way leads to the message that has its place
        return None


def _is_plain(body: bytes) -> bool:
    """Whether the libraries agree on the meaning of every character.

    They differ in quotes, in carriage returns inside a line, in hexadecimal numbers, in a byte order mark where none
    belongs, and in a comma at the very end.
    """
    if b'"' in body or b"0x" in body or b"0X" in body or body.startswith(codecs.BOM_UTF8) or body.endswith(b","):
        return False
    return b"\r" not in body or body.count(b"\r") == body.count(b"\r\n")


def _polars(body: bytes, columns: int, label: int | None, dtype: str) -> Parsed | None:
    import polars as pl

    number = pl.UInt8 if dtype == "uint8" else pl.Float64
    schema = {str(column): pl.String if column == label else number for column in range(columns)}
    try:
        table = pl.read_csv(body, has_header=False, schema=schema, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    if any(table.null_count().row(0)):
        return None
    labels = [] if label is None else table.drop_in_place(str(label)).to_list()
    return table.to_numpy(order="c"), labels


def _pyarrow(body: bytes, columns: int, label: int | None, dtype: str) -> Parsed | None:
    import pyarrow as pa
    import pyarrow.csv as pc

    names = [str(column) for column in range(columns)]
    types = {name: pa.string() if column == label else pa.type_for_alias(dtype) for column, name in enumerate(names)}
    try:
        table = pc.read_csv(
            pa.BufferReader(body),
            read_options=pc.ReadOptions(column_names=names, block_size=1 << 24),
            parse_options=pc.ParseOptions(quote_char=False),
            convert_options=pc.ConvertOptions(column_types=types, null_values=[], strings_can_be_null=False),
        )
    except pa.ArrowException:
        return None
    labels = []
    if label is not None:
        labels = table.column(label).to_pylist()
        table = table.remove_column(label)
    x = np.empty((table.num_rows, table.num_columns), dtype=dtype)
    start = 0
    for batch in table.to_batches():  # by batch: its columns are still in the cache when they become rows
        x[start : start + batch.num_rows] = np.stack([column.to_numpy() for column in batch.columns], axis=1)
        start += batch.num_rows
    return x, labels


def _pandas(body: bytes, columns: int, label: int | None, dtype: str) -> Parsed | None:
    import pandas as pd

    del dtype  # pandas reads integers beyond uint8 as others: it infers, and the caller makes the numbers compact
    old = tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1)
    options: dict[str, Any] = {"float_precision": "round_trip"} if old else {}
    blocks: list[NDArray[Any]] = []
    labels: list[str] = []
    try:
        with pd.read_csv(
            io.BytesIO(body),
            header=None,
            dtype=None if label is None else {label: str},
            keep_default_na=False,
            quoting=3,  # csv.QUOTE_NONE
            low_memory=False,
            chunksize=4096,  # rows: pandas reads integers as int64, eight times the size of what is kept
            **options,
        ) as chunks:
            for chunk in chunks:
                if chunk.shape[1] != columns:
                    return None
                if label is not None:
                    labels += chunk[label].tolist()
                    chunk = chunk.drop(columns=label)
                if not all(kind.kind in "iuf" for kind in chunk.dtypes):
                    return None
                blocks.append(compact(chunk.to_numpy(dtype=np.float64) if _mixed(chunk) else chunk.to_numpy(), ""))
    except (ValueError, OverflowError):  # pandas's ParserError is a ValueError
        return None
    return np.concatenate(blocks), labels


def _mixed(chunk: Any) -> bool:
    return len({kind.kind for kind in chunk.dtypes}) > 1


READERS: dict[str, Callable[[bytes, int, int | None, str], Parsed | None]] = {
    "polars": _polars,
    "pyarrow": _pyarrow,
    "pandas": _pandas,
}

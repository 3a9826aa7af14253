"""Pixels of MNIST as NumPy, pandas, polars and pyarrow read them from a CSV in Kaggle's layout.

As notebooks do, the first 1,000 of its 42,000 rows are kept for testing and the column of labels is taken off.
"""

from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from .data import FOLDER, mnist
from .table_cases import CONTIGUOUS, PANDAS_ARRAY

CSV = FOLDER / "train.csv"
ROWS, TESTED = 42_000, 1_000
LIBRARIES = ("pandas", "polars", "pyarrow")


def libraries() -> str:
    """Name the libraries that read the CSV, with their versions."""
    found = []
    for name in LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found) or "none is installed"


def csv() -> Path:
    """Return the CSV, written by the first to ask."""
    if not CSV.exists():
        x, y = (array[:ROWS] for array in mnist()[:2])
        text = [str(value) for value in range(256)]
        unfinished = CSV.with_suffix(".part")
        with unfinished.open("w", encoding="ascii") as out:
            out.write(",".join(["label", *(f"pixel{number}" for number in range(x.shape[1]))]) + "\n")
            for label, pixels in zip(y.tolist(), x, strict=True):
                out.write(f"{label},{','.join([text[value] for value in pixels])}\n")
        unfinished.replace(CSV)
    return CSV


def pandas_frame() -> Any:
    import pandas as pd

    return pd.read_csv(csv())


def polars_frame() -> Any:
    import polars as pl

    return pl.read_csv(csv())[TESTED:, 1:]


def arrow_table() -> Any:
    from pyarrow import csv as arrow_csv

    return arrow_csv.read_csv(csv()).slice(TESTED).drop_columns(["label"])


def contiguous(dtype: str) -> Callable[[], np.ndarray]:
    return lambda: mnist()[0][TESTED:ROWS].astype(dtype)


READERS: dict[str, Callable[[], Any]] = {
    CONTIGUOUS: contiguous("uint8"),
    PANDAS_ARRAY: lambda: np.array(pandas_frame())[TESTED:, 1:],
    "pd.read_csv(...)": lambda: pandas_frame().iloc[TESTED:, 1:],
    "pl.read_csv(...)": polars_frame,
    "pyarrow.csv.read_csv(...)": arrow_table,
    "np.loadtxt(...)": contiguous("float64"),  # what it returns; it takes half a minute
    "contiguous int64": contiguous("int64"),
    "contiguous float32": contiguous("float32"),
}


@lru_cache(maxsize=1)  # cases that share data follow each other
def read(data: str) -> tuple[Any, np.ndarray]:
    """Return samples and labels."""
    return READERS[data](), mnist()[1][TESTED:ROWS]

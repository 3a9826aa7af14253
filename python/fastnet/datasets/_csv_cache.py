"""The rows of CSV files as binary files in the cache, where they are converted once."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._cache import append, cached, progress
from fastnet.datasets._codes import ROWS_AT_ONCE, Codes
from fastnet.datasets._dataset import Chunks
from fastnet.datasets._label_column import LabelColumn, Rule
from fastnet.datasets._layout import Layout, sniff, warn_of
from fastnet.datasets._streams import outer_file
from fastnet.datasets.tabular import engine_for, read_rows
from fastnet.files.stored import StoredDataset

__all__ = ["open_csv"]

DTYPES = ("uint8", "float32", "float64")


def open_csv(
    path: Path, rule: Rule, separator: str | None, decimal: str, dtype: str | None, *, encode: bool
) -> StoredDataset:
    """Return the rows of a CSV file from the cache, after a conversion if they are not there yet."""
    layout = sniff(path, rule, separator, decimal)
    x, y, about = cached(
        path,
        [outer_file(path)],
        [separator, decimal, layout.label, dtype, encode, *rule.ignored],
        len(layout.features),
        partial(_written, path, layout, dtype, encode),
    )
    warn_of(path, layout.notes)
    return StoredDataset(
        x,
        y,
        name=path.name,
        classes=about["classes"],
        n_classes=about["n_classes"],
        feature_names=layout.feature_names,
        label=None if layout.label is None else LabelColumn.of(layout.columns, layout.label),
    )


def _written(path: Path, layout: Layout, dtype: str | None, encode: bool, folder: Path) -> dict[str, Any]:
    """Write the rows in the first dtype that holds them, and return their description."""
    compressed = outer_file(path) != path or path.suffix in (".gz", ".zip")
    total = None if compressed else path.stat().st_size - layout.body
    for held_as in DTYPES:
        if dtype is not None and held_as not in ("uint8", dtype):
            continue
        with progress(path, total) as bar:
            try:
                written = read_rows(
                    path,
                    layout,
                    "float64" if held_as == "float64" else dtype,
                    engine_for(path, layout),
                    partial(_Writer, path, folder, layout, held_as, dtype, bar, encode),
                )
            except _TooNarrowError:
                continue
        if written.fit:
            return written.finish()
    raise AssertionError("float64 holds every row")


class _TooNarrowError(Exception):
    """Rows do not fit the dtype of those before."""


class _Writer:
    """Writes the rows of a file in one dtype."""

    def __init__(
        self, where: Path, folder: Path, layout: Layout, held_as: str, dtype: str | None, bar: Any, encode: bool
    ) -> None:
        self._held_as, self._bar = np.dtype(held_as), bar
        self._layout, self._folder = layout, folder
        self._chunks = Chunks("float64" if held_as == "float64" else dtype)
        self._codes = Codes(f"{where}: the labels") if encode and layout.label is not None else None
        self._rows = 0
        for name in ("x", "y"):
            (folder / name).write_bytes(b"")
        if bar is not None:
            bar.reset()

    def add(self, numbers: NDArray[Any], cells: list[str], size: int) -> None:
        """Write some rows."""
        self._chunks.add(numbers)
        rows = self._chunks.taken()
        if rows.dtype != self._held_as and self._held_as == np.uint8:
            raise _TooNarrowError
        append(self._folder / "x", rows.astype(self._held_as, copy=False))
        if self._codes is not None:
            self._codes.see(np.array(cells, object), self._rows)
            append(self._folder / "y", self._codes.places(cells).astype(np.uint32))
        elif self._layout.label is not None:
            append(self._folder / "y", np.array([self._layout.dialect.number(cell) for cell in cells], np.float64))
        self._rows += len(rows)
        if self._bar is not None:
            self._bar.update(size)

    @property
    def fit(self) -> bool:
        """Whether the rows are held with sufficient precision."""
        return self._chunks.fit

    def finish(self) -> dict[str, Any]:
        """Write the codes of the labels, and return the description of what was written."""
        y = None if self._layout.label is None else "float64"
        about = {"rows": self._rows, "x": str(self._held_as), "y": y, "classes": None, "n_classes": 0}
        codes = self._codes
        if codes is not None:
            codes.finish()
            places = np.memmap(self._folder / "y", np.uint32, "r")
            for start in range(0, self._rows, ROWS_AT_ONCE):
                append(self._folder / "codes", codes.of_places(places[start : start + ROWS_AT_ONCE]))
            del places
            (self._folder / "codes").replace(self._folder / "y")
            about |= {"y": str(codes.dtype), "classes": codes.classes, "n_classes": codes.n_classes}
        return about

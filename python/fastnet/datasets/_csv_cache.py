"""The rows of CSV files as binary files in the cache, where they are converted once."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._codes import ROWS_AT_ONCE, Codes
from fastnet.datasets._dataset import Chunks
from fastnet.datasets._label_column import Asked, LabelColumn
from fastnet.datasets._layout import Layout, sniff, warn_of
from fastnet.datasets._streams import outer_file
from fastnet.datasets.download import cache_folder
from fastnet.datasets.tabular import engine_for, read_rows
from fastnet.files.rows import FileRows
from fastnet.files.stored import StoredDataset

__all__ = ["open_csv"]

VERSION = 1  # of the form of the cache
OLD = 86400.0  # seconds after which an unfinished conversion belongs to a killed process
DTYPES = ("uint8", "float32", "float64")


def open_csv(
    path: Path, rule: Asked, separator: str | None, decimal: str, dtype: str | None, *, encode: bool
) -> StoredDataset:
    """Return the rows of a CSV file from the cache, after a conversion if they are not there yet."""
    layout = sniff(path, rule, separator, decimal)
    status = outer_file(path).stat()
    stamp = [status.st_size, status.st_mtime_ns]
    options = [separator, decimal, layout.label, dtype, encode, VERSION]
    of_path = _hash(str(path.resolve()))
    folder = cache_folder() / "tables" / f"{of_path}-{_hash(json.dumps([stamp, options]))}"
    about = _about(folder)
    if about is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_outdated(folder.parent, of_path, stamp)
        _convert(path, layout, dtype, folder, stamp, encode)
        about = _about(folder)
        assert about is not None
    warn_of(path, layout.notes)
    rows = about["rows"]
    x = FileRows(str(folder / "x"), 0, (rows, len(layout.features)), np.dtype(about["x"]))
    y = None if layout.label is None else FileRows(str(folder / "y"), 0, (rows,), np.dtype(about["y"]))
    return StoredDataset(
        x,
        y,
        name=path.name,
        classes=about["classes"],
        n_classes=about["n_classes"],
        feature_names=layout.feature_names,
        label=None if layout.label is None else LabelColumn.of(layout.columns, layout.label),
    )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def _about(folder: Path) -> dict[str, Any] | None:
    """Return the description of converted rows; None if they are not there, or not as they were written."""
    try:
        about: dict[str, Any] = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        sizes = {name: (folder / name).stat().st_size for name in about["sizes"]}
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return about if sizes == about["sizes"] else None


def _remove_outdated(tables: Path, of_path: str, stamp: list[int]) -> None:
    """Remove what earlier contents of a file were converted to, and what killed processes left."""
    for folder in tables.glob(f"{of_path}-*"):
        about = _about(folder)
        if about is None or about["stamp"] != stamp:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in tables.glob(".fastnet-*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > OLD:
                shutil.rmtree(folder, ignore_errors=True)


def _convert(path: Path, layout: Layout, dtype: str | None, folder: Path, stamp: list[int], encode: bool) -> None:
    """Write the rows of a file to a folder, which appears under its name once it is complete."""
    temporary = Path(tempfile.mkdtemp(prefix=".fastnet-", dir=folder.parent))
    try:
        about = _written(path, layout, dtype, temporary, encode)
        about |= {"sizes": {name: (temporary / name).stat().st_size for name in about.pop("files")}, "stamp": stamp}
        (temporary / "about.json").write_text(json.dumps(about), encoding="utf-8")
        try:
            temporary.rename(folder)
        except OSError:
            if _about(folder) is None:  # no other process was faster
                raise
    except OSError as error:
        if error.filename is not None and str(folder.parent) not in str(error.filename):
            raise
        reason = (error.strerror or str(error)).lower()
        raise type(error)(
            f"cannot convert {path} in {folder.parent}: {reason}; the environment variable FASTNET_CACHE names another "
            "folder for the cache"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _written(path: Path, layout: Layout, dtype: str | None, folder: Path, encode: bool) -> dict[str, Any]:
    """Write the rows in the first dtype that holds them, and return their description."""
    compressed = outer_file(path) != path or path.suffix in (".gz", ".zip")
    total = None if compressed else path.stat().st_size - layout.body
    for held_as in DTYPES:
        if dtype is not None and held_as not in ("uint8", dtype):
            continue
        with _progress(path, total) as bar:
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


@contextmanager
def _progress(path: Path, total: int | None) -> Iterator[Any]:
    """Show a bar of the bytes that are converted, on a terminal and if tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=total, unit="B", unit_scale=True, desc=f"converting {path.name}", disable=None, leave=False) as bar:
        yield bar


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
        self._append("x", rows.astype(self._held_as, copy=False))
        if self._codes is not None:
            self._codes.see(np.array(cells, object), self._rows)
            self._append("y", self._codes.places(cells).astype(np.uint32))
        elif self._layout.label is not None:
            self._append("y", np.array([self._layout.dialect.number(cell) for cell in cells], np.float64))
        self._rows += len(rows)
        if self._bar is not None:
            self._bar.update(size)

    def _append(self, name: str, rows: NDArray[Any]) -> None:
        with (self._folder / name).open("ab") as file:
            file.write(np.ascontiguousarray(rows).data)

    @property
    def fit(self) -> bool:
        """Whether the rows are held with sufficient precision."""
        return self._chunks.fit

    def finish(self) -> dict[str, Any]:
        """Write the codes of the labels, and return the description of what was written."""
        about = {"rows": self._rows, "x": str(self._held_as), "y": "float64", "classes": None, "n_classes": 0}
        codes = self._codes
        if codes is not None:
            codes.finish()
            places = np.memmap(self._folder / "y", np.uint32, "r")
            for start in range(0, self._rows, ROWS_AT_ONCE):
                self._append("codes", codes.of_places(places[start : start + ROWS_AT_ONCE]))
            del places
            (self._folder / "codes").replace(self._folder / "y")
            about |= {"y": str(codes.dtype), "classes": codes.classes, "n_classes": codes.n_classes}
        return {**about, "files": ["x", "y"]}

"""Tables as binary files in the cache, where they are converted once."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets.download import cache_folder
from fastnet.files.rows import FileRows, version_of

__all__ = ["append", "cached", "progress"]

VERSION = 1  # of the form of the cache
OLD = 86400.0  # seconds after which an unfinished conversion belongs to a killed process


def cached(
    path: Path, files: Sequence[Path], options: list[Any], features: int, convert: Callable[[Path], dict[str, Any]]
) -> tuple[FileRows, FileRows | None, dict[str, Any]]:
    """Return the rows of a table, its labels and their description from the cache, after a conversion if needed.

    Parameters
    ----------
    path : Path
        The table: a file, or a folder of files.
    files : sequence of Path
        The files whose content is the table.
    options : list
        What else the result depends on.
    features : int
        The number of columns in the rows.
    convert : callable
        Writes the rows to a file x in a folder, the labels to a file y, and returns their description: "rows", the dtypes
        "x" and "y" (None without labels), "classes" and "n_classes".
    """
    stamp = _stamp(files)
    of_path = _hash(str(path.resolve()))
    folder = cache_folder() / "tables" / f"{of_path}-{_hash(json.dumps([stamp, options, VERSION]))}"
    about = _about(folder)
    if about is None:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_outdated(folder.parent, of_path, stamp)
        _convert(path, files, convert, folder, stamp)
        about = _about(folder)
        assert about is not None
    rows = about["rows"]
    x = FileRows(str(folder / "x"), 0, (rows, features), np.dtype(about["x"]))
    y = None if about["y"] is None else FileRows(str(folder / "y"), 0, (rows,), np.dtype(about["y"]))
    return x, y, about


def _stamp(files: Sequence[Path]) -> list[list[int]]:
    return [list(version_of(file)) for file in files]


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


def _remove_outdated(tables: Path, of_path: str, stamp: list[list[int]]) -> None:
    """Remove what earlier contents of a file were converted to, and what killed processes left."""
    for folder in tables.glob(f"{of_path}-*"):
        about = _about(folder)
        if about is None or about["stamp"] != stamp:
            shutil.rmtree(folder, ignore_errors=True)
    for folder in tables.glob(".fastnet-*"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime > OLD:
                shutil.rmtree(folder, ignore_errors=True)


def _convert(
    path: Path, files: Sequence[Path], convert: Callable[[Path], dict[str, Any]], folder: Path, stamp: list[list[int]]
) -> None:
    """Write the rows of a table to a folder, which appears under its name once it is complete."""
    temporary = Path(tempfile.mkdtemp(prefix=".fastnet-", dir=folder.parent))
    try:
        about = convert(temporary)
        if _stamp(files) != stamp:
            raise ValueError(f"{path} was written while it was converted; open it again")
        names = ["x"] if about["y"] is None else ["x", "y"]
        about |= {"sizes": {name: (temporary / name).stat().st_size for name in names}, "stamp": stamp}
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


@contextmanager
def progress(path: Path, total: int | None) -> Iterator[Any]:
    """Show a bar of the bytes that are converted, on a terminal and if tqdm is installed."""
    try:
        from tqdm import tqdm
    except ImportError:
        yield None
        return
    with tqdm(total=total, unit="B", unit_scale=True, desc=f"converting {path.name}", disable=None, leave=False) as bar:
        yield bar


def append(file: Path, rows: NDArray[Any]) -> None:
    """Write rows to the end of a file."""
    with file.open("ab") as stream:
        stream.write(np.ascontiguousarray(rows).data)

"""Opening of data sets that stay on the disk."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet.datasets import arrays
from fastnet.datasets._codes import coded
from fastnet.datasets._dataset import check_dtype
from fastnet.datasets._dialect import check_dialect
from fastnet.datasets._label_column import Asked, ModelColumns, Rule, Target, names_of_columns
from fastnet.datasets._streams import ZIP, exists, is_npz, open_data, outer_file
from fastnet.datasets._unused import refuse_unused
from fastnet.files.rows import ArrayRows, JoinedRows, Rows
from fastnet.files.stored import StoredDataset
from fastnet.support.validation import check_bool, describe

__all__ = ["kind_of", "open"]

NPY, PARQUET = b"\x93NUMPY", b"PAR1"
PATTERNS = {"npy": "x*.npy", "parquet": "*.parquet"}
MOST_NAMES = 5  # of files in a message
_NAMES = {"csv": "CSV", "parquet": "Parquet"}


def open(
    source: str | os.PathLike[str],
    y: str | os.PathLike[str] | NDArray[Any] | None = None,
    *,
    separator: str | None = None,
    decimal: str = ".",
    target: Target = "label",
    require_labels: bool = False,
    dtype: DTypeLike | None = None,
    encode: bool = True,
    ignore: Sequence[str] = (),
) -> StoredDataset:
    """Open a data set that stays on the disk, however large it is.

    `fit`, `evaluate` and `predict` read it block by block, so that memory does not depend on its size.

    Parameters
    ----------
    source : str or os.PathLike
        One of

        - an .npy file of samples in C order;
        - a folder of .npy files: all files x*.npy, in the order of their names, each with the targets in the file whose
          name begins with y instead, or all without;
        - a Parquet file with a column for each feature, or a folder of such files with the same columns; pyarrow reads
          a row group at a time. If one has more than 64 MB of samples, all rows are converted once, as those of CSV;
        - a CSV file, also compressed, which is converted once: the rows are kept as binary files in the folder
          ``tables`` of the cache, which FASTNET_CACHE names, until the file changes. The header and the columns of an
          index are found as in `load`.
    y : str, os.PathLike or ndarray, optional
        The targets of an .npy file: another .npy file, or an array. By default, if the name of the file begins with x,
        the file in the same folder whose name begins with y instead, if it is there.
    separator, decimal
        Of a CSV file, as in `load`.
    target : str, int or None, default "label"
        The label column of a CSV or Parquet file, as in `load`.
    require_labels : bool, default False
        Whether missing targets are an error.
    dtype : {"float32", "float64"}, optional
        The dtype of samples of a CSV or Parquet file other than bytes, as in `load`.
    encode : bool, default True
        Whether the targets are labels. They are read once, and become codes by the rules of `load`. With False the
        targets are numbers, as for a regression, or one-hot rows, and stay as they are.
    ignore : sequence of str, default ()
        Columns of a CSV or Parquet file that are left out, such as one that numbers the rows.

    Returns
    -------
    StoredDataset

    Raises
    ------
    FileNotFoundError
        If the file or folder does not exist.
    TypeError
        If `source` is not a path.
    ValueError
        If an argument is given that files of this kind have no use for; if a file is damaged, in another format or in
        Fortran order; if samples and targets differ in number; if the files of a folder differ in shape, dtype or
        columns, or are of both kinds; if labels are numbers with a fraction, or missing. Reading raises it if a file
        was written since it was opened.
    ImportError
        If a Parquet file needs pyarrow, which is not installed.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> rng = np.random.default_rng(0)
    >>> x = np.lib.format.open_memmap("x.npy", "w+", "uint8", (5000, 20))
    >>> x[:] = rng.integers(0, 256, x.shape)
    >>> np.save("y.npy", x[:, 0] > 127)
    >>> data = fn.datasets.open("x.npy", "y.npy")
    >>> model = fn.Sequential([fn.Rescaling(1 / 255), fn.Dense(2, "softmax")], seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    >>> history = model.fit(data, epochs=3, verbose=0)
    >>> len(history.history["loss"])
    3
    """
    dtype = check_dtype(dtype)
    check_dialect(separator, decimal)
    check_bool("encode", encode)
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"source must be a path; got {describe(source)}")
    path = Path(source)
    if not exists(path):
        raise FileNotFoundError(f"source must be a file or a folder; {path} does not exist")
    ignored = names_of_columns(ignore)
    rule = target if isinstance(target, ModelColumns) else Asked(target, require_labels, ignored)
    kind = kind_of(path)
    if kind is None:
        raise ValueError(_other(path))
    if y is not None and (kind != "npy" or path.is_dir()):
        raise ValueError(f"y is for a single .npy file; {path} is not one")
    given = {"separator": separator, "decimal": decimal, "target": target, "dtype": dtype, "ignore": ignored}
    refuse_unused(path, _NAMES.get(kind), **given)
    if kind == "csv":
        from fastnet.datasets._csv_cache import open_csv

        return open_csv(path, rule, separator, decimal, dtype, encode=encode)
    if kind == "parquet":
        return _open_parquet(_files(path, "*.parquet") if path.is_dir() else [path], path, rule, dtype, encode)
    if path.is_dir():
        x_rows, y_rows = _pairs(path)
    else:
        x_rows, y_rows = arrays.npy_rows(path), _targets_of(path, y)
    return _of_arrays(x_rows, y_rows, path, require_labels, encode)


def kind_of(path: Path) -> str | None:
    """Return what a file is, or what a folder has: "npy", "parquet" or "csv"; None for anything else."""
    if path.is_dir():
        kinds = [kind for kind, pattern in PATTERNS.items() if _files(path, pattern)]
        if len(kinds) > 1:
            raise ValueError(
                f"{path} has files {' and '.join(PATTERNS.values())}; expected one kind of data in a folder"
            )
        return kinds[0] if kinds else None
    if not outer_file(path).is_file():
        return None
    with outer_file(path).open("rb") as file:
        head = file.read(6)
    for magic, kind in ((NPY, "npy"), (PARQUET, "parquet")):
        if head.startswith(magic):
            return kind
    if head.startswith(ZIP) and path.is_file() and is_npz(path):
        return None
    with open_data(path) as stream:
        head = stream.read(4096)
    return None if b"\0" in head or head.startswith(ZIP) or not head else "csv"


def _other(path: Path) -> str:
    """Return a message about data that cannot be opened."""
    if not path.is_dir():
        what = "is empty" if path.is_file() and not path.stat().st_size else "is another"
        return f"{path} must be an .npy, Parquet or CSV file; it {what}; load reads others, into memory"
    names = sorted(file.name for file in path.iterdir())
    found = (
        f"it has {', '.join([*names[:MOST_NAMES], *['...'] * (len(names) > MOST_NAMES)])}" if names else "it is empty"
    )
    return f"{path} must have x*.npy or *.parquet files; {found}; load reads others, into memory"


def _files(folder: Path, pattern: str) -> list[Path]:
    return sorted((path for path in folder.glob(pattern) if path.is_file()), key=lambda path: path.name)


# ---- NumPy files ----------------------------------------------------------------------------------------------------


def _targets_of(path: Path, y: Any) -> Rows | None:
    """Return the targets of a .npy file: the given ones, or those in the file beside it."""
    if isinstance(y, str | os.PathLike):
        if not Path(y).is_file():
            raise FileNotFoundError(f"y must be an .npy file or an array; there is no file {Path(y)}")
        return arrays.npy_rows(Path(y))
    if y is not None:
        return ArrayRows(np.asarray(y))
    beside = _partner(path)
    return arrays.npy_rows(beside) if beside.is_file() else None


def _partner(path: Path) -> Path:
    """Return the file that may have the targets of a file whose name begins with x."""
    return path.with_name(f"y{path.name[1:]}") if path.name.startswith("x") else path / "none"


def _pairs(folder: Path) -> tuple[Rows, Rows | None]:
    """Return the rows of all pairs of .npy files in a folder."""
    files = _files(folder, "x*.npy")
    partners = [_partner(path) for path in files]
    found = [path for path in partners if path.is_file()]
    if found and len(found) < len(files):
        missing = next(path for path in partners if not path.is_file())
        raise ValueError(f"{folder} has no file {missing.name}; {found[0].name} and others have targets")
    if stray := {path.name for path in folder.glob("y*.npy")} - {path.name for path in partners}:
        raise ValueError(f"{folder} has {min(stray)}, but no file x{min(stray)[1:]} of samples")
    x, y = ([arrays.npy_rows(path) for path in paths] for paths in (files, found))
    for samples, targets in zip(x, y, strict=False):
        _check_lengths(samples, targets, samples.path)
    return _joined(x, files), _joined(y, found) if y else None


def _joined(parts: Sequence[Rows], paths: Sequence[Path]) -> Rows:
    """Return the rows of several files, whose shapes and dtypes must agree; labels may be wider in some of them."""
    first = parts[0]
    for part, path in zip(parts, paths, strict=True):
        same = part.dtype == first.dtype or (path.name.startswith("y") and _kind(part) == _kind(first))
        if part.shape[1:] != first.shape[1:] or not same:
            raise ValueError(
                f"{path} has rows of shape {part.shape[1:]} and dtype {part.dtype}; {paths[0].name} has rows of shape "
                f"{first.shape[1:]} and dtype {first.dtype}"
            )
    return first if len(parts) == 1 else JoinedRows(parts, [path.name for path in paths])


def _kind(rows: Rows) -> str:
    """Return whether values are whole numbers, text or something else."""
    return "i" if rows.dtype.kind in "iu" else rows.dtype.kind


def _check_lengths(x: Rows, y: Rows, where: object) -> None:
    if not y.shape or x.shape[0] != y.shape[0]:
        raise ValueError(f"{where} has {x.shape[0]} rows; its targets have shape {y.shape}")


def _of_arrays(x: Rows, y: Rows | None, path: Path, require_labels: bool, encode: bool) -> StoredDataset:
    if len(x.shape) < 2 or x.dtype.kind not in "buif":
        raise ValueError(f"{path} has shape {x.shape} and dtype {x.dtype}; expected rows of numbers")
    if 0 in x.shape:
        raise ValueError(f"{path} has shape {x.shape}; expected at least one sample and one feature")
    if y is None:
        if require_labels:
            raise ValueError(f"{path} has no labels: give y, or the file y*.npy beside x*.npy")
        return StoredDataset(x, name=path.name)
    _check_lengths(x, y, path)
    classes, n_classes = None, 0
    if encode:
        y, classes, n_classes = coded(y, f"{path}: the labels")
    return StoredDataset(x, y, name=path.name, classes=classes, n_classes=n_classes)


# ---- Parquet --------------------------------------------------------------------------------------------------------


def _open_parquet(paths: list[Path], path: Path, rule: Rule, dtype: str | None, encode: bool) -> StoredDataset:
    from fastnet.datasets._parquet_cache import converted, has_large_groups
    from fastnet.datasets._parquet_rows import ParquetFiles, ParquetRows

    files = ParquetFiles(paths, rule)
    y: Rows | None = None
    x: Rows
    classes, n_classes, held_as = None, 0, files.dtype_of(dtype)
    if has_large_groups(files, held_as):
        x, y, about = converted(files, path, held_as, encode)
        classes, n_classes = about["classes"], about["n_classes"]
    else:
        x = ParquetRows(files, files.names, held_as)
        if files.target is not None:
            y = ParquetRows(files, [files.target], files.dtype_of_target(), single=True)
            if encode:
                y, classes, n_classes = coded(y, f"{path}: the labels")
    return StoredDataset(
        x,
        y,
        name=path.name,
        classes=classes,
        n_classes=n_classes,
        feature_names=files.names,
        label=files.label,
    )

"""From a name or a path to a `Dataset`: which reader it is, by what the file holds."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets import arrays, digits, fashion_mnist, idx, mnist
from fastnet.datasets._dataset import Dataset, features
from fastnet.datasets._labels import encode
from fastnet.datasets._streams import open_data
from fastnet.datasets.download import Collection

__all__ = ["load"]

COLLECTIONS: dict[str, Collection] = {"mnist": mnist.COLLECTION, "fashion_mnist": fashion_mnist.COLLECTION}
NAMES = ("digits", *COLLECTIONS)

# The first bytes of the binary formats; what has none of them is read as CSV.
PARQUET, NPY, ZIP, IDX = b"PAR1", b"\x93NUMPY", b"PK\x03\x04", b"\x00\x00"


def load(source: str | os.PathLike[str], *, target: str | int | None = "label", require_labels: bool = False) -> Dataset:
    """Read a data set by its name or from a file.

    Parameters
    ----------
    source : str or os.PathLike
        "digits", "mnist" or "fashion_mnist"; a folder with IDX files of MNIST's names; or a file, compressed with gzip or
        not: CSV, IDX (with its labels beside it), ``.npz``, ``.npy``, Parquet. What a file holds decides, not its name.
    target : str, int or None, default "label"
        For files with columns: the label column, by its name or its index. None: every column is a feature. A CSV file
        without a header has the label in its first column.
    require_labels : bool, default False
        Whether data without labels are an error.

    Returns
    -------
    Dataset
        With the official test part, where there is one.

    Raises
    ------
    FileNotFoundError
        If there is no such file, and `source` is not one of the names.
    ValueError
        If the data are damaged, not numbers, or not finite; the message names the file, and the line where there is one.
    ConnectionError
        If a data set must be downloaded and cannot be.
    ImportError
        If a library is missing that reads the file.

    Examples
    --------
    >>> from fastnet.datasets import load
    >>> load("digits")
    <Dataset 'digits': x (1797, 64) uint8, 10 classes>
    """
    name = os.fspath(source)
    if name == "digits":
        x, y = digits.load_data()
        return Dataset(x, y.astype(np.int64), name="digits", image_shape=(8, 8))
    if name in COLLECTIONS:
        return _from_folder(COLLECTIONS[name].folder(), name)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{name}: no such file or folder, nor one of the data sets {', '.join(NAMES)}")
    data = _from_folder(path, path.name) if path.is_dir() else _from_file(path, target, require_labels)
    if require_labels and data.y is None:
        raise ValueError(f"{name} has no labels")
    return data


def _from_folder(folder: Path, name: str) -> Dataset:
    train = idx.read_part(folder, "train")
    has_test = any(idx.find(folder, file) for file in idx.FILES if file.startswith("t10k"))
    test = idx.read_part(folder, "t10k") if has_test else None
    return _dataset(name, str(folder), train.images, train.labels, *((None, None) if test is None else test))


def _from_file(path: Path, target: str | int | None, require_labels: bool) -> Dataset:
    with open_data(path) as stream:
        start = stream.read(6)
    if start.startswith(PARQUET):
        from fastnet.datasets.parquet import read_parquet

        return _from_table(path, *read_parquet(path, target=target, require_labels=require_labels))
    if start.startswith(NPY):
        return _dataset(path.name, str(path), arrays.read_npy(path))
    if start.startswith(ZIP):
        x, y, test = arrays.read_npz(path)
        return _dataset(path.name, str(path), x, y, test.get("x"), test.get("y"))
    if start.startswith(IDX):
        return _dataset(path.name, str(path), *idx.read_beside(path))
    from fastnet.datasets.tabular import read_csv

    return _from_table(path, *read_csv(path, target=target, require_labels=require_labels))


def _from_table(path: Path, x: NDArray[Any], labels: NDArray[Any] | None, feature_names: list[str] | None) -> Dataset:
    y, classes = (None, None) if labels is None else encode(labels, f"{path}: the labels")
    return Dataset(x, y, classes, feature_names, path.name)


def _dataset(
    name: str,
    where: str,
    x: NDArray[Any],
    y: NDArray[Any] | None = None,
    x_test: NDArray[Any] | None = None,
    y_test: NDArray[Any] | None = None,
) -> Dataset:
    """Return a data set from arrays; both parts get their codes from one list of classes."""
    rows, image_shape = features(x, where)
    parts = [labels for labels in (y, y_test) if labels is not None]
    for labels, samples in ((y, x), (y_test, x_test)):
        if labels is not None and samples is not None and len(labels) != len(samples):
            raise ValueError(f"{where} has {len(labels)} labels for {len(samples)} samples")
    codes, classes = encode(np.concatenate(parts), f"{where}: the labels") if parts else (None, None)
    boundary = 0 if y is None else len(y)
    test = None
    if x_test is not None:
        test_rows, test_image_shape = features(x_test, f"{where}, test part")
        if test_rows.shape[1] != rows.shape[1]:
            raise ValueError(f"{where} has {rows.shape[1]} features, its test part {test_rows.shape[1]}")
        test_codes = None if codes is None or y_test is None else codes[boundary:]
        test = Dataset(test_rows, test_codes, classes, name=name, image_shape=test_image_shape)
    own = None if codes is None or y is None else codes[:boundary]
    return Dataset(rows, own, classes, name=name, image_shape=image_shape, test=test)

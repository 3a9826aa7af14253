"""Loading of a data set by name or path."""

import codecs
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet.datasets import _labels, arrays, digits, fashion_mnist, idx, mnist, parquet, tabular
from fastnet.datasets._dataset import Dataset, check_dtype, features
from fastnet.datasets._dialect import check_dialect
from fastnet.datasets._label_column import ModelColumns, Target, names_of_columns
from fastnet.datasets._pipes import as_file
from fastnet.datasets._streams import ZIP, exists, is_npz, open_data
from fastnet.datasets._targets import are_numbers, as_numbers, refuse_spoiled_numbers
from fastnet.datasets._unused import refuse_unused
from fastnet.support.text import did_you_mean

__all__ = ["load"]


def load(
    source: str | os.PathLike[str],
    *,
    separator: str | None = None,
    decimal: str = ".",
    target: Target = "label",
    require_labels: bool = False,
    dtype: DTypeLike | None = None,
    encode: bool | str = True,
    ignore: Sequence[str] = (),
) -> Dataset:
    """Load a data set by its name, or from a file or a folder.

    The format of a file is detected from its content. IDX and CSV files may be compressed with gzip or in a zip
    archive, as on Kaggle. A file may be a pipe.

    Parameters
    ----------
    source : str or os.PathLike
        One of

        - a name: "digits", "mnist", "fashion_mnist" (write "./mnist" for a folder of that name);
        - a folder with MNIST's IDX files, train-* and, as the test part, t10k-*;
        - an IDX file of images, with its labels in the same folder, in the file with "labels" instead of "images";
        - a CSV file with a row for each sample: Kaggle's layout with a header, or without a header and the label
          first. Whether the first line is a header and which columns are an index is decided as
          `fastnet.datasets.tabular.read_csv` says;
        - one of several files in a zip archive: "titanic.zip/train.csv";
        - a Parquet file with a column for each feature;
        - an .npz file with x_train, y_train, x_test and y_test, or x and y, or X and y;
        - an .npy file of samples.
    separator : {",", ";", "\\t", "|", " "}, optional
        The separator of the cells of a CSV file; a space means any run of white space. By default a comma, or a tab if
        the name of the file ends in .tsv; a file that seems to have another separator is then refused.
    decimal : {".", ","}, default "."
        The decimal sign in a CSV file.
    target : str, int or None, default "label"
        The label column of a CSV or Parquet file: a name, or an index (-1 is the last). None: every column is a
        feature. A file without a "label" column has no labels.
    require_labels : bool, default False
        Whether it is an error when there are no labels.
    dtype : {"float32", "float64"}, optional
        The dtype of samples other than bytes, which IDX files and the named data sets have. By default float32, or
        float64 if float32 cannot represent a column: its values are out of range, or nearly equal in float32.
    encode : bool or "auto", default True
        Whether the targets are labels, which become codes. With False they are numbers, for a regression. "auto" takes
        numbers with a fraction as such; and whole numbers, unless two of these hold: there are at most 20 different
        ones, each occurs five times on average, they count from 0 or 1 without gaps. Text is labels; that of a table is
        refused if it seems to be numbers but for a few cells, or if more than half of over 20 rows have their own.
    ignore : sequence of str, default ()
        Columns of a CSV or Parquet file that are left out, such as one that numbers the rows.

    Returns
    -------
    Dataset

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If `separator`, `decimal` or `target` is given for a source that has no use for it; if the content is damaged,
        in an unknown format, or holds anything but finite numbers; if there are no labels and `require_labels` is set;
        if `separator`, `decimal` or `dtype` is invalid, or `separator` and `decimal` are both commas; if, without
        `separator`, the cells seem to have another separator than the default. The message is one line that names the
        file and, for a CSV file, the line or suitable options.
    ImportError
        If a Parquet file needs a package that is not installed.
    ConnectionError
        If a data set is not on this machine and cannot be downloaded.

    Warns
    -----
    DataFileWarning
        An index that pandas wrote is left out, or a first line of numbers is a header.

    Examples
    --------
    >>> from pathlib import Path
    >>> from fastnet.datasets import load
    >>> _ = Path("flowers.csv").write_text("width,height,label\\n1.5,2,rose\\n0.5,9,tulip\\n")
    >>> flowers = load("flowers.csv")
    >>> flowers
    <Dataset 'flowers.csv': x (2, 2) float32, 2 classes>
    >>> flowers.y, flowers.classes, flowers.feature_names
    (array([0, 1]), ['rose', 'tulip'], ['width', 'height'])
    """
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"source must be a name or a path; got {type(source).__name__}")
    dtype = check_dtype(dtype)
    check_dialect(separator, decimal)
    if encode not in (True, False, "auto"):
        raise ValueError(f"encode must be True, False or 'auto'; got {encode!r}")
    given = {"separator": separator, "decimal": decimal, "target": target, "ignore": names_of_columns(ignore)}
    if isinstance(source, str) and source in NAMES:
        refuse_unused(source, None, **given)
        return NAMES[source](encode)
    path = Path(source)
    with as_file(path) as file:
        if not exists(file):
            raise FileNotFoundError(
                f"there is no file or folder {path}, and no data set of this name (known are {', '.join(NAMES)})"
                f"{did_you_mean(str(source), NAMES)}"
            )
        if file.is_dir():
            refuse_unused(path, None, **given)
            return _from_idx_folder(file, encode)
        kind = _kind(file)
        refuse_unused(path, TABLES.get(kind), **given)
        if kind in TABLES:
            text: dict[str, Any] = {"separator": separator, "decimal": decimal} if kind is tabular.read_csv else {}
            text["ignore"] = given["ignore"]
            table = kind(file, target=target, require_labels=require_labels, dtype=dtype, **text)
            needed = require_labels or not isinstance(target, ModelColumns)
            return _from_table(table, file, encode, decimal, needed=needed)
        dataset: Dataset = kind(file, dtype, encode)
    if require_labels and dataset.y is None:
        raise ValueError(f"{path} has no labels")
    return dataset


def _kind(path: Path) -> Callable[..., Any]:
    """Return the function that reads a file, chosen by its first bytes."""
    outer = b""
    if path.is_file():  # not a file inside an archive
        with path.open("rb") as file:
            outer = file.read(6)
    if outer.startswith(ZIP) and is_npz(path):
        return _from_npz
    for magic, reader in MAGIC.items():
        if outer.startswith(magic):
            return reader
    with open_data(path) as stream:
        head = stream.read(4096)
    if not head:
        raise ValueError(f"{path} is empty")
    if head.startswith(b"\0\0"):
        return _from_idx
    if b"\0" in head or head.startswith((ZIP, *MAGIC)):
        raise ValueError(
            f"{path} is not in a known format; expected IDX or CSV (also compressed with gzip), "
            f"npz, npy or Parquet{_hint(head)}"
        )
    return tabular.read_csv


def _hint(head: bytes) -> str:
    """Return a hint for text in another encoding."""
    bom = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    return "; save text in UTF-16 as UTF-8" if head.startswith(bom) or not (any(head[::2]) and any(head[1::2])) else ""


def _from_digits(encode: bool | str) -> Dataset:
    x, y = digits.load_data()
    return _dataset(x, y, "digits", encode, image_shape=(8, 8))


def _from_mnist(encode: bool | str) -> Dataset:
    (x, y), test = mnist.load_data()
    return _dataset(x, y, "mnist", encode, test=test)


def _from_fashion_mnist(encode: bool | str) -> Dataset:
    (x, y), test = fashion_mnist.load_data()
    data = _dataset(x, y, "fashion_mnist", encode, test=test)
    assert data.test is not None
    if data.is_regression:
        return data
    classes = list(fashion_mnist.CLASS_NAMES)
    return replace(data, classes=classes, test=replace(data.test, classes=classes))


def _from_idx_folder(path: Path, encode: bool | str) -> Dataset:
    if not any(idx.find(path, name) for name in idx.FILES):
        names = ", ".join(sorted(file.name for file in path.iterdir())[:3]) or "nothing"
        raise FileNotFoundError(
            f"the folder {path} holds none of MNIST's IDX files, such as {idx.FILES[0]}.gz; it has {names}. A folder of "
            "x*.npy or *.parquet files is data for fastnet.datasets.open and for the command line"
        )
    x, y = idx.read_part(path, "train")
    has_test = any(idx.find(path, name) for name in idx.FILES if name.startswith("t10k"))
    return _dataset(x, y, path.resolve().name, encode, test=idx.read_part(path, "t10k") if has_test else None)


def _from_idx(path: Path, dtype: str | None, encode: bool | str) -> Dataset:
    del dtype  # all values are bytes
    x, y = idx.read_beside(path)
    if x.ndim == 1:
        raise ValueError(f"{path} holds labels; give the file of the images")
    return _dataset(x, y, path.name, encode, where=str(path))


def _from_npz(path: Path, dtype: str | None, encode: bool | str) -> Dataset:
    x, y, test = arrays.read_npz(path)
    parts = (test["x"], test.get("y")) if test else None
    return _dataset(x, y, path.name, encode, test=parts, where=str(path), dtype=dtype)


def _from_npy(path: Path, dtype: str | None, encode: bool | str) -> Dataset:
    return _dataset(arrays.read_npy(path), None, path.name, encode, where=str(path), dtype=dtype)


def _from_table(table: tabular.Table, path: Path, encode: bool | str, decimal: str, *, needed: bool) -> Dataset:
    where = f"{path}: the labels"
    if table.labels is not None and encode == "auto" and needed and not are_numbers(table.labels, decimal):
        refuse_spoiled_numbers(table.labels, where, decimal, table.line_of)
    y, classes = (None, None) if table.labels is None else _targets_of(table.labels, where, encode, decimal)
    return Dataset(table.x, y, classes, table.feature_names, path.name, label=table.label)


def _dataset(
    x: NDArray[Any],
    y: NDArray[Any] | None,
    name: str,
    encode: bool | str,
    *,
    image_shape: tuple[int, ...] | None = None,
    test: tuple[NDArray[Any], NDArray[Any] | None] | None = None,
    where: str | None = None,
    dtype: str | None = None,
) -> Dataset:
    """Return the Dataset for arrays. The labels of both parts are encoded together, with the same codes."""
    where = where or name
    rows, shape = features(x, where, dtype)
    image_shape = image_shape or shape
    if test is None:
        codes, classes = (None, None) if y is None else _encode(y, len(x), where, encode)
        return Dataset(rows, codes, classes, None, name, image_shape)
    x_test, y_test = test
    test_rows, _ = features(x_test, f"{where}, the test part", "float64" if rows.dtype == np.float64 else dtype)
    if test_rows.shape[1] != rows.shape[1]:
        raise ValueError(f"{where}: the test part has {test_rows.shape[1]} features, the training part {rows.shape[1]}")
    if y is None or y_test is None:
        codes, classes = (None, None) if y is None else _encode(y, len(x), where, encode)
        return Dataset(rows, codes, classes, None, name, image_shape, Dataset(test_rows, name=name))
    if y.shape[1:] != y_test.shape[1:]:
        raise ValueError(f"{where}: the labels have shape {y.shape}, those of the test part {y_test.shape}")
    both, classes = _encode(np.concatenate([y, y_test]), len(x) + len(x_test), where, encode)
    test_set = Dataset(test_rows, both[len(x) :], classes, None, name, image_shape)
    return Dataset(rows, both[: len(x)], classes, None, name, image_shape, test_set)


def _encode(
    labels: NDArray[Any], samples: int, where: str, encode: bool | str
) -> tuple[NDArray[Any], list[str] | None]:
    if labels.ndim == 0 or len(labels) != samples:
        raise ValueError(f"{where}: there are {samples} samples, but the labels have shape {labels.shape}")
    return _targets_of(labels, f"{where}: the labels", encode)


def _targets_of(
    targets: NDArray[Any], where: str, encode: bool | str, decimal: str = "."
) -> tuple[NDArray[Any], list[str] | None]:
    """Return the codes of labels, and the text of each code; or numbers, for a regression."""
    if encode is False or (encode == "auto" and are_numbers(targets, decimal)):
        return as_numbers(targets, where, decimal), None
    return _labels.encode(targets, where)


NAMES: dict[str, Callable[[bool | str], Dataset]] = {
    "digits": _from_digits,
    "mnist": _from_mnist,
    "fashion_mnist": _from_fashion_mnist,
}
TABLES = {tabular.read_csv: "CSV", parquet.read_parquet: "Parquet"}
MAGIC: dict[bytes, Callable[..., Any]] = {
    b"PAR1": parquet.read_parquet,
    b"\x93NUMPY": _from_npy,
}

"""The data set that every loader returns, and the choice of the dtype in which numbers are stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet.datasets._label_column import LabelColumn
from fastnet.support.validation import check_choice

__all__ = ["FLOAT32_MAX", "Chunks", "Dataset", "Extremes", "check_dtype", "compact", "features"]

FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT32_RANGE = (
    2.0**-118,
    2.0**120,
)  # of the largest value in a column, so that the factor that scales it to 1 is also in range
ROUNDING = 4.0  # times the precision of a dtype: numbers closer than this, relative to the largest, may be equal
LEVELS = 64  # distinct numbers that a column's dtype must have between its least and its greatest value
CHUNK_ROWS = 4096  # rows that are processed together, so that temporary arrays stay small


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Samples and their labels.

    Attributes
    ----------
    x : ndarray of shape (n, features), uint8, float32 or float64
        The samples, one per row: uint8 if every value is a whole number from 0 to 255, else float32. It is float64 if
        float32 cannot represent a column, with numbers such as 1e40, or as close as 1e9 and 1e9 + 1. The values are not
        scaled.
    y : ndarray of shape (n,), int64, or ndarray of shape (n,) or (n, k), float64, or None
        The label of each sample, a code from 0 to the number of classes - 1; or numbers, for a regression. None if the
        source has no labels.
    classes : list of str or None
        The label of each code, as text. None if the labels are the codes themselves, or the targets are numbers.
    feature_names : list of str or None
        The names of the columns of `x`, if the source has names.
    name : str
        The name of the data set or of its file.
    image_shape : tuple of int or None
        The shape of one sample before it was flattened to a row, such as (28, 28).
    test : Dataset or None
        The test part, if the source has one. It has the codes and classes of the training part.
    label : LabelColumn or None
        The label column of a table: its name, None without a header, and its index, -1 for the last.

    Examples
    --------
    >>> from fastnet.datasets import load
    >>> digits = load("digits")
    >>> digits
    <Dataset 'digits': x (1797, 64) uint8, 10 classes>
    >>> digits.x[0].reshape(digits.image_shape)[0]
    array([ 0,  0,  5, 13,  9,  1,  0,  0], dtype=uint8)
    """

    x: NDArray[Any]
    y: NDArray[Any] | None = None
    classes: list[str] | None = None
    feature_names: list[str] | None = None
    name: str = ""
    image_shape: tuple[int, ...] | None = None
    test: "Dataset | None" = None
    label: LabelColumn | None = None

    def __len__(self) -> int:
        """Return the number of samples, without the test part."""
        return len(self.x)

    def __repr__(self) -> str:
        labels = "no labels" if self.y is None else "numbers" if self.is_regression else f"{self.n_classes} classes"
        test = "" if self.test is None else f", {len(self.test)} test samples"
        return f"<Dataset {self.name!r}: x {self.x.shape} {self.x.dtype}, {labels}{test}>"

    @property
    def is_regression(self) -> bool:
        """Whether the targets are numbers, not codes of classes."""
        return self.y is not None and self.y.dtype.kind == "f"

    @property
    def n_classes(self) -> int:
        """Number of classes in the training and the test part; 0 without labels."""
        if self.classes is not None:
            return len(self.classes)
        if self.is_regression:
            return 0
        parts = [part.y for part in (self, self.test) if part is not None and part.y is not None and part.y.size]
        return max((int(y.max()) + 1 for y in parts), default=0)

    @property
    def class_names(self) -> list[str] | None:
        """The text of each code: `classes`, or "0", "1", ...; None without labels, or if they are numbers."""
        if self.y is None or self.is_regression:
            return None
        return list(self.classes) if self.classes is not None else [str(code) for code in range(self.n_classes)]

    def with_classes(self, class_names: Sequence[str]) -> "Dataset":
        """Return the same samples with codes that index `class_names`, such as those of a trained model.

        Evaluation data may lack some of the classes that a model was trained on; their codes then differ from those
        of the model.

        Parameters
        ----------
        class_names : sequence of str
            The text of each code of the result.

        Returns
        -------
        Dataset

        Raises
        ------
        ValueError
            If the data has a label that is not among `class_names`.
        """
        own = self.class_names
        if own is None:
            return self
        wanted = {name: code for code, name in enumerate(class_names)}
        codes = np.array([wanted.get(name, -1) for name in own], dtype=np.int64)
        for part in (self, self.test):
            unknown = (
                [] if part is None or part.y is None else sorted({own[code] for code in part.y[codes[part.y] < 0]})
            )
            if unknown:
                known = ", ".join(map(repr, list(class_names)[:10])) + (", ..." if len(class_names) > 10 else "")
                raise ValueError(
                    f"{self.name}: the label {unknown[0]!r} is not one of the {len(class_names)} "
                    f"known classes ({known})"
                )
        test = None if self.test is None else self.test._recoded(codes, class_names)
        return replace(self._recoded(codes, class_names), test=test)

    def _recoded(self, codes: NDArray[np.int64], class_names: Sequence[str]) -> "Dataset":
        return replace(self, y=None if self.y is None else codes[self.y], classes=list(class_names))


def features(values: NDArray[Any], where: str, dtype: str | None = None) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Return samples as rows in their compact dtype, and the shape of one sample if it is an image.

    Raises ValueError, beginning with `where`, unless they are an array of finite numbers with at least one row.
    """
    if values.ndim < 2:
        raise ValueError(f"{where} has shape {values.shape}; expected (samples, features) or (samples, height, width)")
    if values.dtype.kind not in "buif":
        raise ValueError(f"{where} holds {values.dtype}; expected numbers")
    if not values.size:
        raise ValueError(f"{where} has shape {values.shape}; expected at least one sample and one feature")
    image_shape = values.shape[1:] if values.ndim > 2 else None
    return compact(values.reshape(len(values), -1), where, dtype), image_shape


# ---- Storage --------------------------------------------------------------------------------------------------------


def check_dtype(dtype: DTypeLike | None) -> str | None:
    """Return the name of a dtype that samples may be stored in, or None."""
    return None if dtype is None else check_choice("dtype", np.dtype(dtype).name, ("float32", "float64"))


def compact(values: NDArray[Any], where: str, dtype: str | None = None) -> NDArray[Any]:
    """Return a matrix of numbers in the smallest suitable dtype.

    Parameters
    ----------
    values : ndarray of shape (n, features)
    where : str
        A description of the values, for messages.
    dtype : {"float32", "float64"}, optional
        The dtype of numbers other than bytes. By default float32, or float64 if float32 cannot represent a column: its
        values are out of range, or nearly equal in float32.

    Returns
    -------
    ndarray, uint8, float32 or float64
        uint8 if every value is a whole number from 0 to 255, after rounding to float32 unless `dtype` is "float64".

    Raises
    ------
    ValueError
        If a value is not finite, or out of the range of float32 if `dtype` is "float32".
    """
    if values.dtype == np.uint8:
        return values
    chunks = [slice(start, start + CHUNK_ROWS) for start in range(0, len(values), CHUNK_ROWS)]
    exact = np.result_type(values.dtype, np.float32) == np.float32
    if dtype is None:
        extremes = Extremes()
        for chunk in () if exact else chunks:
            extremes.include(values[chunk])
        dtype = "float32" if exact or extremes.fit_float32() else "float64"
    if all(_are_bytes(values[chunk], dtype) for chunk in chunks):
        return values.astype(np.uint8, copy=False)
    for chunk in chunks:
        _check_finite(values[chunk], dtype, where, chunk.start)
    if dtype == "float64" or exact:
        return values.astype(dtype, copy=False)
    narrow = np.empty(values.shape, dtype=np.float32)
    for chunk in chunks:
        narrow[chunk] = values[chunk].astype(np.float64, copy=False)
    return narrow


class Extremes:
    """The smallest and largest value of every column of a matrix that is read chunk by chunk."""

    def __init__(self) -> None:
        self._low: Any = np.inf
        self._high: Any = -np.inf

    def include(self, chunk: NDArray[Any]) -> None:
        """Update the ranges with more rows."""
        with np.errstate(over="ignore"):  # values may be wider than float64
            self._low = np.minimum(self._low, chunk.min(axis=0).astype(np.float64, copy=False))
            self._high = np.maximum(self._high, chunk.max(axis=0).astype(np.float64, copy=False))

    def are_bytes(self) -> bool:
        """Return whether all values are from 0 to 255."""
        return bool(np.min(self._low) >= 0 and np.max(self._high) <= 255)

    def fit_float32(self) -> bool:
        """Return whether float32 represents every column: its values are in range, and do not all become equal.

        A column whose values are nearly equal in float64, too, is a constant with rounding errors.
        """
        with np.errstate(all="ignore"):  # NaN and infinities are refused later; here they may do either
            width = self._high - self._low
            largest = np.maximum(np.abs(self._high), np.abs(self._low))
            lost = (width < largest * LEVELS * 2.0**-23) & (width > largest * ROUNDING * 2.0**-52)
            outside = (largest > FLOAT32_RANGE[1]) | ((largest > 0) & (largest < FLOAT32_RANGE[0]))
        return not (lost | outside).any()


class Chunks:
    """A matrix that is read chunk by chunk; each chunk is stored as by `compact`.

    Parameters
    ----------
    dtype : {"float32", "float64"}, optional
        As in `compact`. By default float32; `fit` then says whether that is sufficient.
    """

    def __init__(self, dtype: str | None) -> None:
        self._dtype = dtype or "float32"
        self._any_dtype = dtype is None
        self._extremes = Extremes()
        self._chunks: list[NDArray[Any]] = []
        self._empty = True

    def add(self, values: NDArray[Any]) -> None:
        """Store more rows; raises ValueError for a value that is not finite."""
        self._empty = False
        _check_finite(values, "float64" if self._any_dtype else self._dtype, "the chunk", 0)
        if self._any_dtype:
            self._extremes.include(values)
        kept = "uint8" if _are_bytes(values, self._dtype) else self._dtype
        if values.dtype != kept:
            with np.errstate(over="ignore"):  # reported by `fit`
                values = values.astype(np.float64, copy=False).astype(kept, copy=False)
        self._chunks.append(values)

    @property
    def fit(self) -> bool:
        """Whether the rows so far are stored with sufficient precision."""
        return not self._any_dtype or self._empty or self._extremes.fit_float32()

    def taken(self) -> NDArray[Any]:
        """Return the last rows that were added, and keep none of them."""
        chunk = self._chunks.pop()
        self._chunks.clear()
        return chunk

    def joined(self) -> NDArray[Any]:
        """Return the matrix."""
        return self._chunks[0] if len(self._chunks) == 1 else np.concatenate(self._chunks)


def _are_bytes(chunk: NDArray[Any], dtype: str) -> bool:
    if chunk.dtype.kind == "f":
        with np.errstate(over="ignore"):
            chunk = chunk.astype(dtype, copy=False)  # check the stored values: 1e-184 becomes 0 in float32
    if not (chunk.min() >= 0 and chunk.max() <= 255):  # also for NaN
        return False
    return chunk.dtype.kind != "f" or bool((chunk == np.floor(chunk)).all())


def _check_finite(chunk: NDArray[Any], dtype: str, where: str, first_row: int) -> None:
    if chunk.dtype.kind != "f":
        return
    wide = chunk.dtype.itemsize > 4 and dtype == "float32"
    bad = ~(np.abs(chunk) <= FLOAT32_MAX) if wide else ~np.isfinite(chunk)
    if bad.any():
        row, column = (int(index) for index in np.argwhere(bad)[0])
        value = chunk[row, column]
        reason = "is not a finite number" if not np.isfinite(value) else "is too large for float32"
        raise ValueError(f"{where}: the value {value:g} in row {first_row + row}, column {column} {reason}")

"""What every loader returns, and the one rule by which numbers are stored."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FLOAT32_MAX", "Dataset", "compact", "features"]

FLOAT32_MAX = float(np.finfo(np.float32).max)
BLOCK_ROWS = 4096  # rows that are looked at together: temporary arrays stay small beside the data


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Samples and their labels.

    Attributes
    ----------
    x : ndarray of shape (n, features), uint8 or float32
        The samples, a row each. uint8 where every value is a whole number from 0 to 255, else float32; the values are
        those of the source, unscaled.
    y : ndarray of shape (n,), int64, or None
        The label of each sample, a code from 0 to the number of classes - 1. None where the source has no labels.
    classes : list of str or None
        The label behind each code, as text. None where the labels are the codes themselves.
    feature_names : list of str or None
        The names of the columns of `x`, where the source names them.
    name : str
        The name of the data set or of its file.
    image_shape : tuple of int or None
        The shape of one sample before it was flattened into a row, where it had one: (28, 28).
    test : Dataset or None
        The test part, where the source has an official one. Its codes and classes are those of the training part.

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
    y: NDArray[np.int64] | None = None
    classes: list[str] | None = None
    feature_names: list[str] | None = None
    name: str = ""
    image_shape: tuple[int, ...] | None = None
    test: "Dataset | None" = None

    def __len__(self) -> int:
        """Return the number of samples, without the test part."""
        return len(self.x)

    def __repr__(self) -> str:
        labels = "no labels" if self.y is None else f"{self.n_classes} classes"
        test = "" if self.test is None else f", {len(self.test)} test samples"
        return f"<Dataset {self.name!r}: x {self.x.shape} {self.x.dtype}, {labels}{test}>"

    @property
    def n_classes(self) -> int:
        """Number of classes in the training and the test part; 0 without labels."""
        if self.classes is not None:
            return len(self.classes)
        parts = [part.y for part in (self, self.test) if part is not None and part.y is not None and part.y.size]
        return max((int(y.max()) + 1 for y in parts), default=0)

    @property
    def class_names(self) -> list[str] | None:
        """The text of each code: `classes`, or "0", "1", ...; None without labels."""
        if self.y is None:
            return None
        return list(self.classes) if self.classes is not None else [str(code) for code in range(self.n_classes)]

    def with_classes(self, class_names: Sequence[str]) -> "Dataset":
        """Return the same samples with codes that count in `class_names`, such as those of a trained model.

        Data to evaluate a model on may lack some of the classes that it was trained on; its codes are then other
        numbers than the model's.

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


def features(values: NDArray[Any], where: str) -> tuple[NDArray[Any], tuple[int, ...] | None]:
    """Return an array of samples as rows in their compact dtype, and the shape of one sample where it is an image.

    Raises ValueError, beginning with `where`, for what is not an array of finite numbers with at least one row.
    """
    if values.ndim < 2:
        raise ValueError(f"{where} has shape {values.shape}; expected (samples, features) or (samples, height, width)")
    if values.dtype.kind not in "buif":
        raise ValueError(f"{where} holds {values.dtype}; expected numbers")
    if not values.size:
        raise ValueError(f"{where} has shape {values.shape}; expected at least one sample and one feature")
    image_shape = values.shape[1:] if values.ndim > 2 else None
    return compact(values.reshape(len(values), -1), where), image_shape


def compact(values: NDArray[Any], where: str) -> NDArray[Any]:
    """Return a matrix of numbers as uint8 where each is, in float32, a whole number from 0 to 255, else as float32.

    Raises ValueError, beginning with `where`, for a value that is not finite in float32.
    """
    if values.dtype == np.uint8:
        return values
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    blocks = [slice(start, start + BLOCK_ROWS) for start in range(0, len(values), BLOCK_ROWS)]
    if all(_are_bytes(values[block]) for block in blocks):
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        for block in blocks:
            _check_finite(values[block], block.start, where)
    if values.dtype.itemsize <= 4:
        return values.astype(np.float32, copy=False)
    narrow = np.empty(values.shape, dtype=np.float32)
    for block in blocks:
        narrow[block] = values[block].astype(np.float64, copy=False)
    return narrow


def _are_bytes(block: NDArray[Any]) -> bool:
    if block.dtype.kind == "f":
        with np.errstate(over="ignore"):
            block = block.astype(np.float32, copy=False)  # what is kept decides: 1e-184 becomes 0
    if not (block.min() >= 0 and block.max() <= 255):  # also False where there is a NaN
        return False
    return block.dtype.kind != "f" or bool((block == np.floor(block)).all())


def _check_finite(block: NDArray[Any], first_row: int, where: str) -> None:
    bad = ~np.isfinite(block) if block.dtype.itemsize <= 4 else ~(np.abs(block) <= FLOAT32_MAX)
    if bad.any():
        row, column = (int(index) for index in np.argwhere(bad)[0])
        value = block[row, column]
        reason = "is not a finite number" if not np.isfinite(value) else "is too large for float32"
        raise ValueError(f"{where}: the value {value:g} in row {first_row + row}, column {column} {reason}")

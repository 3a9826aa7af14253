"""Tables with separate columns, converted to rows in one pass, in the dtype that is fastest to read."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import repack_columns
from fastnet.inputs.repacking import FEW_VALUES, UINT8, is_foreign, smallest

Array = NDArray[Any]


class Columns:
    """Columns of one dtype as a two-dimensional array that has no memory of its own.

    Slices of its rows are arrays.
    """

    def __init__(self, columns: Sequence[Array]) -> None:
        self._columns = columns
        self.dtype: np.dtype[Any] = columns[0].dtype
        self.shape = len(columns[0]), len(columns)
        self.nbytes = math.prod(self.shape) * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Array:
        return joined([column[rows] for column in self._columns])

    def repacked(self, dtype: str) -> tuple[Array, int]:
        """Return the rows in the dtype that a network of `dtype` reads fastest, and the first row not finite, or -1.

        Integers from 0 to 255 become uint8. Other numbers become `dtype`, unless their own dtype is smaller.
        """
        if self.dtype.kind in "iu":
            rows = np.empty(self.shape, UINT8)
            if repack_columns(self._columns, rows, True) < 0:
                return rows, -1
        rows = np.empty(self.shape, smallest(self.dtype, np.dtype(dtype)))
        return rows, repack_columns(self._columns, rows, True)


def as_columns(columns: Sequence[Array]) -> Array | Columns:
    """Return the columns without a copy if the core reads them and it pays; else return one array."""
    first = columns[0]
    alike = all(column.dtype == first.dtype and column.strides == first.strides for column in columns)
    readable = first.dtype.kind in "fiu" and first.dtype.itemsize <= 8 and not is_foreign(first.dtype)
    if alike and readable and len(first) * len(columns) >= FEW_VALUES:
        return Columns(columns)
    return np.stack(columns, axis=1)


def joined(columns: Sequence[Array]) -> Array:
    """Return the columns as one array, with the dtype of `numpy.stack`."""
    found = as_columns(columns)
    if isinstance(found, Columns):
        rows = np.empty(found.shape, found.dtype)
        repack_columns(columns, rows, False)
        return rows
    return found

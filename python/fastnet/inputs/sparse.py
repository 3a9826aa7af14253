"""Sparse matrices of scipy, recognized by their attributes: fastnet does not import scipy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import SparseRows

# What the core reads in place: values and column numbers.
_VALUES = tuple(np.dtype(name) for name in ("float32", "float64", "uint8"))
_INDICES = tuple(np.dtype(name) for name in ("int32", "int64"))


def is_sparse(values: Any) -> bool:
    """Return whether `values` can convert themselves to compressed rows (CSR)."""
    return hasattr(values, "tocsr") and hasattr(values, "shape")


def as_sparse_rows(name: str, matrix: Any, dtype: str) -> SparseRows:
    """Return the rows of a sparse matrix, with sorted columns and duplicates summed.

    Raises
    ------
    TypeError
        The matrix does not hold real numbers.
    ValueError
        It does not have two dimensions, its arrays contradict each other, or a column is out of range.
    """
    if len(matrix.shape) != 2:
        raise ValueError(f"{name} must have two dimensions to be sparse; got shape {tuple(matrix.shape)}")
    csr = matrix if getattr(matrix, "format", None) == "csr" else _converted(name, matrix)
    data, indices, indptr = (np.asarray(getattr(csr, part)) for part in ("data", "indices", "indptr"))
    columns = csr.shape[1]
    if data.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; got {type(matrix).__name__} with values of dtype {data.dtype}")
    for part, numbers in {"indices": indices, "indptr": indptr}.items():
        if numbers.dtype.kind not in "iu":
            raise TypeError(f"{part} of {name} must hold integers; got dtype {numbers.dtype}")
    if indptr.shape != (csr.shape[0] + 1,):
        raise ValueError(f"indptr of {name} must have shape ({csr.shape[0] + 1},); got {indptr.shape}")
    if indices.dtype not in _INDICES:
        indices = indices.astype(np.int64)
    indptr = indptr.astype(np.int64, copy=False)
    try:
        rows = SparseRows(_as_core_values(data, dtype), indices, indptr, columns)
    except ValueError as error:
        raise ValueError(f"{name} is not a valid sparse matrix: {error}") from None
    if not rows.canonical:
        data, indices, indptr = _canonical(data, indices, indptr)
        rows = SparseRows(_as_core_values(data, dtype), indices, indptr, columns)
    return rows


def _converted(name: str, matrix: Any) -> Any:
    """Return the matrix as CSR. Scipy itself does not check that row and column indices are in range."""
    try:
        if hasattr(matrix, "check_format"):
            matrix.check_format()
        for part, count in zip(("row", "col"), matrix.shape, strict=True):
            numbers = np.asarray(getattr(matrix, part, ()))
            if numbers.size and not 0 <= numbers.min() <= numbers.max() < count:
                raise ValueError(f"{part} must be in 0..{count - 1}")
    except ValueError as error:
        raise ValueError(f"{name} is not a valid sparse matrix: {error}") from None
    return matrix.tocsr()


def _as_core_values(data: NDArray[Any], dtype: str) -> NDArray[Any]:
    if data.dtype == np.bool_:
        return data.view(np.uint8)
    return data if data.dtype in _VALUES else data.astype(dtype)


def _canonical(
    data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[np.int64]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Sort the columns of every row and sum duplicates."""
    row = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    used = slice(indptr[0], indptr[-1])
    order = np.lexsort((indices[used], row))
    data, indices = data[used][order], indices[used][order]
    first = np.ones(len(row), bool)
    first[1:] = (np.diff(row) != 0) | (np.diff(indices) != 0)
    counts = np.bincount(row[first], minlength=len(indptr) - 1)
    data = np.add.reduceat(data, np.flatnonzero(first), dtype=data.dtype)
    return data, indices[first], np.concatenate([[0], np.cumsum(counts)])

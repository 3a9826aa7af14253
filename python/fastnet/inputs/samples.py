"""Checked samples, targets and weights in the form that the core reads."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet._core import SparseRows, first_nonfinite_row
from fastnet.inputs.columns import Columns
from fastnet.inputs.repacking import is_foreign, quick_to_gather, repacked
from fastnet.inputs.shapes import check_shape, fits, hint_of_columns
from fastnet.inputs.sparse import as_sparse_rows, is_sparse
from fastnet.inputs.tables import columns_of, from_table, is_table, names_of, numbers_of, order_of
from fastnet.losses import Loss
from fastnet.losses.domains import DISTRIBUTIONS, NOT_NEGATIVE
from fastnet.support.validation import check_number, describe, without_mask

Array = NDArray[Any]
Features = Array | SparseRows

# What the core reads in place: samples of these types are never copied.
CORE_DTYPES = tuple(
    np.dtype(name)
    for name in ("float32", "float64", *(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("u", "")))
)


class Samples:
    """Checked samples, targets and weights, one row each.

    Attributes
    ----------
    x, y, weight : ndarray, SparseRows or None
        In the form that the core reads.
    given : ndarray or Columns, optional
        The samples that `x` is a copy of; None if it is not a copy, or of float16.
    """

    __slots__ = ("given", "weight", "x", "y")

    def __init__(self, x: Features, y: Array, weight: Array | None, given: Array | Columns | None = None) -> None:
        self.x, self.y, self.weight, self.given = x, y, weight, given

    def __len__(self) -> int:
        return len(self.x)

    def without_given(self) -> "Samples":
        """Return the same without the reference to the samples that `x` is a copy of, to free their memory."""
        return self if self.given is None else Samples(self.x, self.y, self.weight)

    def rows(self, start: int, stop: int) -> "Samples":
        """Return some of the samples, as views."""
        weight = None if self.weight is None else self.weight[start:stop]
        return Samples(self.x[start:stop], self.y[start:stop], weight)

    def parts(self, rows: int) -> Iterator["Samples"]:
        """Yield the samples, so many at a time, as views."""
        for start in range(0, len(self), rows):
            yield self.rows(start, min(start + rows, len(self)))

    def split(self, validation_split: Any) -> tuple["Samples", "Samples"]:
        """Return the first samples, and the last fraction for validation."""
        boundary = boundary_of(len(self), validation_split)
        return self.rows(0, boundary), self.rows(boundary, len(self))

    def labels_and_rows(self, rows: slice | NDArray[np.int64]) -> tuple[Array, Array | None]:
        """Return the targets and the weights of some rows."""
        return self.y[rows], None if self.weight is None else self.weight[rows]


def boundary_of(rows: int, validation_split: Any) -> int:
    """Return the number of the first row for validation."""
    fraction = check_number("validation_split", validation_split, minimum=0.0, below=1.0)
    boundary = math.floor(rows * (1.0 - fraction))
    if boundary in (0, rows):
        raise ValueError(
            f"validation_split={fraction:g} of {rows} samples leaves {boundary} to train on and "
            f"{rows - boundary} to validate with; both must be at least 1"
        )
    return boundary


# ---- Arrays of numbers ----------------------------------------------------------------------------------------------


def as_array(name: str, values: Any, columns: Sequence[str] | None = None) -> Array:
    """Return `values` as an array of real numbers, without a copy if it is one already.

    For a table, `columns` are the names of the columns to take.
    """
    if values is None:
        raise ValueError(f"{name} is missing: got None")
    if type(values) is np.ndarray:
        array = values
    elif is_table(values):
        return from_table(name, values, columns)
    elif hasattr(values, "to_numpy"):  # a series
        return numbers_of(name, values)
    elif isinstance(values, Iterable) and not hasattr(values, "__len__"):
        raise TypeError(f"{name} must be an array here; got {describe(values)}, which yields batches")
    else:
        values = without_mask(name, values)
        try:
            array = np.asarray(values)
        except ValueError as error:
            raise ValueError(f"{name} must be an array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{name} must be an array of real numbers; got {type(values).__name__} with elements of dtype {array.dtype}"
            + _hint(values, array)
        )
    return array


def _hint(values: Any, array: Array) -> str:
    """Return a hint for values that are not an array of numbers, if there is one."""
    if isinstance(values, Mapping) or array.dtype.names:
        return ": pandas.DataFrame makes a table of columns with names"
    if array.dtype == object and array.ndim:
        rows = enumerate(array.reshape(len(array), -1).tolist() if array.size else [])
        odd = ((row, value) for row, values in rows for value in values if not isinstance(value, int | float))
        return next((f": row {row} has {'None' if value is None else describe(value)}" for row, value in odd), "")
    return ""


def _as_core_array(array: Array, dtype: str) -> Array:
    """Return the array in a dtype that the core reads: its own if it can, else the model's."""
    if array.dtype in CORE_DTYPES or not is_foreign((array := _of_eight_bytes(array)).dtype):
        return array
    return array.astype(dtype if array.dtype == np.float16 else array.dtype.newbyteorder("="))


def _of_eight_bytes(array: Array) -> Array:
    """Return the array in a dtype that the core can at least repack: no booleans, at most 8 bytes."""
    if array.dtype in CORE_DTYPES:
        return array
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    if array.dtype.itemsize > 8:  # `check_finite` reports numbers that float32 cannot represent
        with np.errstate(over="ignore"):
            return array.astype(np.float64)
    return array


def core_array(array: Array, dtype: str) -> Array:
    """Return any numbers in a dtype that the core reads: their own if it can, else the one of the model."""
    return _as_core_array(_of_eight_bytes(array), dtype)


def check_finite(
    name: str, array: Features, dtype: str, columns: Sequence[str] | None = None, first_row: int = 0
) -> None:
    """Refuse numbers that are not finite, also after rounding to `dtype`.

    `columns` are names, and `first_row` is the number of the first row, for messages.
    """
    row = _first_nonfinite_row(array, dtype == "float32")
    if row >= 0:
        _refuse_row(name, array, row, dtype, columns, first_row)


def _refuse_row(
    name: str, array: Features | Columns, row: int, dtype: str, columns: Sequence[str] | None, first_row: int = 0
) -> None:
    """Raise ValueError for a row with numbers that are not finite."""
    wrong = array[row : row + 1]
    if isinstance(wrong, np.ndarray):
        wrong = _as_core_array(wrong, "float64")
    place = f"row {first_row + row}"
    if columns is not None and isinstance(wrong, np.ndarray) and wrong.size == len(columns):
        with np.errstate(over="ignore"):
            place += f", column {columns[int(np.isfinite(wrong.reshape(-1).astype(dtype)).argmin())]!r}"
    if _first_nonfinite_row(wrong, False) < 0:
        raise ValueError(f"{name} has a number in {place} that is too large for float32, the dtype of the model")
    raise ValueError(f"{name} has a NaN or an infinity in {place}")


def _first_nonfinite_row(array: Features, as_float32: bool) -> int:
    if isinstance(array, SparseRows):
        return array.first_nonfinite_row(as_float32)
    return first_nonfinite_row(array, as_float32) if array.dtype.kind == "f" else -1


def shape_of(name: str, values: Any) -> tuple[int, ...]:
    """Return the shape of an array, a sparse matrix or a table."""
    known = is_sparse(values) or (is_table(values) and hasattr(values, "shape"))
    return tuple(values.shape) if known else as_array(name, values).shape


# ---- Samples --------------------------------------------------------------------------------------------------------


def as_features(
    name: str, values: Any, input_shape: tuple[int, ...], dtype: str, columns: Sequence[str] | None = None
) -> Features:
    """Return samples as rows of features, without copying arrays of float32, float64 and integers.

    A sparse matrix stays sparse. The columns of a table are ordered by the names in `columns`.

    Raises
    ------
    ValueError
        The shape of a sample is not `input_shape`, or a table has other columns.
    """
    rows = _as_rows(name, values, input_shape, dtype, columns)
    if isinstance(rows, Columns):
        return rows[:]
    if isinstance(rows, np.ndarray) and is_foreign(rows.dtype):
        return _as_core_array(quick_to_gather(rows, dtype, 1.0), dtype)
    return rows


def _as_rows(
    name: str, values: Any, input_shape: tuple[int, ...], dtype: str, columns: Sequence[str] | None
) -> Features | Columns:
    """Return samples as rows, or the columns of a table, in a dtype that the core can at least repack."""
    if is_sparse(values):
        check_shape(name, shape_of(name, values), input_shape, values)
        return as_sparse_rows(name, values, dtype)
    array = columns_of(name, values, columns) if is_table(values) else as_array(name, values, columns)
    if isinstance(array, Columns):
        if array.shape[1:] == input_shape:
            return array
        array = array[:]
    names = names_of(name, values) if array.ndim == 1 and input_shape == (1,) else None
    if names is not None and columns is not None:
        order_of(name, names, columns)
    check_shape(name, array.shape, input_shape, values)
    return _of_eight_bytes(array.reshape(len(array), math.prod(input_shape)))


def finite_features(
    name: str, given: Features | Columns, dtype: str, passes: float, columns: Sequence[str] | None = None
) -> Features:
    """Return rows of finite numbers in the form that is fastest to read `passes` times."""
    if not isinstance(given, SparseRows):
        copied = given.repacked(dtype) if isinstance(given, Columns) else repacked(given, dtype, passes)
        if copied is not None:
            features, row = copied
            if row >= 0:
                _refuse_row(name, given, row, dtype, columns)
            return features
        assert isinstance(given, np.ndarray)
        given = _as_core_array(given, dtype)
    check_finite(name, given, dtype, columns)
    return given


def as_targets(
    name: str,
    values: Any,
    rows: int,
    output_shape: tuple[int, ...],
    loss: Loss,
    dtype: str,
    any_sum: bool = False,
    first_row: int = 0,
) -> Array:
    """Return targets as int64 labels or as rows of numbers; with `any_sum`, rows need not sum to 1.

    `first_row` is the number of the first row, for messages.

    Raises
    ------
    ValueError
        The number of rows or the shape does not fit, or a label is out of range.
    """
    array, outputs = as_array(name, values), math.prod(output_shape)
    if array.ndim == 0 or len(array) != rows:
        hint = hint_of_columns(name, values, array.shape in ((1, rows), (outputs, rows)))
        raise ValueError(f"{name} must have as many rows as x, {rows}; got shape {array.shape}{hint}")
    if loss.takes_labels and outputs > 1 and (array.ndim == 1 or array.shape[1:] == (1,)):
        return _as_labels(name, array.reshape(-1), outputs, first_row, loss)
    if loss.free_labels or loss.ignore_class is not None:
        raise ValueError(
            f"{name} must have one label a row, of shape (n,) or (n, 1), for {loss.name}; got {array.shape}"
        )
    if array.ndim == 1 and outputs == 1:
        array = array[:, None]
    expected = (rows, *output_shape)
    if array.shape != expected and (len(output_shape) == 1 or not fits(array.shape, output_shape)):
        hint = ": for labels use fastnet.utils.to_categorical" if array.ndim == 1 else ""
        raise ValueError(f"{name} must have shape {expected} for {loss.name}; got {array.shape}{hint}")
    array = _as_core_array(array.reshape(rows, outputs), dtype)
    _check_targets(name, array, loss, dtype, any_sum, first_row)
    return array


def _check_targets(name: str, targets: Array, loss: Loss, dtype: str, any_sum: bool, first_row: int) -> None:
    """Refuse targets that are not finite, or for which the loss is not defined."""
    domain = NOT_NEGATIVE if any_sum and loss.domain is DISTRIBUTIONS else loss.domain
    if domain is None:
        check_finite(name, targets, dtype, None, first_row)
        return
    row = domain.first_row_outside(targets)
    if row >= 0 or not math.isfinite(domain.ranges[0][1]):
        check_finite(name, targets, dtype, None, first_row)
    if row >= 0:
        shown = ", ".join(f"{value:g}" for value in targets[row, :10].tolist()) + ", ..." * (targets.shape[1] > 10)
        raise ValueError(f"{name} has {shown} in row {first_row + row}; {loss.name} takes {domain.words}")


def _as_labels(name: str, labels: Array, outputs: int, first_row: int, loss: Loss) -> Array:
    if labels.dtype.kind == "f":
        labels = labels.astype(np.float64, copy=False)
        check_finite(name, labels, "float64", None, first_row)
        if (fractional := labels != np.floor(labels)).any():
            row = int(fractional.argmax())
            raise ValueError(f"{name} has label {labels[row]} at row {first_row + row}; labels must be whole numbers")
    if loss.free_labels:
        if labels.dtype.kind == "f" and (large := np.abs(labels) >= 2.0**63).any():
            row = int(large.argmax())
            raise ValueError(
                f"{name} has label {labels[row]:g} at row {first_row + row}; labels must be less than 2**63"
            )
        return labels.astype(np.int64, copy=False)
    wrong = (labels < 0) | (labels >= outputs)
    if (ignored := loss.ignore_class) is not None:
        wrong &= labels != ignored
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name} has label {labels[row]:g} at row {first_row + row}; the output layer has {outputs} units, "
            f"so labels must be in 0..{outputs - 1}{'' if ignored is None else f' or {ignored}, which is ignored'}"
        )
    return labels.astype(np.int64, copy=False)


def as_weights(name: str, values: Any, rows: int) -> Array:
    """Return an array with one weight for every row, whose values are not checked."""
    array = as_array(name, values)
    if array.shape not in ((rows,), (rows, 1)):
        raise ValueError(f"{name} must have shape ({rows},), one weight for every row of x; got {array.shape}")
    return array


def as_sample_weight(name: str, values: Any, rows: int, dtype: str, first_row: int = 0) -> Array | None:
    """Return one weight for every row, or None for no weights."""
    if values is None:
        return None
    array = _as_core_array(as_weights(name, values, rows).reshape(-1), dtype)
    check_finite(name, array, dtype, None, first_row)
    return np.ascontiguousarray(array, dtype)


def as_samples(
    x: Any,
    y: Any,
    sample_weight: Any,
    of: str,
    input_shape: tuple[int, ...],
    output_shape: tuple[int, ...],
    loss: Loss,
    dtype: str,
    columns: Sequence[str] | None = None,
    any_sum: bool = False,
    passes: float = 1.0,
    most_rows: float = math.inf,
) -> Samples:
    """Return checked samples for training or evaluation; `of`, such as " of validation_data", goes into messages.

    All rows will be read `passes` times, but at most `most_rows` rows in total.
    """
    given = _as_rows(f"x{of}", x, input_shape, dtype, columns)
    if not len(given):
        raise ValueError(f"x{of} must have at least one row; got shape {np.shape(x)}")
    features = finite_features(f"x{of}", given, dtype, min(passes, most_rows / len(given)), columns)
    targets = as_targets(f"y{of}", y, len(features), output_shape, loss, dtype, any_sum)
    weight = as_sample_weight(f"sample_weight{of}", sample_weight, len(features), dtype)
    if isinstance(given, SparseRows) or features is given or given.dtype == np.float16:
        return Samples(features, targets, weight)
    return Samples(features, targets, weight, given)

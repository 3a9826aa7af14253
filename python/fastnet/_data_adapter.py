"""Arrays as users have them, checked, in the form that the compiled core reads."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import _core
from fastnet._frames import column_names, from_table
from fastnet._sparse import as_sparse_rows, is_sparse
from fastnet._validation import check_integer, check_number, describe
from fastnet.losses import Loss

Array = NDArray[Any]
Features = Array | _core.SparseRows

# What the core reads in place: samples of these types are never copied.
CORE_DTYPES = tuple(
    np.dtype(name)
    for name in ("float32", "float64", *(f"{sign}int{bits}" for bits in (8, 16, 32, 64) for sign in ("u", "")))
)


@dataclass(frozen=True)
class Samples:
    """Checked samples, targets and weights, one row each."""

    x: Features
    y: Array
    weight: Array | None

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, start: int, stop: int) -> "Samples":
        """Return some of the samples, as views."""
        weight = None if self.weight is None else self.weight[start:stop]
        return Samples(self.x[start:stop], self.y[start:stop], weight)

    def split(self, validation_split: Any) -> tuple["Samples", "Samples"]:
        """Return the first samples, and the last fraction for validation."""
        fraction = check_number("validation_split", validation_split, minimum=0.0, below=1.0)
        boundary = math.floor(len(self) * (1.0 - fraction))
        if boundary in (0, len(self)):
            raise ValueError(
                f"validation_split={fraction:g} of {len(self)} samples leaves {boundary} to train on and "
                f"{len(self) - boundary} to validate with; both must be at least 1"
            )
        return self.rows(0, boundary), self.rows(boundary, len(self))

    def labels_and_rows(self, rows: slice | NDArray[np.int64]) -> tuple[Array, Array | None]:
        """Return the targets and the weights of some rows."""
        return self.y[rows], None if self.weight is None else self.weight[rows]

    def with_class_weight(self, class_weight: Mapping[int, float], dtype: str) -> "Samples":
        """Return the samples with their weights times those of their classes; a class not mentioned weighs 1."""
        if not isinstance(class_weight, Mapping):
            raise TypeError(f"class_weight must be a dictionary from label to weight; got {describe(class_weight)}")
        labels = self._labels()
        weight = np.ones(len(self), dtype) if self.weight is None else self.weight.copy()
        for label, factor in class_weight.items():
            number = check_integer("a label of class_weight", label, minimum=0)
            weight[labels == number] *= check_number(f"class_weight[{label}]", factor, minimum=0.0)
        return Samples(self.x, self.y, weight)

    def _labels(self) -> Array:
        """Return the label of every row: the largest of its targets, or a single target's nearest integer."""
        if self.y.ndim == 1:
            return self.y
        return np.rint(self.y[:, 0]).astype(np.int64) if self.y.shape[1] == 1 else self.y.argmax(axis=1)


def as_array(name: str, values: Any) -> Array:
    """Return `values` as an array of real numbers, without copying one that is one already."""
    if values is None:
        raise ValueError(f"{name} is missing: got None")
    if column_names(values) is not None:
        return from_table(name, values)
    if isinstance(values, Iterable) and not hasattr(values, "__len__"):
        raise TypeError(f"{name} must be an array here; got {describe(values)}, which yields batches")
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} must be an array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{name} must be an array of real numbers; got {type(values).__name__} with elements of dtype {array.dtype}"
        )
    return array


def _as_core_array(array: Array, dtype: str) -> Array:
    """Return the array in a dtype that the core reads: its own if it can, else the model's."""
    if array.dtype in CORE_DTYPES:
        return array
    if array.dtype == np.bool_:
        return array.view(np.uint8)
    return array.astype(dtype)


def check_finite(name: str, array: Features, dtype: str) -> None:
    """Refuse numbers that are not finite, or are not once they are rounded to `dtype`."""
    row = _first_nonfinite_row(array, dtype == "float32")
    if row >= 0 and _first_nonfinite_row(array[row : row + 1], False) < 0:
        raise ValueError(f"{name} has a number in row {row} that is too large for float32, the dtype of the model")
    if row >= 0:
        raise ValueError(f"{name} has a NaN or an infinity in row {row}")


def _first_nonfinite_row(array: Features, as_float32: bool) -> int:
    if isinstance(array, _core.SparseRows):
        return array.first_nonfinite_row(as_float32)
    return _core.first_nonfinite_row(array, as_float32) if array.dtype.kind == "f" else -1


def shape_of(name: str, values: Any) -> tuple[int, ...]:
    """Return the shape of an array or of a sparse matrix."""
    return tuple(values.shape) if is_sparse(values) else as_array(name, values).shape


def as_features(name: str, values: Any, input_shape: tuple[int, ...], dtype: str) -> Features:
    """Return samples as rows of features, without copying arrays of float32, float64 and integers.

    The rows of a sparse matrix stay sparse.

    Raises
    ------
    ValueError
        The shape of a sample is not `input_shape`.
    """
    if is_sparse(values):
        _check_shape(name, shape_of(name, values), input_shape)
        return as_sparse_rows(name, values, dtype)
    array = as_array(name, values)
    if array.ndim == 1 and input_shape == (1,):
        array = array[:, None]
    _check_shape(name, array.shape, input_shape)
    return _as_core_array(array.reshape(len(array), math.prod(input_shape)), dtype)


def _check_shape(name: str, shape: tuple[int, ...], input_shape: tuple[int, ...]) -> None:
    if shape[1:] != input_shape:
        expected = ", ".join(["samples", *map(str, input_shape)])
        hint = f": one sample is {name}[None]" if shape == input_shape else ""
        raise ValueError(f"{name} must have shape ({expected}); got {shape}{hint}")


def as_targets(name: str, values: Any, rows: int, outputs: int, loss: Loss, dtype: str) -> Array:
    """Return targets as labels of int64 or as rows of `outputs` numbers.

    Raises
    ------
    ValueError
        The number of rows or the shape does not fit, or a label is out of range.
    """
    array = as_array(name, values)
    if array.ndim == 0 or len(array) != rows:
        raise ValueError(f"{name} must have as many rows as x, {rows}; got shape {array.shape}")
    if loss.takes_labels and outputs > 1 and (array.ndim == 1 or array.shape[1:] == (1,)):
        return _as_labels(name, array.reshape(-1), outputs)
    if array.ndim == 1 and outputs == 1:
        array = array[:, None]
    if array.shape != (rows, outputs):
        hint = ": for labels use fastnet.utils.to_categorical" if array.ndim == 1 else ""
        raise ValueError(f"{name} must have shape ({rows}, {outputs}) for {loss.name}; got {array.shape}{hint}")
    array = _as_core_array(array, dtype)
    check_finite(name, array, dtype)
    return array


def _as_labels(name: str, labels: Array, outputs: int) -> Array:
    if labels.dtype.kind == "f":
        labels = labels.astype(np.float64, copy=False)
        check_finite(name, labels, "float64")
        if (fractional := labels != np.floor(labels)).any():
            row = int(fractional.argmax())
            raise ValueError(f"{name} has label {labels[row]} at row {row}; labels must be whole numbers")
    if (wrong := (labels < 0) | (labels >= outputs)).any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{name} has label {labels[row]:g} at row {row}; the output layer has {outputs} units, "
            f"so labels must be in 0..{outputs - 1}"
        )
    return labels.astype(np.int64, copy=False)


def as_sample_weight(name: str, values: Any, rows: int, dtype: str) -> Array | None:
    """Return one weight for every row, or None for no weights."""
    if values is None:
        return None
    array = as_array(name, values)
    if array.shape not in ((rows,), (rows, 1)):
        raise ValueError(f"{name} must have shape ({rows},), one weight for every row of x; got {array.shape}")
    weight = np.ascontiguousarray(array.reshape(-1), dtype)
    check_finite(name, weight, dtype)
    return weight


def as_samples(
    x: Any,
    y: Any,
    sample_weight: Any,
    of: str,
    input_shape: tuple[int, ...],
    outputs: int,
    loss: Loss,
    dtype: str,
) -> Samples:
    """Return what training or evaluation reads, checked; `of`, as in " of validation_data", tells messages whose it is."""
    features = as_features(f"x{of}", x, input_shape, dtype)
    if not len(features):
        raise ValueError(f"x{of} must have at least one row; got shape {np.shape(x)}")
    check_finite(f"x{of}", features, dtype)
    targets = as_targets(f"y{of}", y, len(features), outputs, loss, dtype)
    weight = as_sample_weight(f"sample_weight{of}", sample_weight, len(features), dtype)
    return Samples(features, targets, weight)

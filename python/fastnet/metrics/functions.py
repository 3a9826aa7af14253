"""Accuracies as functions, as in Keras: 1.0 or 0.0 for each value or row, NaN where there is one."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.losses.shapes import of_same_rank
from fastnet.metrics.accuracy import (
    CategoricalAccuracy,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)
from fastnet.metrics.base import Array, Averaged, rows_of_last_axis, rows_with_nan
from fastnet.support.validation import check_number, without_mask

__all__ = [
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Array:
    """Return for each value whether it is on the right side of a threshold.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.binary_accuracy([1, 0, 1], [0.9, 0.2, 0.4])
    array([1., 1., 0.])
    """
    true, pred = of_same_rank(y_true, y_pred)
    if true.shape != pred.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {pred.shape}; got shape {true.shape}")
    right = np.equal(true, pred > check_number("threshold", threshold))
    return np.where(np.isnan(true) | np.isnan(pred), np.nan, right)


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Return for each row whether its largest output is that of the largest target.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.categorical_accuracy([[0, 1], [1, 0]], [[0.3, 0.7], [0.2, 0.8]])
    array([1., 0.])
    """
    return _each(CategoricalAccuracy(), y_true, y_pred)


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Return for each row whether its largest output is that of the label.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.sparse_categorical_accuracy([1, 0], [[0.3, 0.7], [0.2, 0.8]])
    array([1., 0.])
    """
    return _each(SparseCategoricalAccuracy(), y_true, y_pred)


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """Return for each row whether fewer than k outputs are larger than that of the largest target.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.top_k_categorical_accuracy([[1, 0, 0], [1, 0, 0]], [[0.3, 0.5, 0.2], [0.1, 0.5, 0.4]], k=2)
    array([1., 0.])
    """
    return _each(TopKCategoricalAccuracy(k), y_true, y_pred)


def sparse_top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Array:
    """Return for each row whether fewer than k outputs are larger than that of the label.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.sparse_top_k_categorical_accuracy([0, 0], [[0.3, 0.5, 0.2], [0.1, 0.5, 0.4]], k=2)
    array([1., 0.])
    """
    return _each(SparseTopKCategoricalAccuracy(k), y_true, y_pred)


def _each(metric: Averaged, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    """Return the value of each row along the last axis."""
    given: NDArray[Any] = np.asarray(without_mask("y_pred", y_pred), np.float64)
    if given.ndim < 1:
        raise ValueError(f"y_pred must have an axis of classes; got shape {given.shape}")
    if not given.size:
        raise ValueError(f"y_pred must hold at least one value; got shape {given.shape}")
    true, pred = rows_of_last_axis(np.asarray(without_mask("y_true", y_true)), given)
    values: Array = np.where(rows_with_nan(true, pred), np.nan, metric._values(true, pred))
    return values.reshape(given.shape[:-1])

"""Correlations of targets and predictions."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.losses.shapes import of_same_rank
from fastnet.metrics.base import Array, Averaged, metrics
from fastnet.support.validation import LARGEST_INTEGER, check_axis, check_integer

__all__ = ["ConcordanceCorrelation", "PearsonCorrelation", "concordance_correlation", "pearson_correlation"]


def pearson_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Return Pearson's correlation of targets and predictions along an axis; NaN where one of them is constant.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.pearson_correlation([[0.0, 1.0, 2.0]], [[1.0, 3.0, 5.0]]).round(6)
    array([1.])
    """
    covariance, of_true, of_pred, _ = _moments(y_true, y_pred, axis)
    scale = np.sqrt(of_true * of_pred)
    return np.divide(covariance, scale, out=np.full_like(covariance, np.nan), where=scale != 0.0)


def concordance_correlation(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Array:
    """Return Lin's concordance correlation of targets and predictions along an axis, which also falls with their distance.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.concordance_correlation([[0.0, 1.0, 2.0]], [[0.0, 1.0, 2.0]]).round(6)
    array([1.])
    """
    covariance, of_true, of_pred, distance = _moments(y_true, y_pred, axis)
    return np.asarray(2.0 * covariance / (of_true + of_pred + np.square(distance) + 1e-7))


def _moments(y_true: ArrayLike, y_pred: ArrayLike, axis: int) -> tuple[Array, Array, Array, Array]:
    """Return the covariance, the variances and the difference of the means along an axis."""
    true, pred = (np.asarray(array, np.float64) for array in of_same_rank(y_true, y_pred))
    if true.shape != pred.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {pred.shape}; got shape {true.shape}")
    check_axis(axis, "y_pred", pred.shape)
    if not pred.size:
        raise ValueError(f"y_pred must hold at least one value; got shape {pred.shape}")
    from_true, from_pred = (_centered(array, axis) for array in (true, pred))
    means = true.mean(axis=axis) - pred.mean(axis=axis)
    parts = (from_true * from_pred, np.square(from_true), np.square(from_pred))
    return *(np.asarray(part.mean(axis=axis)) for part in parts), np.asarray(means)  # type: ignore[return-value]


def _centered(array: Array, axis: int) -> Array:
    """Return the differences from the mean along an axis; equal values give 0 without rounding."""
    from_first = array - np.take(array, [0], axis=axis)
    return np.asarray(from_first - from_first.mean(axis=axis, keepdims=True))


class _Correlation(Averaged):
    """Base of the means of a correlation along an axis."""

    direction = "up"
    along_last_axis = False

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        self.axis = check_integer("axis", axis, minimum=-LARGEST_INTEGER)
        super().__init__(name, dtype)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Update the mean with the correlations along the axis."""
        true, pred = (np.asarray(array, np.float64) for array in of_same_rank(y_true, y_pred))
        if true.shape != pred.shape or not pred.ndim:
            raise ValueError(f"y_true and y_pred must have one shape, of rows; got {true.shape} and {pred.shape}")
        if pred.ndim > 1:
            check_axis(self.axis, "y_pred", pred.shape)
            true, pred = (np.moveaxis(array, self.axis, -1) for array in (true, pred))
        super().update_state(true.reshape(-1, true.shape[-1]), pred.reshape(-1, pred.shape[-1]), sample_weight)

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis, **super().get_config()}


@metrics.add("pearson_correlation")
class PearsonCorrelation(_Correlation):
    """The mean of Pearson's correlations of targets and predictions along an axis.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    axis : int, default -1
        The axis along which values are correlated: -1 for the outputs of a sample, 0 for the samples of a batch.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.metrics.PearsonCorrelation()([[0.0, 1.0, 0.5]], [[0.1, 0.9, 0.7]]), 4)
    0.9608
    """

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        return pearson_correlation(true, pred)


@metrics.add("concordance_correlation")
class ConcordanceCorrelation(_Correlation):
    """The mean of Lin's concordance correlations of targets and predictions along an axis.

    Parameters
    ----------
    name, dtype, axis
        As for `PearsonCorrelation`.
    """

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        return concordance_correlation(true, pred)

"""Metrics of regression."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.metrics.base import Array, Averaged, Metric, as_rows, metrics


@metrics.add("mse", "MSE", "mean_squared_error")
class MeanSquaredError(Averaged):
    """The mean of the squared differences.

    Parameters
    ----------
    name : str, default "mean_squared_error"
        The name in the history.
    """

    direction = "down"
    of_values = True

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        return np.square(as_rows(true, pred) - pred).mean(axis=1)


@metrics.add("rmse", "RMSE", "root_mean_squared_error")
class RootMeanSquaredError(MeanSquaredError):
    """The root of the mean of the squared differences.

    Parameters
    ----------
    name : str, default "root_mean_squared_error"
        The name in the history.
    """

    def result(self) -> float:
        return float(np.sqrt(super().result()))


@metrics.add("mae", "MAE", "mean_absolute_error")
class MeanAbsoluteError(Averaged):
    """The mean of the absolute differences.

    Parameters
    ----------
    name : str, default "mean_absolute_error"
        The name in the history.
    """

    direction = "down"
    of_values = True

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        return np.abs(as_rows(true, pred) - pred).mean(axis=1)


@metrics.add("r2_score", "R2")
class R2Score(Metric):
    """The fraction of the targets' variance that predictions explain: 1 - sum((y - p)^2) / sum((y - mean(y))^2).

    For several outputs it is the mean over the outputs. It equals scikit-learn's `r2_score` on all batches together.

    Parameters
    ----------
    name : str, default "r2_score"
        The name in the history.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.metrics.R2Score()([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]), 4)
    0.9486
    """

    direction = "up"

    default_name = "r2_score"
    _weight: float
    _mean: Array
    _spread: Array
    _residual: Array

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:
        rows = as_rows(true, pred)
        total = weight.sum()
        if total == 0.0:
            return
        mean = weight @ rows / total
        # Combines moments without cancellation: Chan, Golub and LeVeque (1983).
        shift, whole = mean - self._mean, self._weight + total
        self._spread = self._spread + weight @ np.square(rows - mean) + shift**2 * self._weight * total / whole
        self._mean = self._mean + shift * total / whole
        self._residual = self._residual + weight @ np.square(rows - pred)
        self._weight = whole

    def result(self) -> float:
        if not self._weight:
            return float("nan")
        constant = self._spread == 0.0
        explained = 1.0 - self._residual / np.where(constant, 1.0, self._spread)
        of_constant = np.where(np.isnan(self._residual), np.nan, self._residual == 0.0)
        return float(np.mean(np.where(constant, of_constant, explained)))

    def reset_state(self) -> None:
        self._weight = 0.0
        self._mean = self._spread = self._residual = np.zeros(1)

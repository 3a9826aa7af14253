"""Metrics of regression."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.metrics.base import Array, Averaged, Metric, as_rows, metrics
from fastnet.support.validation import check_choice, check_integer


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

    It equals scikit-learn's `r2_score` on all batches together.

    Parameters
    ----------
    class_aggregation : {"uniform_average", "variance_weighted_average", None}, default "uniform_average"
        How to combine several outputs: as their mean, or as that weighted by the variances of their targets. With None
        the result is an array, which `fit` does not take.
    num_regressors : int, default 0
        The number of inputs p, of which the adjusted figure ``1 - (1 - R2) (n - 1) / (n - p - 1)`` takes account. As in
        Keras, n counts the targets of all outputs. 0 is the plain figure, as are too few targets, with a warning.
    name : str, default "r2_score"
        The name in the history.
    dtype
        See `Metric`.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.metrics.R2Score()([3.0, -0.5, 2.0, 7.0], [2.5, 0.0, 2.0, 8.0]), 4)
    0.9486
    """

    direction = "up"

    default_name = "r2_score"
    _weight: float
    _values: int
    _origin: Array
    _mean: Array
    _spread: Array
    _residual: Array

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        averages = ["uniform_average", "variance_weighted_average"]
        given = class_aggregation
        self.class_aggregation = None if given is None else check_choice("class_aggregation", given, averages)
        self.num_regressors = check_integer("num_regressors", num_regressors, minimum=0)
        super().__init__(name, dtype)

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:
        rows = as_rows(true, pred)
        total = weight.sum()
        self._values += pred.size
        if total == 0.0:
            return
        if self._weight == 0.0:  # sums of differences from a target: those of equal ones are 0 without rounding
            self._origin = rows[np.flatnonzero(weight)[0]]
        from_origin = rows - self._origin
        mean = weight @ from_origin / total
        # Combines moments without cancellation: Chan, Golub and LeVeque (1983).
        shift, whole = mean - self._mean, self._weight + total
        self._spread = self._spread + weight @ np.square(from_origin - mean) + shift**2 * self._weight * total / whole
        self._mean = self._mean + shift * total / whole
        self._residual = self._residual + weight @ np.square(rows - pred)
        self._weight = whole

    def result(self) -> Any:
        """Return the figure, or without an aggregation an array of that of each of several outputs."""
        if not self._weight:
            return float("nan")
        scores = self._scores()
        if self.class_aggregation is None and scores.size > 1:
            return self._adjusted(scores)
        if self.class_aggregation == "variance_weighted_average" and self._spread.any():
            return float(self._adjusted(scores @ self._spread / self._spread.sum()))
        return float(self._adjusted(np.mean(scores)))

    def _adjusted(self, scores: Any) -> Any:
        free = self._values - self.num_regressors - 1
        if not self.num_regressors:
            return scores
        if free <= 0:
            warnings.warn(
                f"the adjusted R2 of {self.num_regressors} regressors needs more than {self.num_regressors + 1} targets; got "
                f"{self._values}: it is not adjusted",
                stacklevel=3,
            )
            return scores
        return 1.0 - (1.0 - scores) * (self._values - 1) / free

    def _scores(self) -> Array:
        """Return the figure of each output."""
        constant = self._spread == 0.0
        explained = 1.0 - self._residual / np.where(constant, 1.0, self._spread)
        of_constant = np.where(np.isnan(self._residual), np.nan, self._residual == 0.0)
        return np.where(constant, of_constant, explained)

    def get_config(self) -> dict[str, Any]:
        aggregation = {"class_aggregation": self.class_aggregation}
        own = {} if self.class_aggregation == "uniform_average" else aggregation
        return {
            **own,
            **({"num_regressors": self.num_regressors} if self.num_regressors else {}),
            **super().get_config(),
        }

    def reset_state(self) -> None:
        self._weight, self._values = 0.0, 0
        self._origin = self._mean = self._spread = self._residual = np.zeros(1)

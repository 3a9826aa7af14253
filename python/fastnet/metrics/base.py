"""The base class of metrics, and means."""

import re
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.losses.shapes import weights_of
from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import check_dtype_name, describe, reject_keywords, without_mask

Array = NDArray[np.float64]


_OWN_STATE = (
    "reset_state() must set the state of the metric, plain attributes such as self.total = 0.0: Metric.__init__() "
    "calls it, and there are no variables to assign to"
)


class Metric(Configurable):
    """Base class of metrics: figures that accumulate over batches of predictions.

    A custom metric defines `update_state`, which gets NumPy arrays, `result`, which returns a number, and
    `reset_state`, which sets the attributes that hold its state.

    Parameters
    ----------
    name : str, optional
        The name in the history; by default the class name in snake case.
    dtype : str, optional
        Accepted as in Keras; figures are computed in float64, whatever it is.

    Attributes
    ----------
    direction : {"up", "down", None}
        Whether larger or smaller figures are better, for callbacks with ``mode="auto"``; None if that is unknown.
        Custom metrics set it; Keras's `_direction` is accepted, too.

    Examples
    --------
    >>> import fastnet as fn
    >>> metric = fn.metrics.MeanSquaredError()
    >>> metric.update_state([0.0, 0.0], [1.0, 1.0])
    >>> metric.update_state([0.0], [3.0])
    >>> metric.result()
    3.6666666666666665
    """

    default_name: ClassVar[str | None] = None
    elementwise: ClassVar[bool] = False  # whether every value counts for itself, so that it can have a weight
    along_last_axis: ClassVar[bool] = True  # whether the last axis of more than two is a row, or all after the first
    of_values: ClassVar[bool] = False  # whether every value counts alike, whatever the shape of a sample
    keras_defaults: ClassVar[dict[str, Any]] = {}
    direction: str | None = None

    def __init__(self, name: Any = None, dtype: Any = None, **keywords: Any) -> None:
        reject_keywords(type(self), keywords, self.keras_defaults, ["name", "dtype"])
        self._dtype = check_dtype_name("dtype", dtype)
        if name is not None and (not isinstance(name, str) or not name):
            raise TypeError(f"name must be a non-empty string; got {describe(name)}")
        self.name = name or self.default_name or snake_case(type(self).__name__)
        arguments = set(vars(self))
        try:
            self.reset_state()
        except AttributeError as error:
            raise NotImplementedError(f"{type(self).__name__}.{_OWN_STATE}; {error}") from error
        self._state_names = sorted(set(vars(self)) - arguments)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Update the state with a batch.

        Parameters
        ----------
        y_true : array_like
            Labels of shape (n,) or rows of targets.
        y_pred : array_like
            Predictions, a row for each sample. With more dimensions, the last axis is a row.
        sample_weight : array_like, optional
            The weight of each sample, of shape (n,), or one number for all; 1 by default. With more dimensions of the
            predictions, it may have those before the last one.

        Raises
        ------
        ValueError
            The shapes do not fit.
        """
        true = np.asarray(without_mask("y_true", y_true))
        pred = np.asarray(without_mask("y_pred", y_pred), np.float64)
        if true.dtype.kind not in "fiub":
            raise TypeError(f"y_true must hold numbers; got dtype {true.dtype}")
        if pred.ndim == 0 or len(true) != len(pred):
            raise ValueError(
                f"y_true and y_pred must have the same number of rows; got shapes {true.shape} and {pred.shape}"
            )
        if not pred.size:
            raise ValueError(f"y_pred must hold at least one value; got shape {pred.shape}")
        given: tuple[int, ...] = () if sample_weight is None else np.shape(sample_weight)
        if self.elementwise and len(given) == pred.ndim > 1 and 1 < given[-1] == pred.shape[-1]:
            assert sample_weight is not None
            self._update_elements(true, pred, without_mask("sample_weight", sample_weight))
            return
        if pred.ndim > 2 and self.along_last_axis:
            shape = pred.shape[:-1]
            true, pred = rows_of_last_axis(true, pred)
        else:
            shape, pred = pred.shape[:1], pred.reshape(len(pred), -1)
        self._update(true, pred, weights_of(shape, sample_weight).reshape(-1))

    def _update_elements(self, true: NDArray[Any], pred: Array, weight: ArrayLike) -> None:
        """Update the state with values that have a weight each."""
        weights = weights_of(pred.shape, weight).reshape(-1)
        rows, pred = rows_of_last_axis(true, pred) if pred.ndim > 2 else (true, pred)
        self._update(as_rows(rows, pred).reshape(-1, 1), pred.reshape(-1, 1), weights)

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:  # noqa: ARG002
        """Update the state: `pred` has two dimensions, `weight` a value for every row."""
        raise self._lacks("update_state")

    def result(self) -> Any:
        """Return the figure of all batches since the last `reset_state`; NaN before the first one.

        It is a float, or an array where a metric has a figure for each class or threshold. `fit` takes the first only.
        """
        raise self._lacks("result")

    def reset_state(self) -> None:
        """Reset the state."""
        raise self._lacks("reset_state")

    def _lacks(self, method: str) -> NotImplementedError:
        return NotImplementedError(f"{type(self).__name__} must define {method}()")

    def add_weight(self, *arguments: Any, **keywords: Any) -> Any:
        """Raise an error: unlike in Keras, a metric has no variables."""
        raise NotImplementedError(f"{type(self).__name__}.{_OWN_STATE}")

    add_variable = add_weight

    def get_state(self) -> dict[str, Any]:
        """Return the state: the attributes that `reset_state` sets.

        A checkpoint in the middle of an epoch keeps them; they must be numbers, strings, arrays, or lists and dictionaries
        of them.
        """
        return {name: getattr(self, name) for name in self._state_names}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore the state that `get_state` returned."""
        vars(self).update(state)

    @property
    def dtype(self) -> str:
        """The type that was given; figures are computed in float64."""
        return self._dtype or "float64"

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, **({"dtype": self._dtype} if self._dtype else {})}

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Update the state with a batch, and return the figure so far."""
        self.update_state(*arguments, **keywords)
        return self.result()


metrics = Registry("metric", Metric, "metrics")


def snake_case(name: str) -> str:
    """Return "mean_squared_error" for "MeanSquaredError", and "auc" for "AUC"."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def rows_of_last_axis(true: NDArray[Any], pred: Array) -> tuple[NDArray[Any], Array]:
    """Return predictions as rows along the last axis, and their targets."""
    columns = pred.shape[-1]
    if true.shape == pred.shape:
        return true.reshape(-1, columns), pred.reshape(-1, columns)
    if true.shape in (pred.shape[:-1], (*pred.shape[:-1], 1)):
        return true.reshape(-1), pred.reshape(-1, columns)
    raise ValueError(
        f"y_true must have the shape of y_pred, {pred.shape}, or that without the last axis; got shape {true.shape}"
    )


def as_rows(true: NDArray[Any], pred: Array) -> Array:
    """Return targets as rows like those of `pred`; integer labels become one-hot rows."""
    classes = pred.shape[1]
    if true.size == pred.size:
        return np.asarray(true.reshape(pred.shape), np.float64)
    if true.size != len(pred) or classes == 1:
        raise ValueError(f"y_true must have the shape of y_pred, {pred.shape}, or one label per row; got {true.shape}")
    rows = np.equal(as_labels(true, pred)[:, None], np.arange(classes)).astype(np.float64)
    rows[np.isnan(true).reshape(-1)] = np.nan
    return rows


def as_labels(true: NDArray[Any], pred: Array) -> NDArray[np.int64]:
    """Return the label of every row of targets; a NaN is label 0 (see `rows_with_nan`)."""
    if true.size == len(pred):
        known = np.where(np.isnan(true), 0, true)
        if (fractional := known != np.floor(known)).any():
            raise ValueError(f"labels in y_true must be whole numbers; got {known[fractional][0]}")
        labels = known.reshape(-1).astype(np.int64)
        if (labels < 0).any() or (labels >= max(pred.shape[1], 2)).any():
            raise ValueError(
                f"labels in y_true must be in 0..{max(pred.shape[1], 2) - 1}; got {labels.min()}..{labels.max()}"
            )
        return labels
    largest: NDArray[np.int64] = as_rows(true, pred).argmax(axis=1)
    return largest


def rows_with_nan(true: NDArray[Any], pred: Array) -> NDArray[np.bool_]:
    """Return which rows have a NaN in targets or predictions, which comparisons would hide."""
    found: NDArray[np.bool_] = np.isnan(pred).any(axis=1) | np.isnan(true).reshape(len(pred), -1).any(axis=1)
    return found


class Averaged(Metric):
    """Mean of one value per sample; the value of a sample with a NaN is NaN."""

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        """Return a value for every row."""
        raise NotImplementedError

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:
        values = np.where(rows_with_nan(true, pred), np.nan, self._values(true, pred))
        self._total += float(values @ weight)
        self._weight += float(weight.sum())
        self._seen += len(values)

    def result(self) -> float:
        """Return the mean; NaN before the first sample, and 0 where all samples have weight 0, as in Keras."""
        if self._weight:
            return self._total / self._weight
        return self._total if self._seen else float("nan")

    def reset_state(self) -> None:
        self._total = self._weight = 0.0
        self._seen = 0


@metrics.add()
class Mean(Metric):
    """The mean of values: ``update_state(values, sample_weight=None)``.

    Examples
    --------
    >>> import fastnet as fn
    >>> mean = fn.metrics.Mean()
    >>> mean.update_state([1.0, 3.0])
    >>> mean.update_state(8.0)
    >>> mean.result()
    4.0
    """

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:  # type: ignore[override]
        """Update the mean with values and their weights."""
        array = np.atleast_1d(np.asarray(without_mask("values", values), np.float64))
        weight = weights_of(array.shape, sample_weight)
        each = array.size / len(array) if array.size else 1.0  # the values of a sample count as one
        self._total += float((array * weight).sum() / each)
        self._weight += float(weight.sum() / each)
        self._seen += array.size

    def result(self) -> float:
        """Return the mean of all values; NaN without values, and 0 where all of them have weight 0, as in Keras."""
        if self._weight:
            return self._total / self._weight
        return self._total if self._seen else float("nan")

    def reset_state(self) -> None:
        self._total = self._weight = 0.0
        self._seen = 0


@metrics.add()
class Sum(Metric):
    """The sum of values: ``update_state(values, sample_weight=None)``.

    Examples
    --------
    >>> import fastnet as fn
    >>> total = fn.metrics.Sum()
    >>> total.update_state([1.0, 3.0])
    >>> total.result()
    4.0
    """

    def update_state(self, values: ArrayLike, sample_weight: ArrayLike | None = None) -> None:  # type: ignore[override]
        """Add values, each times its weight."""
        array = np.atleast_1d(np.asarray(without_mask("values", values), np.float64))
        self._total += float((array * weights_of(array.shape, sample_weight)).sum())

    def result(self) -> float:
        """Return the sum of all values."""
        return self._total

    def reset_state(self) -> None:
        self._total = 0.0

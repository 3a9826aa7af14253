"""Counts of right and wrong decisions at thresholds, and the metrics that are quotients of them."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.losses.shapes import weights_of
from fastnet.metrics.base import Array, Metric, as_rows, rows_of_last_axis
from fastnet.support.validation import check_integer, check_number, describe, without_mask

__all__ = ["Counts", "CountsAtThresholds", "checked_thresholds", "quotient"]


class Counts(NamedTuple):
    """Weights of true and false positives and negatives, at each threshold and, if they are apart, for each output.

    Attributes
    ----------
    tp, fp, tn, fn : ndarray of shape (thresholds,) or (thresholds, outputs)
    """

    tp: Array
    fp: Array
    tn: Array
    fn: Array

    @property
    def precision(self) -> Array:
        """The fraction of predicted positives that are positive; 0 without any."""
        return quotient(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> Array:
        """The fraction of positives that are predicted positive, also known as sensitivity; 0 without any."""
        return quotient(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Array:
        """The fraction of negatives that are predicted negative; 0 without any."""
        return quotient(self.tn, self.tn + self.fp)


def quotient(numerator: Array, denominator: Array) -> Array:
    """Return a quotient that is 0 where the denominator is."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator != 0.0)


def counted(thresholds: Array, positive: NDArray[np.bool_], scores: Array, weight: Array) -> Counts:
    """Return the counts of scores that are above the thresholds; all are NaN if a score is."""
    order = np.argsort(scores, kind="stable")
    place = np.searchsorted(scores[order], thresholds, side="right")
    sums = []
    for kind in (positive, ~positive):
        up_to = np.concatenate([[0.0], np.cumsum((weight * kind)[order])])
        sums += [up_to[-1] - up_to[place], up_to[place]]
    unknown = np.nan if np.isnan(scores).any() else 0.0
    above_yes, below_yes, above_no, below_no = (part + unknown for part in sums)
    return Counts(above_yes, above_no, below_no, below_yes)


def checked_thresholds(thresholds: Any, default: float) -> list[float]:
    """Return thresholds as a list: a number, some of them, or the default for None."""
    if thresholds is None:
        return [default]
    given = thresholds if isinstance(thresholds, Sequence | np.ndarray) else [thresholds]
    if isinstance(given, str) or not len(given):
        raise TypeError(f"thresholds must be a number or a list of numbers; got {describe(thresholds)}")
    return [check_number("thresholds", one) for one in given]


class CountsAtThresholds(Metric):
    """Base of metrics from the counts at one threshold or more, over all outputs or one."""

    direction = "up"
    by_output = False
    label_weights: Array | None = None
    _counts: list[Array]

    def __init__(
        self, limits: Iterable[float], class_id: int | None, name: str | None, dtype: Any, top_k: int | None = None
    ) -> None:
        self._limits = np.array(list(limits), np.float64)
        self.class_id = None if class_id is None else check_integer("class_id", class_id, minimum=0)
        self.top_k = None if top_k is None else check_integer("top_k", top_k)
        by_class = self.by_output or any(one is not None for one in (class_id, top_k, self.label_weights))
        self.of_values = not by_class  # type: ignore[misc]
        super().__init__(name, dtype)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Update the counts with a batch; weights of the shape of the predictions are those of the outputs."""
        if self.top_k is not None and np.ndim(y_pred) == 1:  # one row, as in Keras
            y_true, y_pred = (np.reshape(array, (1, -1)) for array in (y_true, y_pred))
        shape: tuple[int, ...] = np.shape(y_pred)
        given: tuple[int, ...] = () if sample_weight is None else np.shape(sample_weight)
        if len(given) != len(shape) or len(shape) < 2 or shape[-1] == 1 or given[-1] != shape[-1]:
            return super().update_state(y_true, y_pred, sample_weight)
        pred = np.asarray(without_mask("y_pred", y_pred), np.float64)
        weight = weights_of(shape, sample_weight).reshape(-1, shape[-1])
        true, pred = rows_of_last_axis(np.asarray(without_mask("y_true", y_true)), pred)
        return self._add_rows(true, pred, weight)

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:
        self._add_rows(true, pred, np.broadcast_to(weight[:, None], pred.shape))

    def _add_rows(self, true: NDArray[Any], pred: Array, weight: Array) -> None:
        """Add the counts of rows with a weight for each output."""
        rows, pred = as_rows(true, pred), self._largest(pred)
        if self.class_id is not None:
            if self.class_id >= pred.shape[1]:
                raise ValueError(f"class_id must be below the number of outputs, {pred.shape[1]}; got {self.class_id}")
            rows, pred, weight = (array[:, self.class_id, None] for array in (rows, pred, weight))
        self._add(rows, pred, weight)

    def _largest(self, pred: Array) -> Array:
        """Return the `top_k` largest outputs of each row; the others are below every threshold."""
        if self.top_k is None:
            return pred
        first = np.argsort(-pred, axis=1, kind="stable")[:, : self.top_k]
        kept = np.full_like(pred, -np.inf)
        np.put_along_axis(kept, first, np.take_along_axis(pred, first, axis=1), axis=1)
        return np.where(np.isnan(pred), np.nan, kept)

    def _add(self, rows: Array, pred: Array, weight: Array) -> None:
        """Add the counts of outputs."""
        scores = np.where(np.isnan(rows), np.nan, pred)
        if self.by_output:
            columns = [
                counted(self._limits, rows[:, i] > 0.5, scores[:, i], weight[:, i]) for i in range(pred.shape[1])
            ]
            counts = Counts(*(np.stack(parts, axis=1) for parts in zip(*columns, strict=True)))
        else:
            if self.label_weights is not None:
                weight = weight * self.label_weights
            counts = counted(self._limits, (rows > 0.5).reshape(-1), scores.reshape(-1), weight.reshape(-1))
        self._counts = [old + new for old, new in zip(self._counts, counts, strict=True)]

    @property
    def counts(self) -> Counts:
        """The counts of all batches since the last `reset_state`."""
        return Counts(*self._counts)

    def _figure(self, values: Array) -> Any:
        """Return a value for each threshold: a number if there is one."""
        return float(values[0]) if len(self._limits) == 1 else values

    def reset_state(self) -> None:
        self._counts = [np.zeros((len(self._limits), 1) if self.by_output else len(self._limits))] * 4

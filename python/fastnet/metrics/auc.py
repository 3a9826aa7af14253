"""The area under curves."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet import functional
from fastnet.metrics.base import Array, metrics
from fastnet.metrics.counts import Counts, CountsAtThresholds, checked_thresholds, quotient
from fastnet.support.validation import check_bool, check_choice, check_integer, describe

_BEYOND = 1e-7  # how far the outermost thresholds are from 0 and 1, as in Keras
_DEFAULT_THRESHOLDS = 200  # that of Keras


@metrics.add("auc")
class AUC(CountsAtThresholds):
    """The area under the ROC curve, or under the precision-recall curve, of all outputs together.

    By default it is exact, while Keras sums over 200 thresholds. It equals scikit-learn's `roc_auc_score`, or with
    ``curve="PR"`` its `average_precision_score`, on all batches together. For that it stores the scores, in 17 bytes each.
    With `num_thresholds`, `thresholds`, another `summation_method` or ``curve="PRGAIN"`` it is Keras's sum.

    Parameters
    ----------
    num_thresholds : int, optional
        The number of thresholds from 0 to 1 at which the curve is known, at least 2; 200 where a sum is needed.
    curve : {"ROC", "PR", "PRGAIN"}, default "ROC"
        The curve.
    summation_method : {"interpolation", "minoring", "majoring"}, default "interpolation"
        What the sum takes between two thresholds: the mean of the two heights, or for "PR" the interpolation of Davis and
        Goadrich (2006), the lower one, or the higher one.
    name, dtype
        See `Metric`.
    thresholds : list of float, optional
        The thresholds between 0 and 1, instead of their number.
    multi_label : bool, default False
        Whether each output has a curve of its own; the result is the mean of their areas.
    num_labels : int, optional
        The number of outputs, with `multi_label`.
    label_weights : sequence of float, optional
        The weight of each output: in the mean with `multi_label`, else of its samples.
    from_logits : bool, default False
        Whether a sigmoid is applied to the predictions first.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.AUC()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    >>> round(fn.metrics.AUC(num_thresholds=3)([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]), 6)
    0.75
    """

    default_name = "auc"

    def __init__(
        self,
        num_thresholds: int | None = None,
        curve: str = "ROC",
        summation_method: str = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Sequence[float] | None = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: ArrayLike | None = None,
        from_logits: bool = False,
    ) -> None:
        self.curve = check_choice("curve", curve, ["ROC", "PR", "PRGAIN"])
        methods = ["interpolation", "minoring", "majoring"]
        self.summation_method = check_choice("summation_method", summation_method, methods)
        self.num_thresholds = (
            None if num_thresholds is None else check_integer("num_thresholds", num_thresholds, minimum=2)
        )
        self.thresholds = None if thresholds is None else sorted(checked_thresholds(thresholds, 0.5))
        self.multi_label = self.by_output = check_bool("multi_label", multi_label)
        self.num_labels = None if num_labels is None else check_integer("num_labels", num_labels)
        if self.num_labels is not None and not self.multi_label:
            raise ValueError(f"num_labels is for multi_label=True only; got {num_labels}")
        self.label_weights = None if label_weights is None else _checked_weights(label_weights)
        self.from_logits = check_bool("from_logits", from_logits)
        sums = num_thresholds is not None or thresholds is not None
        self.exact = not sums and self.curve != "PRGAIN" and self.summation_method == "interpolation"
        super().__init__(self._all_thresholds(), None, name, dtype)

    def _all_thresholds(self) -> list[float]:
        if self.exact:
            return []
        inner = self.thresholds
        if inner is None:
            inner = np.linspace(0.0, 1.0, self.num_thresholds or _DEFAULT_THRESHOLDS)[1:-1].tolist()
        return [-_BEYOND, *inner, 1.0 + _BEYOND]

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:
        labels = pred.shape[1]
        if self.num_labels not in (None, labels):
            raise ValueError(f"y_pred must have num_labels={self.num_labels} columns; got {labels}")
        if self.label_weights is not None and len(self.label_weights) != labels:
            raise ValueError(
                f"label_weights must have a value for each of {labels} outputs; got {len(self.label_weights)}"
            )
        super()._update(true, functional.sigmoid(pred) if self.from_logits else pred, weight)

    def _add(self, rows: Array, pred: Array, weight: Array) -> None:
        if not self.exact:
            return super()._add(rows, pred, weight)
        if self.label_weights is not None and not self.multi_label:
            weight = weight * self.label_weights
        self._positive.append(rows > 0.5)
        self._scores.append(np.where(np.isnan(rows), np.nan, pred))
        self._weights.append(weight)
        return None

    def result(self) -> float:
        if self.exact and not self._scores:
            return float("nan")
        areas = self._exact_areas() if self.exact else np.atleast_1d(self._sum(self.counts))
        if self.label_weights is None or not self.multi_label:
            return float(np.mean(areas))
        return float(areas @ self.label_weights / self.label_weights.sum())

    # --- Exact ---

    def _exact_areas(self) -> Array:
        """Return the area for each output, or for all together."""
        parts = (np.concatenate(stored) for stored in (self._positive, self._scores, self._weights))
        columns = (part if self.multi_label else part.reshape(-1, 1) for part in parts)
        return np.array([self._exact_area(*of_output) for of_output in zip(*(part.T for part in columns), strict=True)])

    def _exact_area(self, positive: NDArray[np.bool_], scores: Array, weight: Array) -> float:
        if np.isnan(scores).any():
            return float("nan")
        order = np.argsort(-scores, kind="stable")
        ends = np.flatnonzero(
            np.diff(scores[order], append=np.inf)
        )  # ends of runs of equal scores, which no threshold separates
        hits = np.cumsum((weight * positive)[order])[ends]
        alarms = np.cumsum((weight * ~positive)[order])[ends]
        if not hits[-1] or (self.curve == "ROC" and not alarms[-1]):
            return float("nan")  # a curve needs both classes
        if self.curve == "PR":
            said = hits + alarms
            precision = np.divide(hits, said, out=np.ones_like(hits), where=said > 0)
            return float(np.diff(hits, prepend=0.0) @ precision / hits[-1])
        widths, heights = np.diff(alarms, prepend=0.0), np.concatenate([[0.0], hits])
        return float(widths @ (heights[1:] + heights[:-1]) / (2.0 * hits[-1] * alarms[-1]))

    # --- Sums over thresholds ---

    def _sum(self, counts: Counts) -> Array:
        """Return Keras's sum over the thresholds, for each output or for all together."""
        if self.curve == "PR" and self.summation_method == "interpolation":
            return _interpolated(counts)
        x, y = self._points(counts)
        left, right = y[:-1], y[1:]
        heights = {
            "interpolation": (left + right) / 2.0,
            "minoring": np.minimum(left, right),
            "majoring": np.maximum(left, right),
        }[self.summation_method]
        return np.asarray(((x[:-1] - x[1:]) * heights).sum(axis=0))

    def _points(self, counts: Counts) -> tuple[Array, Array]:
        """Return the points of the curve, with a falling x."""
        tp, fp, tn, fn = counts
        if self.curve == "ROC":
            return quotient(fp, fp + tn), counts.recall
        if self.curve == "PR":
            return counts.recall, counts.precision
        # Flach and Kull, NIPS 2015
        scale = quotient(tp + fn, tn + fp)
        recall_gain = np.where(tp == 0.0, 0.0, 1.0 - scale * quotient(fn, tp))
        return np.maximum(recall_gain, 0.0), np.where(tp == 0.0, 1.0, 1.0 - scale * quotient(fp, tp))

    def get_state(self) -> dict[str, Any]:
        state = super().get_state()
        for name in ("_positive", "_scores", "_weights"):
            state[name] = [np.concatenate(state[name])] if state[name] else []
        return state

    def reset_state(self) -> None:
        super().reset_state()
        self._positive: list[NDArray[np.bool_]] = []
        self._scores: list[Array] = []
        self._weights: list[Array] = []

    def get_config(self) -> dict[str, Any]:
        own = {
            "num_thresholds": self.num_thresholds,
            "summation_method": self.summation_method,
            "thresholds": self.thresholds,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if self.label_weights is None else self.label_weights.tolist(),
            "from_logits": self.from_logits,
        }
        defaults = {"summation_method": "interpolation", "multi_label": False, "from_logits": False}
        given = {name: value for name, value in own.items() if value != defaults.get(name)}
        return {"curve": self.curve, **given, **super().get_config()}


def _checked_weights(label_weights: ArrayLike) -> Array:
    weights = np.asarray(label_weights, np.float64)
    if weights.ndim != 1 or not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise ValueError(f"label_weights must be numbers of at least 0, not all 0; got {describe(label_weights)}")
    return weights


def _interpolated(counts: Counts) -> Array:
    """Return the area under the precision-recall curve, as Davis and Goadrich (2006) interpolate between two thresholds."""
    tp, said = counts.tp, counts.tp + counts.fp
    gained = tp[:-1] - tp[1:]
    slope = quotient(gained, np.maximum(said[:-1] - said[1:], 0.0))
    intercept = tp[1:] - slope * said[1:]
    both = (said[:-1] > 0) & (said[1:] > 0)
    ratio = np.where(both, quotient(said[:-1], np.maximum(said[1:], 0.0)), 1.0)
    increments = slope * (gained + intercept * np.log(ratio))
    return np.asarray(quotient(increments, np.maximum(counts.tp[1:] + counts.fn[1:], 0.0)).sum(axis=0))

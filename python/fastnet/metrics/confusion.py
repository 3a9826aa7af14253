"""Precision, recall, F1 and the area under curves."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnet.metrics.base import Array, Metric, as_rows, metrics
from fastnet.support.validation import check_choice, check_integer, check_number


class _Counted(Metric):
    """Base of metrics from the counts of true and false positives and negatives."""

    direction = "up"

    _hits: Array
    _said: Array
    _yes: Array

    def _decide(self, pred: Array) -> Any:
        """Return which outputs are predicted positive."""
        raise NotImplementedError

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:
        rows = as_rows(true, pred)
        known = np.where(np.isnan(rows) | np.isnan(pred), np.nan, 1.0)  # a NaN is neither positive nor negative
        yes, said = known * (rows > 0.5), known * self._decide(pred)
        self._hits = self._hits + weight @ (yes * said)
        self._said = self._said + weight @ said
        self._yes = self._yes + weight @ yes

    def reset_state(self) -> None:
        self._hits = self._said = self._yes = np.zeros(1)


class _Thresholded(_Counted):
    """Base of precision and recall, over all outputs or one."""

    keras_defaults: ClassVar[dict[str, Any]] = {**Metric.keras_defaults, "top_k": None}

    def __init__(
        self,
        thresholds: float | None = None,
        top_k: Any = None,
        class_id: int | None = None,
        name: str | None = None,
        **keywords: Any,
    ) -> None:
        self.thresholds = 0.5 if thresholds is None else check_number("thresholds", thresholds)
        self.class_id = None if class_id is None else check_integer("class_id", class_id, minimum=0)
        super().__init__(name, **({} if top_k is None else {"top_k": top_k}), **keywords)

    def _decide(self, pred: Array) -> Any:
        if self.class_id is not None and self.class_id >= pred.shape[1]:
            raise ValueError(f"class_id must be below the number of outputs, {pred.shape[1]}; got {self.class_id}")
        return pred > self.thresholds

    def _count(self, counts: Array) -> float:
        """Return a count over all outputs, or that of `class_id`."""
        return float(counts.sum() if self.class_id is None or counts.size == 1 else counts[self.class_id])

    def get_config(self) -> dict[str, Any]:
        return {"thresholds": self.thresholds, "class_id": self.class_id, **super().get_config()}


@metrics.add("precision")
class Precision(_Thresholded):
    """Precision: the fraction of predicted positives that are positive, over all outputs; 0 without any.

    Parameters
    ----------
    thresholds : float, default 0.5
        Outputs above it are predicted positive; a list of thresholds is not available.
    top_k : None
        Only None is available.
    class_id : int, optional
        The output to evaluate; all by default.
    name : str, default "precision"
        The name in the history.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.Precision()([0, 1, 1, 0], [0.9, 0.8, 0.3, 0.1])
    0.5
    """

    def result(self) -> float:
        said = self._count(self._said)
        return self._count(self._hits) / said if said else 0.0


@metrics.add("recall")
class Recall(_Thresholded):
    """Recall: the fraction of positives that are predicted positive, over all outputs; 0 without any.

    Parameters
    ----------
    thresholds, top_k, class_id, name
        As for `Precision`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.Recall()([0, 1, 1, 1], [0.9, 0.8, 0.3, 0.6])
    0.6666666666666666
    """

    def result(self) -> float:
        yes = self._count(self._yes)
        return self._count(self._hits) / yes if yes else 0.0


@metrics.add("f1_score", "F1")
class F1Score(_Counted):
    """F1, the harmonic mean of precision and recall of each class: 2 TP / (2 TP + FP + FN); 0 if both are 0.

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}, default None
        How to combine the classes: from the counts of all classes, as the mean of their figures, or as the mean
        weighted by their frequencies. None is for a single output.
    threshold : float, optional
        Outputs above it are predicted positive. Without it, the largest output of a row is, or a single output above
        0.5.
    name : str, default "f1_score"
        The name in the history.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.F1Score(average="macro")([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    0.6666666666666666
    """

    default_name = "f1_score"

    def __init__(
        self, average: str | None = None, threshold: float | None = None, name: str | None = None, **keywords: Any
    ) -> None:
        self.average = None if average is None else check_choice("average", average, ["micro", "macro", "weighted"])
        self.threshold = None if threshold is None else check_number("threshold", threshold)
        super().__init__(name, **keywords)

    def _decide(self, pred: Array) -> Any:
        if self.threshold is not None or pred.shape[1] == 1:
            return pred > (0.5 if self.threshold is None else self.threshold)
        return np.equal(pred.argmax(axis=1)[:, None], np.arange(pred.shape[1]))

    def result(self) -> float:
        if self._hits.size > 1 and self.average is None:
            raise ValueError(f"average must be 'micro', 'macro' or 'weighted' for {self._hits.size} outputs; got None")
        if self.average == "micro":
            both = self._said.sum() + self._yes.sum()
            return float(2.0 * self._hits.sum() / both) if both else 0.0
        both = self._said + self._yes
        scores = 2.0 * self._hits / np.where(both == 0.0, 1.0, both)
        if self.average != "weighted":
            return float(scores.mean())
        return float(scores @ self._yes / self._yes.sum()) if self._yes.any() else 0.0

    def get_config(self) -> dict[str, Any]:
        return {"average": self.average, "threshold": self.threshold, **super().get_config()}


@metrics.add("auc")
class AUC(Metric):
    """The area under the ROC curve, or under the precision-recall curve, of all outputs together.

    It is exact, while Keras sums over 200 thresholds. It equals scikit-learn's `roc_auc_score`, or with ``curve="PR"``
    its `average_precision_score`, on all batches together. For that it stores the scores, in 17 bytes each.

    Parameters
    ----------
    curve : {"ROC", "PR"}, default "ROC"
        The curve.
    name : str, default "auc"
        The name in the history.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.AUC()([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    0.75
    """

    direction = "up"

    default_name = "auc"
    keras_defaults: ClassVar[dict[str, Any]] = {
        **Metric.keras_defaults,
        "num_thresholds": 200,
        "summation_method": "interpolation",
        "thresholds": None,
        "multi_label": False,
        "num_labels": None,
        "label_weights": None,
        "from_logits": False,
    }

    def __init__(self, curve: str = "ROC", name: str | None = None, **keywords: Any) -> None:
        self.curve = check_choice("curve", curve, ["ROC", "PR"])
        super().__init__(name, **keywords)

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:
        rows = as_rows(true, pred)
        self._positive.append((rows > 0.5).reshape(-1))
        self._scores.append(np.where(np.isnan(rows), np.nan, pred).reshape(-1))
        self._weights.append(np.repeat(weight, pred.shape[1]))

    def result(self) -> float:
        if not self._scores:
            return float("nan")
        positive, scores = np.concatenate(self._positive), np.concatenate(self._scores)
        weight = np.concatenate(self._weights)
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

    def get_state(self) -> dict[str, Any]:
        return {name: [np.concatenate(parts)] if parts else [] for name, parts in super().get_state().items()}

    def reset_state(self) -> None:
        self._positive: list[NDArray[np.bool_]] = []
        self._scores: list[Array] = []
        self._weights: list[Array] = []

    def get_config(self) -> dict[str, Any]:
        return {"curve": self.curve, **super().get_config()}

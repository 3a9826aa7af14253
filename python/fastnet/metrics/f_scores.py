"""F-scores: means of precision and recall."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.metrics.base import Array, Metric, as_rows, metrics
from fastnet.metrics.counts import quotient
from fastnet.support.validation import check_choice, check_number


@metrics.add("fbeta_score")
class FBetaScore(Metric):
    """F-beta, the harmonic mean of precision and recall, of which recall weighs beta squared times as much.

    For a class it is ``(1 + beta^2) TP / ((1 + beta^2) TP + beta^2 FN + FP)``; 0 without any of these.

    Parameters
    ----------
    average : {None, "micro", "macro", "weighted"}, default None
        How to combine the classes: from the counts of all classes, as the mean of their figures, or as the mean
        weighted by their frequencies. With None the result of several outputs is an array, which `fit` does not take.
    beta : float, default 1.0
        The weight of recall; above 0.
    threshold : float, optional
        Outputs above it are predicted positive. Without it, the largest output of a row is, or a single output above
        0.5.
    name : str, default "fbeta_score"
        The name in the history.
    dtype
        See `Metric`.

    Examples
    --------
    >>> import fastnet as fn
    >>> metric = fn.metrics.FBetaScore("macro", beta=2.0)
    >>> round(metric([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3]]), 4)
    0.6944
    """

    direction = "up"
    default_name = "fbeta_score"
    _hits: Array
    _said: Array
    _yes: Array

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.average = None if average is None else check_choice("average", average, ["micro", "macro", "weighted"])
        self.beta = check_number("beta", beta, above=0.0)
        self.threshold = None if threshold is None else check_number("threshold", threshold)
        super().__init__(name, dtype)

    def _decide(self, pred: Array) -> Any:
        """Return which outputs are predicted positive."""
        if self.threshold is not None or pred.shape[1] == 1:
            return pred > (0.5 if self.threshold is None else self.threshold)
        return np.equal(pred.argmax(axis=1)[:, None], np.arange(pred.shape[1]))

    def _update(self, true: NDArray[Any], pred: Array, weight: Array, /) -> None:
        rows = as_rows(true, pred)
        known = np.where(np.isnan(rows) | np.isnan(pred), np.nan, 1.0)  # a NaN is neither positive nor negative
        yes, said = known * (rows > 0.5), known * self._decide(pred)
        self._hits = self._hits + weight @ (yes * said)
        self._said = self._said + weight @ said
        self._yes = self._yes + weight @ yes

    def result(self) -> Any:
        """Return the figure, or with several outputs and without an average an array of that of each."""
        if self.average == "micro":
            return float(self._score(*(part.sum(keepdims=True) for part in (self._hits, self._said, self._yes)))[0])
        scores = self._score(self._hits, self._said, self._yes)
        if self.average == "weighted":
            return float(scores @ self._yes / self._yes.sum()) if self._yes.any() else 0.0
        return scores if self.average is None and scores.size > 1 else float(scores.mean())

    def _score(self, hits: Array, said: Array, yes: Array) -> Array:
        square = self.beta**2
        return quotient((1.0 + square) * hits, said + square * yes)

    def reset_state(self) -> None:
        self._hits = self._said = self._yes = np.zeros(1)

    def get_config(self) -> dict[str, Any]:
        own = {"average": self.average, "beta": self.beta, "threshold": self.threshold}
        return {**own, **super().get_config()}


@metrics.add("f1_score", "F1")
class F1Score(FBetaScore):
    """F1, the harmonic mean of precision and recall of each class: 2 TP / (2 TP + FP + FN); 0 if both are 0.

    Parameters
    ----------
    average, threshold, dtype
        As for `FBetaScore`.
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
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["beta"]
        return config

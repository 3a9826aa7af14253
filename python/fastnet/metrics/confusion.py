"""Precision, recall, and other metrics from the counts of right and wrong decisions."""

from typing import Any, ClassVar

import numpy as np

from fastnet.metrics.base import Array, metrics
from fastnet.metrics.counts import Counts, CountsAtThresholds, checked_thresholds
from fastnet.support.validation import check_integer, check_number

# ---- Counts ---------------------------------------------------------------------------------------------------------


class _Count(CountsAtThresholds):
    """Base of the counts themselves."""

    kind: ClassVar[str]

    def __init__(self, thresholds: Any = None, name: str | None = None, dtype: Any = None) -> None:
        self.thresholds = checked_thresholds(thresholds, 0.5)
        super().__init__(self.thresholds, None, name, dtype)

    def result(self) -> Any:
        return self._figure(getattr(self.counts, self.kind))

    def get_config(self) -> dict[str, Any]:
        return {"thresholds": self.thresholds, **super().get_config()}


@metrics.add("true_positives")
class TruePositives(_Count):
    """The number of positives that are predicted positive, or the sum of their weights, over all outputs.

    Parameters
    ----------
    thresholds : float or list of float, default 0.5
        Outputs above it are predicted positive. With a list, the result is an array.
    name, dtype
        See `Metric`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.TruePositives()([0, 1, 1, 1], [0.9, 0.8, 0.3, 0.6])
    2.0
    """

    kind = "tp"


@metrics.add("true_negatives")
class TrueNegatives(_Count):
    """The number of negatives that are predicted negative, or the sum of their weights, over all outputs.

    Parameters
    ----------
    thresholds, name, dtype
        As for `TruePositives`.
    """

    kind = "tn"


@metrics.add("false_positives")
class FalsePositives(_Count):
    """The number of negatives that are predicted positive, or the sum of their weights, over all outputs.

    Parameters
    ----------
    thresholds, name, dtype
        As for `TruePositives`.
    """

    kind = "fp"
    direction = "down"


@metrics.add("false_negatives")
class FalseNegatives(_Count):
    """The number of positives that are predicted negative, or the sum of their weights, over all outputs.

    Parameters
    ----------
    thresholds, name, dtype
        As for `TruePositives`.
    """

    kind = "fn"
    direction = "down"


# ---- Precision and recall -------------------------------------------------------------------------------------------


class _Share(CountsAtThresholds):
    """Base of precision and recall."""

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        # Of the `top_k` largest outputs all are predicted positive, unless there is a threshold.
        limits = checked_thresholds(thresholds, 0.5 if top_k is None else -np.finfo(np.float64).max)
        self.thresholds = None if thresholds is None else limits[0] if len(limits) == 1 else limits
        super().__init__(limits, class_id, name, dtype, top_k)

    def get_config(self) -> dict[str, Any]:
        top_k = {} if self.top_k is None else {"top_k": self.top_k}
        return {"thresholds": self.thresholds, "class_id": self.class_id, **top_k, **super().get_config()}


@metrics.add("precision")
class Precision(_Share):
    """Precision: the fraction of predicted positives that are positive, over all outputs; 0 without any.

    Parameters
    ----------
    thresholds : float or list of float, default 0.5
        Outputs above it are predicted positive. With a list, the result is an array.
    top_k : int, optional
        How many of the largest outputs of a row can be predicted positive; without thresholds they all are.
    class_id : int, optional
        The output to evaluate; all by default.
    name, dtype
        See `Metric`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.Precision()([0, 1, 1, 0], [0.9, 0.8, 0.3, 0.1])
    0.5
    """

    def result(self) -> Any:
        return self._figure(self.counts.precision)


@metrics.add("recall")
class Recall(_Share):
    """Recall: the fraction of positives that are predicted positive, over all outputs; 0 without any.

    Parameters
    ----------
    thresholds, top_k, class_id, name, dtype
        As for `Precision`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.Recall()([0, 1, 1, 1], [0.9, 0.8, 0.3, 0.6])
    0.6666666666666666
    """

    def result(self) -> Any:
        return self._figure(self.counts.recall)


# ---- The best of one figure where another one is high enough --------------------------------------------------------


class _BestWhere(CountsAtThresholds):
    """Base of metrics that are the largest figure at the thresholds where another figure reaches a value."""

    required: ClassVar[str]
    reported: ClassVar[str]

    def __init__(
        self, value: float, num_thresholds: int, class_id: int | None, name: str | None, dtype: Any, argument: str = ""
    ) -> None:
        self._value = check_number(argument or self.required, value, minimum=0.0, maximum=1.0)
        self.num_thresholds = check_integer("num_thresholds", num_thresholds)
        one = self.num_thresholds == 1
        super().__init__([0.5] if one else np.linspace(0.0, 1.0, self.num_thresholds), class_id, name, dtype)

    def result(self) -> float:
        counts: Counts = self.counts
        required: Array = getattr(counts, self.required)
        reported: Array = getattr(counts, self.reported)
        if np.isnan(reported).any():
            return float("nan")
        return float(np.max(reported, where=required >= self._value, initial=0.0))

    def get_config(self) -> dict[str, Any]:
        return {"num_thresholds": self.num_thresholds, "class_id": self.class_id, **super().get_config()}


@metrics.add("sensitivity_at_specificity")
class SensitivityAtSpecificity(_BestWhere):
    """The largest sensitivity (recall) at thresholds where the specificity reaches a value; 0 where it reaches it nowhere.

    Parameters
    ----------
    specificity : float
        The value, from 0 to 1.
    num_thresholds : int, default 200
        The number of thresholds from 0 to 1.
    class_id : int, optional
        The output to evaluate; all by default.
    name, dtype
        See `Metric`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.SensitivityAtSpecificity(0.5)([0, 0, 0, 1, 1], [0.0, 0.3, 0.8, 0.3, 0.8])
    0.5
    """

    required, reported = "specificity", "recall"

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(specificity, num_thresholds, class_id, name, dtype)
        self.specificity = self._value

    def get_config(self) -> dict[str, Any]:
        return {"specificity": self.specificity, **super().get_config()}


@metrics.add("specificity_at_sensitivity")
class SpecificityAtSensitivity(_BestWhere):
    """The largest specificity at thresholds where the sensitivity (recall) reaches a value.

    Parameters
    ----------
    sensitivity : float
        The value, from 0 to 1.
    num_thresholds, class_id, name, dtype
        As for `SensitivityAtSpecificity`.
    """

    required, reported = "recall", "specificity"

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype, "sensitivity")
        self.sensitivity = self._value

    def get_config(self) -> dict[str, Any]:
        return {"sensitivity": self.sensitivity, **super().get_config()}


@metrics.add("precision_at_recall")
class PrecisionAtRecall(_BestWhere):
    """The largest precision at thresholds where the recall reaches a value.

    Parameters
    ----------
    recall : float
        The value, from 0 to 1.
    num_thresholds, class_id, name, dtype
        As for `SensitivityAtSpecificity`.
    """

    required, reported = "recall", "precision"

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(recall, num_thresholds, class_id, name, dtype)
        self.recall = self._value

    def get_config(self) -> dict[str, Any]:
        return {"recall": self.recall, **super().get_config()}


@metrics.add("recall_at_precision")
class RecallAtPrecision(_BestWhere):
    """The largest recall at thresholds where the precision reaches a value.

    Parameters
    ----------
    precision : float
        The value, from 0 to 1.
    num_thresholds, class_id, name, dtype
        As for `SensitivityAtSpecificity`.
    """

    required, reported = "precision", "recall"

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(precision, num_thresholds, class_id, name, dtype)
        self.precision = self._value

    def get_config(self) -> dict[str, Any]:
        return {"precision": self.precision, **super().get_config()}

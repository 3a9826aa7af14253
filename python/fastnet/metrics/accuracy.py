"""Accuracies: how often predictions are right."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.metrics.base import Array, Averaged, as_labels, as_rows, metrics
from fastnet.support.validation import check_bool, check_integer, check_number


@metrics.add("accuracy")
class Accuracy(Averaged):
    """The fraction of predictions that equal their targets exactly, such as class numbers.

    The name "accuracy" in `compile` means the accuracy that fits the model: see `Sequential.compile`.

    Parameters
    ----------
    name : str, default "accuracy"
        The name in the history.
    """

    direction = "up"
    of_values = True
    elementwise = True

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        return np.equal(as_rows(true, pred), pred).mean(axis=1)


@metrics.add("binary_accuracy")
class BinaryAccuracy(Averaged):
    """The fraction of outputs on the right side of a threshold.

    Parameters
    ----------
    name : str, default "binary_accuracy"
        The name in the history.
    threshold : float, default 0.5
        Outputs above it predict 1.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.BinaryAccuracy()([1, 0, 1, 1], [0.9, 0.2, 0.6, 0.4])
    0.75
    """

    direction = "up"
    of_values = True
    elementwise = True

    def __init__(self, name: str | None = None, threshold: float = 0.5, **keywords: Any) -> None:
        self.threshold = check_number("threshold", threshold)
        super().__init__(name, **keywords)

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        return np.equal(as_rows(true, pred), pred > self.threshold).mean(axis=1)

    def get_config(self) -> dict[str, Any]:
        return {"threshold": self.threshold, **super().get_config()}


@metrics.add("categorical_accuracy")
class CategoricalAccuracy(Averaged):
    """The fraction of rows whose largest output is that of the largest target.

    Parameters
    ----------
    name : str, default "categorical_accuracy"
        The name in the history.
    """

    direction = "up"

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        return np.equal(as_labels(true, pred), pred.argmax(axis=1)).astype(np.float64)


@metrics.add("sparse_categorical_accuracy")
class SparseCategoricalAccuracy(CategoricalAccuracy):
    """The fraction of rows whose largest output is that of the label.

    Parameters
    ----------
    name : str, default "sparse_categorical_accuracy"
        The name in the history.
    """


@metrics.add("top_k_categorical_accuracy")
class TopKCategoricalAccuracy(Averaged):
    """The fraction of rows in which fewer than k outputs are larger than that of the target.

    Parameters
    ----------
    k : int, default 5
        The number of guesses per row.
    name : str, default "top_k_categorical_accuracy"
        The name in the history.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.metrics.TopKCategoricalAccuracy(k=2)([0, 0], [[0.3, 0.5, 0.2], [0.1, 0.5, 0.4]])
    0.5
    """

    default_name = "top_k_categorical_accuracy"
    direction = "up"

    def __init__(self, k: int = 5, name: str | None = None, **keywords: Any) -> None:
        self.k = check_integer("k", k)
        super().__init__(name, **keywords)

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        labels = as_labels(true, pred)
        if (labels >= pred.shape[1]).any():
            raise ValueError(
                f"{self.name} needs an output for each class; got label {labels.max()} and {pred.shape[1]}"
            )
        chosen = np.take_along_axis(pred, labels[:, None], axis=1)
        among = ((pred > chosen).sum(axis=1) < self.k) & np.isfinite(chosen[:, 0])
        return among.astype(np.float64)

    def get_config(self) -> dict[str, Any]:
        return {"k": self.k, **super().get_config()}


@metrics.add("sparse_top_k_categorical_accuracy")
class SparseTopKCategoricalAccuracy(TopKCategoricalAccuracy):
    """Top-k accuracy for integer labels; the same as `TopKCategoricalAccuracy`.

    Parameters
    ----------
    k : int, default 5
        The number of guesses per row.
    name : str, default "sparse_top_k_categorical_accuracy"
        The name in the history.
    dtype
        See `Metric`.
    from_sorted_ids : bool, default False
        Whether predictions are labels, the best guess first, instead of a value for each class.
    """

    default_name = "sparse_top_k_categorical_accuracy"

    def __init__(self, k: int = 5, name: str | None = None, dtype: Any = None, from_sorted_ids: bool = False) -> None:
        self.from_sorted_ids = check_bool("from_sorted_ids", from_sorted_ids)
        super().__init__(k, name, dtype=dtype)

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        if not self.from_sorted_ids:
            return super()._values(true, pred)
        return np.equal(true.reshape(-1, 1), pred[:, : self.k]).any(axis=1).astype(np.float64)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **({"from_sorted_ids": True} if self.from_sorted_ids else {})}

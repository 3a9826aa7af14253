"""Intersection over union, of classes of pixels or samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.losses.shapes import weights_of
from fastnet.metrics.base import Metric, metrics
from fastnet.support.validation import LARGEST_INTEGER, check_bool, check_integer, check_number, without_mask


@metrics.add("iou")
class IoU(Metric):
    """The mean over some classes of intersection over union: ``TP / (TP + FP + FN)``.

    Classes that occur neither among the targets nor among the predictions do not count; without any other the figure is 0.

    Parameters
    ----------
    num_classes : int
        The number of classes. Other labels are not counted.
    target_class_ids : sequence of int
        The classes whose mean it is.
    name, dtype
        See `Metric`.
    ignore_class : int, optional
        A label whose samples are not counted.
    sparse_y_true, sparse_y_pred : bool, default True
        Whether targets and predictions are labels; else they have a value for each class, the largest of which says it.
    axis : int, default -1
        The axis of these values.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.metrics.IoU(num_classes=2, target_class_ids=[0])([0, 0, 1, 1], [0, 1, 0, 1]), 4)
    0.3333
    """

    direction = "up"
    _matrix: NDArray[np.float64]

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        self.num_classes = check_integer("num_classes", num_classes)
        wanted = np.atleast_1d(target_class_ids).tolist()
        ids = [check_integer("target_class_ids", one, minimum=0) for one in wanted]
        if not ids or max(ids) >= self.num_classes:
            raise ValueError(f"target_class_ids must be classes below num_classes={num_classes}; got {wanted}")
        self.target_class_ids = ids
        least = -LARGEST_INTEGER
        self.ignore_class = None if ignore_class is None else check_integer("ignore_class", ignore_class, minimum=least)
        self.sparse_y_true = check_bool("sparse_y_true", sparse_y_true)
        self.sparse_y_pred = check_bool("sparse_y_pred", sparse_y_pred)
        self.axis = check_integer("axis", axis, minimum=least)
        self.of_values = self.sparse_y_true and self.sparse_y_pred  # type: ignore[misc]
        super().__init__(name, dtype)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Count labels.

        Parameters
        ----------
        y_true, y_pred : array_like
            Labels of one shape, or values for each class.
        sample_weight : array_like, optional
            The weight of each label, a number or an array of their shape.
        """
        true = self._labels("y_true", y_true, self.sparse_y_true, np.ndim(y_pred) - int(not self.sparse_y_pred))
        pred = self._labels("y_pred", y_pred, self.sparse_y_pred, None)
        if true.size != pred.size:
            raise ValueError(f"y_true and y_pred must have as many labels; got shapes {true.shape} and {pred.shape}")
        weight = weights_of(true.shape, sample_weight).reshape(-1)
        true, pred = true.reshape(-1), pred.reshape(-1)
        counted = (true >= 0) & (true < self.num_classes) & (pred >= 0) & (pred < self.num_classes)
        if self.ignore_class is not None:
            counted &= true != self.ignore_class
        cells = true[counted] * self.num_classes + pred[counted]
        sums = np.bincount(cells, weight[counted], self.num_classes**2)
        self._matrix = self._matrix + sums.reshape(self.num_classes, self.num_classes)

    def _labels(self, name: str, values: ArrayLike, sparse: bool, rank: int | None) -> NDArray[np.int64]:
        """Return labels; those that `fit` has for one-hot rows are labels already."""
        array = np.asarray(without_mask(name, values))
        if array.dtype.kind == "f" and (unknown := np.isnan(array)).any():
            self._matrix = np.full_like(self._matrix, np.nan)  # such a label is not a class
            array = np.where(unknown, 0, array)
        if not sparse and array.ndim != rank:
            array = array.argmax(axis=self.axis)
        return array.astype(np.int64)

    def result(self) -> float:
        """Return the mean over the classes that occur."""
        if np.isnan(self._matrix).any():
            return float("nan")
        both = np.diag(self._matrix)
        either = self._matrix.sum(axis=0) + self._matrix.sum(axis=1) - both
        both, either = both[self.target_class_ids], either[self.target_class_ids]
        present = either > 0.0
        return float(np.mean(both[present] / either[present])) if present.any() else 0.0

    def reset_state(self) -> None:
        self._matrix = np.zeros((self.num_classes, self.num_classes))

    def get_config(self) -> dict[str, Any]:
        return {
            "num_classes": self.num_classes,
            "target_class_ids": self.target_class_ids,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
            **super().get_config(),
        }


@metrics.add("binary_iou")
class BinaryIoU(IoU):
    """Intersection over union of two classes, of which predictions are probabilities.

    Parameters
    ----------
    target_class_ids : sequence of int, default (0, 1)
        The classes whose mean it is.
    threshold : float, default 0.5
        Predictions of at least that are class 1.
    name, dtype
        See `Metric`.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.metrics.BinaryIoU(threshold=0.3)([0, 1, 0, 1], [0.1, 0.2, 0.4, 0.7]), 4)
    0.3333
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        self.threshold = check_number("threshold", threshold)
        super().__init__(2, target_class_ids, name, dtype)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Count labels and probabilities."""
        probabilities = np.asarray(without_mask("y_pred", y_pred), np.float64)
        classes = np.where(np.isnan(probabilities), np.nan, probabilities >= self.threshold)
        super().update_state(y_true, classes, sample_weight)

    def get_config(self) -> dict[str, Any]:
        own = {"target_class_ids": self.target_class_ids, "threshold": self.threshold}
        return {**own, **Metric.get_config(self)}


@metrics.add("mean_iou")
class MeanIoU(IoU):
    """The mean over all classes of intersection over union.

    Parameters
    ----------
    num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis
        As for `IoU`.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.metrics.MeanIoU(num_classes=2)([0, 0, 1, 1], [0, 1, 0, 1]), 4)
    0.3333
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        classes = range(check_integer("num_classes", num_classes))
        super().__init__(num_classes, classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["target_class_ids"]
        return config


@metrics.add("one_hot_iou")
class OneHotIoU(IoU):
    """`IoU` for targets that are one-hot rows, and predictions that have a value for each class.

    Parameters
    ----------
    num_classes, target_class_ids, name, dtype, ignore_class, sparse_y_pred, axis
        As for `IoU`.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, target_class_ids, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config


@metrics.add("one_hot_mean_iou")
class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` for targets that are one-hot rows, and predictions that have a value for each class.

    Parameters
    ----------
    num_classes, name, dtype, ignore_class, sparse_y_pred, axis
        As for `IoU`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(num_classes, name, dtype, ignore_class, False, sparse_y_pred, axis)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["sparse_y_true"]
        return config

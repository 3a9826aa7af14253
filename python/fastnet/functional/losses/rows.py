"""Losses of the compiled core for targets and predictions of any shape."""

import numpy as np
from numpy.typing import ArrayLike

from fastnet._core import loss as _core_loss
from fastnet._core import loss_backward as _core_loss_backward
from fastnet.functional._floats import Array, floats
from fastnet.support.validation import without_mask

__all__ = ["mean_loss", "mean_loss_backward", "targets_and_predictions", "with_one_hot"]


def mean_loss(
    name: str, y_true: ArrayLike, y_pred: ArrayLike, parameter: float = 0.0, *, by_row: bool = False
) -> float:
    """Return the mean of a loss of the core over the rows; `by_row` says that one vector is one row, not many samples."""
    rows = targets_and_predictions(y_true, y_pred, rowwise=by_row)
    return float(np.mean(_core_loss(name, *rows, [0.0, parameter, 0.0, 0.0])))


def mean_loss_backward(
    name: str, y_true: ArrayLike, y_pred: ArrayLike, parameter: float = 0.0, *, by_row: bool = False
) -> Array:
    """Return the gradient of that mean, in the shape of the predictions."""
    rows = targets_and_predictions(y_true, y_pred, rowwise=by_row)
    return _core_loss_backward(name, *rows, [0.0, parameter, 0.0, 0.0]).reshape(np.shape(y_pred))


def targets_and_predictions(
    y_true: ArrayLike, y_pred: ArrayLike, *, rowwise: bool, labels: bool = False
) -> tuple[Array, Array]:
    """Return targets and predictions as rows of one shape; with `labels` integers may stand for one-hot rows."""
    if labels and np.shape(y_pred)[-1:] != (1,):
        without = np.shape(y_pred)[:-1]
        if np.ndim(y_pred) and np.shape(y_true) in (without, (*without, 1)):
            y_true, y_pred = with_one_hot(_whole(np.reshape(y_true, without)), y_pred)
    true, pred = floats(y_true=y_true, y_pred=y_pred)
    if true.shape != pred.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {pred.shape}; got shape {true.shape}")
    if not pred.size:
        raise ValueError(f"y_pred must hold at least one value; got shape {pred.shape}")
    by_row = pred.ndim > 1 or (pred.ndim == 1 and rowwise)
    columns = pred.shape[-1] if by_row else 1
    return true.reshape(-1, columns), pred.reshape(-1, columns)


def _whole(labels: Array) -> Array:
    """Return labels that are whole numbers in a floating-point type as integers."""
    if labels.dtype.kind == "f" and (labels == np.floor(labels)).all():
        return labels.astype(np.int64)
    return labels


def with_one_hot(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return labels as one-hot rows, and the predictions."""
    labels = np.asarray(without_mask("y_true", y_true))
    (probabilities,) = floats(y_pred=y_pred)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"y_true must hold integer labels; got dtype {labels.dtype}")
    if labels.shape != probabilities.shape[:-1] or probabilities.ndim == 0:
        raise ValueError(
            f"y_true must have the shape of y_pred without its last axis, {probabilities.shape[:-1]}; "
            f"got shape {labels.shape}"
        )
    classes = probabilities.shape[-1]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"labels in y_true must be in 0..{classes - 1}; got {wrong}")
    return np.equal(labels[..., None], np.arange(classes)).astype(probabilities.dtype), probabilities

"""How good predictions are: accuracy and the confusion matrix, and scikit-learn's report where that is installed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["accuracy_score", "classification_report", "confusion_matrix"]


def _labels(name: str, values: ArrayLike) -> NDArray[Any]:
    """Return one label a row; rows of several columns are one-hot or probabilities, and their largest column counts."""
    array: NDArray[Any] = np.asarray(values)
    if array.ndim == 2 and array.shape[1] > 1:
        largest: NDArray[np.int64] = array.argmax(axis=1)
        return largest
    if array.ndim == 2:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"{name} must be labels of shape (n,) or rows of shape (n, classes); got shape {array.shape}")
    if array.dtype.kind == "f" and not (array == np.floor(array)).all():
        raise ValueError(f"{name} must be labels; got the fraction {array[array != np.floor(array)][0]:g}")
    return array


def _pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    true, predicted = _labels("y_true", y_true), _labels("y_pred", y_pred)
    if len(true) != len(predicted):
        raise ValueError(f"y_true and y_pred must have the same number of rows; got {len(true)} and {len(predicted)}")
    if not len(true):
        raise ValueError("y_true must have at least one row; got none")
    return true, predicted


def accuracy_score(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the share of rows whose label is predicted.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,), (n, 1) or (n, classes)
        Labels, or rows of which the largest column is the label: one-hot rows, probabilities.

    Raises
    ------
    ValueError
        If the lengths differ, there are no rows, or a label is a fraction.

    Examples
    --------
    >>> from fastnet.metrics import accuracy_score
    >>> accuracy_score([0, 1, 2, 2], [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.5, 0.2, 0.3], [0.0, 0.0, 1.0]])
    0.75
    """
    true, predicted = _pair(y_true, y_pred)
    return float((true == predicted).mean())


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None) -> NDArray[np.int64]:
    """Count the rows of every true label by what was predicted, as scikit-learn's function of this name does.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,), (n, 1) or (n, classes)
        As for `accuracy_score`.
    labels : array_like of shape (k,), optional
        The labels of the rows and columns, in their order; rows with another label are not counted. By default all that
        appear, sorted.

    Returns
    -------
    ndarray of shape (k, k), int64
        Rows are true labels, columns predicted ones.

    Raises
    ------
    ValueError
        As `accuracy_score`; or if `labels` has a label twice or none at all.

    Examples
    --------
    >>> from fastnet.metrics import confusion_matrix
    >>> confusion_matrix([0, 0, 1, 1], [0, 1, 1, 1])
    array([[1, 1],
           [0, 2]])
    """
    true, predicted = _pair(y_true, y_pred)
    wanted = np.unique(np.concatenate([true, predicted])) if labels is None else np.asarray(labels).reshape(-1)
    if not len(wanted) or len(np.unique(wanted)) < len(wanted):
        raise ValueError(f"labels must be at least one label, each once; got {wanted.tolist()}")
    order = np.argsort(wanted, kind="stable")
    ordered = wanted[order]
    codes = []
    for values in (true, predicted):
        places = np.minimum(np.searchsorted(ordered, values), len(wanted) - 1)
        codes.append(np.where(ordered[places] == values, order[places], -1))
    known = (codes[0] >= 0) & (codes[1] >= 0)
    size = len(wanted)
    counts = np.bincount(codes[0][known] * size + codes[1][known], minlength=size * size)
    return counts.reshape(size, size).astype(np.int64)


def classification_report(y_true: ArrayLike, y_pred: ArrayLike, **keywords: Any) -> Any:
    """Return scikit-learn's report of precision, recall and F1 for every class.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,), (n, 1) or (n, classes)
        As for `accuracy_score`.
    **keywords
        For `sklearn.metrics.classification_report`: target_names, digits, output_dict and others.

    Returns
    -------
    str or dict

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    Examples
    --------
    >>> from fastnet.metrics import classification_report
    >>> report = classification_report([0, 1, 1], [0, 1, 0], output_dict=True)  # doctest: +SKIP
    """
    try:
        from sklearn.metrics import classification_report as report
    except ImportError:
        raise ImportError('classification_report is scikit-learn\'s: pip install "fastnet-nn[sklearn]"') from None
    return report(*_pair(y_true, y_pred), **keywords)

"""Accuracy and confusion matrix of predictions, and scikit-learn's report if that is installed."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.support.text import visible
from fastnet.support.validation import without_mask

__all__ = ["accuracy_score", "classification_report", "confusion_matrix"]


def _labels(name: str, values: ArrayLike, *, probabilities: bool) -> NDArray[Any]:
    """Return one label for each row; with `probabilities`, rows and fractions may be probabilities."""
    array = np.asarray(without_mask(name, values))
    if array.dtype.kind == "O":
        array = np.asarray(array.tolist())
    if array.ndim == 2 and array.shape[1] > 1:
        return _from_rows(name, array, probabilities)
    if array.ndim not in (1, 2):
        raise ValueError(f"{name} must be labels of shape (n,) or rows of shape (n, classes); got shape {array.shape}")
    array = array.reshape(-1)
    if array.dtype.kind != "f":
        return array
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite; got {array[~np.isfinite(array)][0]}")
    fractions = array[array != np.floor(array)]
    if not fractions.size:
        return array.astype(np.int64)
    if not probabilities:
        raise ValueError(f"{name} must hold labels, whole numbers or text; got {fractions[0]:g}")
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"{name} must hold labels or probabilities; got fractions from {array.min():g} to {array.max():g}"
        )
    return (array > 0.5).astype(np.int64)


def _from_rows(name: str, rows: NDArray[Any], probabilities: bool) -> NDArray[Any]:
    if rows.dtype.kind not in "buif" or not np.isfinite(rows).all():
        raise ValueError(f"{name} must hold finite numbers if it has a column for each class; got shape {rows.shape}")
    if not probabilities and not (((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all()):
        raise ValueError(f"{name} must be labels or one-hot rows; got shape {rows.shape} with other rows")
    largest: NDArray[np.int64] = rows.argmax(axis=1)
    return largest


def _pair(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    true, predicted = _labels("y_true", y_true, probabilities=False), _labels("y_pred", y_pred, probabilities=True)
    if len(true) != len(predicted):
        raise ValueError(f"y_true and y_pred must have the same number of rows; got {len(true)} and {len(predicted)}")
    if not len(true):
        raise ValueError("y_true must have at least one row; got none")
    _check_same_kind("y_true", true, "y_pred", predicted)
    return true, predicted


def _check_same_kind(name: str, values: NDArray[Any], other_name: str, others: NDArray[Any]) -> None:
    """Refuse to compare numbers with text, which would give an accuracy of 0."""
    if (values.dtype.kind in "buif") != (others.dtype.kind in "buif"):
        kinds = ["numbers" if array.dtype.kind in "buif" else "text" for array in (values, others)]
        raise ValueError(f"{name} and {other_name} must both be numbers or both text; got {kinds[0]} and {kinds[1]}")


def accuracy_score(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    """Return the fraction of rows whose label is predicted.

    Parameters
    ----------
    y_true : array_like of shape (n,), (n, 1) or (n, classes)
        The true labels, whole numbers or text, or one-hot rows.
    y_pred : array_like of shape (n,), (n, 1) or (n, classes)
        The predictions: labels; or rows of probabilities or scores, whose largest is the label; or, with fractions in a
        single column, the probability of class 1, which is predicted above 0.5.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the lengths differ, there are no rows, one holds numbers and the other text, `y_true` holds fractions or
        `y_pred` fractions that are not probabilities, or a value is not finite.

    Examples
    --------
    >>> from fastnet.metrics import accuracy_score
    >>> accuracy_score([0, 1, 2, 2], [[0.9, 0.1, 0.0], [0.2, 0.7, 0.1], [0.5, 0.2, 0.3], [0.0, 0.0, 1.0]])
    0.75
    """
    true, predicted = _pair(y_true, y_pred)
    return float((true == predicted).mean())


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, *, labels: ArrayLike | None = None) -> NDArray[np.int64]:
    """Count the rows of every true label by predicted label, as scikit-learn's function of this name.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,), (n, 1) or (n, classes)
        As for `accuracy_score`.
    labels : array_like of shape (k,), optional
        The labels of the rows and columns, in order; rows with other labels are not counted. By default all labels that
        occur, sorted.

    Returns
    -------
    ndarray of shape (k, k), int64
        Rows are true labels, columns predicted ones.

    Raises
    ------
    ValueError
        As `accuracy_score`; or if `labels` has a duplicate, or no label that is in `y_true`.

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
    _check_same_kind("labels", wanted, "y_true", true)
    if not np.isin(wanted, true).any():
        raise ValueError("labels must have at least one that is in y_true; got none")
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
    result = report(*_pair(y_true, y_pred), **keywords)
    return visible(result, keep="\n") if isinstance(result, str) else result

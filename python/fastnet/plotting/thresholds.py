"""Pictures of what a classifier does at every threshold of its probabilities."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.metrics.reports import _labels
from fastnet.support.figures import given_or_new, names_of_classes, printable, write_legend
from fastnet.support.validation import check_integer, without_mask

__all__ = ["plot_precision_recall_curve", "plot_roc_curve"]

_STEPS = 200  # along an axis, that a curve is drawn in

Array = NDArray[Any]


class _Curve(NamedTuple):
    x: Array
    y: Array
    score: float


def plot_roc_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    max_classes: int = 10,
    axes: Any = None,
) -> Any:
    """Draw the receiver operating characteristic: the share that is found over the share that is a false alarm.

    Each class is told from all others. The legend has the area under each curve (AUC): 1 is best, 0.5 is chance. Of two
    classes the second is drawn, because the curve of the first is its mirror image. Of more than `max_classes` classes,
    those with the smallest areas are drawn.

    Parameters
    ----------
    y_true : array_like of shape (n,), (n, 1) or (n, classes)
        The true labels, from 0 to the number of classes - 1; or rows of zeros and ones, with any number of labels.
    y_prob : array_like of shape (n, classes), (n, 1) or (n,)
        The probabilities of the classes; one column is the probability of class 1 of two.
    class_names : list of str, optional
        The names of the labels 0, 1, ....
    max_classes : int, default 10
        The number of curves.
    axes : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib or scikit-learn is not installed.
    ValueError
        The rows do not fit each other, or no class has both samples that belong to it and samples that do not.

    Examples
    --------
    >>> import fastnet as fn
    >>> axes = fn.plotting.plot_roc_curve([0, 1, 1], [0.1, 0.4, 0.9])  # doctest: +SKIP
    """
    metrics = _metrics("plot_roc_curve")

    def curve(true: Array, probabilities: Array) -> _Curve:
        false_alarms, found, _ = metrics.roc_curve(true, probabilities)
        return _Curve(false_alarms, found, float(metrics.auc(false_alarms, found)))

    axes = _draw(curve, y_true, y_prob, class_names, max_classes, axes, is_symmetric=True)
    axes.plot([0, 1], [0, 1], ":", color="gray", zorder=0)
    axes.set(xlim=(-0.01, 1), ylim=(0, 1.01), xlabel="false positive rate", ylabel="true positive rate")
    write_legend(axes, "lower right")
    return axes


def plot_precision_recall_curve(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    max_classes: int = 10,
    axes: Any = None,
) -> Any:
    """Draw the precision of a classifier over its recall.

    Each class is told from all others. The legend has the average precision of each: 1 is best, the share of the class
    is chance. Of more than `max_classes` classes, those with the lowest are drawn.

    Parameters
    ----------
    y_true, y_prob, class_names, max_classes, axes
        As for `plot_roc_curve`.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError, ValueError
        As `plot_roc_curve`.

    Examples
    --------
    >>> import fastnet as fn
    >>> axes = fn.plotting.plot_precision_recall_curve([0, 1, 1], [0.1, 0.4, 0.9])  # doctest: +SKIP
    """
    metrics = _metrics("plot_precision_recall_curve")

    def curve(true: Array, probabilities: Array) -> _Curve:
        precision, recall, _ = metrics.precision_recall_curve(true, probabilities, drop_intermediate=True)
        return _Curve(recall[::-1], precision[::-1], float(metrics.average_precision_score(true, probabilities)))

    axes = _draw(curve, y_true, y_prob, class_names, max_classes, axes, is_symmetric=False)
    axes.set(xlim=(0, 1.01), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    write_legend(axes, "lower left")
    return axes


def _metrics(function: str) -> Any:
    try:
        from sklearn import metrics
    except ImportError:
        raise ImportError(f'{function} needs scikit-learn: pip install "fastnet-nn[report]"') from None
    return metrics


def _draw(
    curve: Callable[[Array, Array], _Curve],
    y_true: ArrayLike,
    y_prob: ArrayLike,
    class_names: Sequence[str] | None,
    max_classes: int,
    axes: Any,
    *,
    is_symmetric: bool,
) -> Any:
    """Draw the curves of the classes with the lowest scores, in the order of the classes; return the axes."""
    most = check_integer("max_classes", max_classes)
    true, probabilities, first = _one_against_all(y_true, y_prob, is_symmetric=is_symmetric)
    names = names_of_classes(class_names, first + true.shape[1])
    curves = {code + first: curve(true[:, code], probabilities[:, code]) for code in _told_apart(true)}
    if not curves:
        raise ValueError("y_true must have a class with samples that belong to it and samples that do not")
    axes = given_or_new(axes)
    for code in sorted(sorted(curves, key=lambda code: curves[code].score)[:most]):
        x, y, score = curves[code]
        axes.plot(*_thinned(x, y), label=f"{printable(names[code])} ({score:.3f})")
    return axes


def _one_against_all(y_true: ArrayLike, y_prob: ArrayLike, *, is_symmetric: bool) -> tuple[Array, Array, int]:
    """Return which samples belong to each class, its probability, and the number of the first class."""
    probabilities = np.asarray(without_mask("y_prob", y_prob), np.float64)
    if probabilities.ndim == 1 or probabilities.shape[1:] == (1,):
        positive = probabilities.reshape(-1)
        probabilities = np.stack([1.0 - positive, positive], axis=1)
    true = np.asarray(without_mask("y_true", y_true))
    if true.ndim != 2 or true.shape != probabilities.shape:
        true = _labels("y_true", y_true, probabilities=False)
    if probabilities.ndim != 2 or not len(true) or len(true) != len(probabilities):
        raise ValueError(
            f"y_prob must have a row for each of the {len(true)} rows of y_true, at least one; "
            f"got shape {np.shape(y_prob)}"
        )
    if np.isnan(probabilities).any():
        raise ValueError("y_prob must hold probabilities; got NaN")
    classes = probabilities.shape[1]
    if true.ndim == 1:
        known = np.isin(true, np.arange(classes))
        if not known.all():
            raise ValueError(f"y_true must hold labels from 0 to {classes - 1}; got {true[~known][0]}")
        belongs = true[:, None] == np.arange(classes)
    elif np.isin(true, (0, 1)).all():
        belongs = true.astype(np.bool_)
    else:
        raise ValueError("y_true must hold labels, or rows of zeros and ones; got other rows")
    if is_symmetric and classes == 2 and (belongs.sum(axis=1) == 1).all():
        return belongs[:, 1:], probabilities[:, 1:], 1
    return belongs, probabilities, 0


def _told_apart(true: Array) -> Iterator[int]:
    """Yield the classes that some samples belong to and others do not."""
    for code, count in enumerate(true.sum(axis=0).tolist()):
        if 0 < count < len(true):
            yield code


def _thinned(x: Array, y: Array) -> tuple[Array, Array]:
    """Return a curve without the points that lie in the same cell of a fine grid as both of their neighbors."""
    cells = np.floor(x * _STEPS) * (_STEPS + 1) + np.floor(y * _STEPS)
    same = cells[1:] == cells[:-1]
    kept = np.concatenate([[True], ~(same[:-1] & same[1:]), [True]]) if len(x) > 2 else np.ones(len(x), np.bool_)
    return x[kept], y[kept]

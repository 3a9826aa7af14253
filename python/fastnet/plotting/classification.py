"""Pictures of what a classifier confuses, and of whether its probabilities can be trusted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnet.metrics import calibration_bins, class_calibration_bins, confusion_matrix
from fastnet.support.figures import (
    given_or_new,
    legend_above,
    names_of_classes,
    printable,
    write_legend,
    write_title,
)
from fastnet.support.validation import check_integer

__all__ = ["plot_calibration", "plot_class_calibration", "plot_confusion_matrix"]

_MOST_NUMBERED = 25  # classes, beyond which numbers in the cells are too small to read
_MOST_NAMED = 60  # classes, beyond which their names are


def plot_confusion_matrix(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    cmap: Any = "Blues",
    axes: Any = None,
) -> Any:
    """Draw how many samples of every class are predicted as which.

    The colour of a cell tells the square root of its share of the true class, so that a few samples in the wrong cell are
    seen.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,), (n, 1) or (n, classes)
        As for `fastnet.metrics.accuracy_score`: labels, or for `y_pred` probabilities.
    class_names : list of str, optional
        The names of the labels 0, 1, ..., which are all shown then. By default the labels that appear.
    cmap : str or matplotlib.colors.Colormap, default "Blues"
        The colors.
    axes : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        As `fastnet.metrics.confusion_matrix`.

    Examples
    --------
    >>> import fastnet as fn
    >>> axes = fn.plotting.plot_confusion_matrix([0, 0, 1], [0, 1, 1], class_names=["cat", "dog"])  # doctest: +SKIP
    """
    labels = np.unique(np.concatenate([_flat(y_true), _flat(y_pred)])) if class_names is None else None
    names = list(map(str, labels.tolist() if labels is not None else class_names or ()))
    matrix = confusion_matrix(y_true, y_pred, labels=np.arange(len(names)) if labels is None else labels)
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.sqrt(matrix / np.maximum(totals, 1))
    axes = given_or_new(axes, 3.0 + 0.45 * min(len(names), _MOST_NUMBERED))
    image = axes.imshow(shares, cmap=cmap, vmin=0.0, vmax=1.0, interpolation="nearest")
    if len(names) <= _MOST_NUMBERED:
        _write_counts(axes, matrix, image)
    if len(names) <= _MOST_NAMED:
        shown = [printable(name) for name in names]
        style: dict[str, Any] = {"parse_math": False, "fontsize": min(10.0, 180.0 / len(names) + 3.5)}
        slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if max(map(len, shown)) > 3 else {}
        axes.set_xticks(range(len(names)), shown, **style, **slanted)
        axes.set_yticks(range(len(names)), shown, **style)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set(xlabel="predicted class", ylabel="true class")
    return axes


def _flat(values: ArrayLike) -> Any:
    from fastnet.metrics.reports import _labels

    return _labels("labels", values, probabilities=True)


def _write_counts(axes: Any, matrix: Any, image: Any) -> None:
    """Write the number of samples into every cell that has any, in black or white, whichever is seen."""
    size = min(10.0, 100.0 / len(matrix) + 2.0)
    for row, column in np.argwhere(matrix):
        red, green, blue, _ = image.cmap(image.norm(image.get_array()[row, column]))
        is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 0.5
        color = "black" if is_light else "white"
        axes.text(column, row, f"{matrix[row, column]:,}", ha="center", va="center", color=color, fontsize=size)


def plot_calibration(y_true: ArrayLike, y_prob: ArrayLike, *, n_bins: int = 15, axes: Any = None) -> Any:
    """Draw how often predictions are right over how sure the model is of them.

    Points below the diagonal are predictions that the model is too sure of. The bars are the shares of the samples, the
    title has the expected calibration error.

    Parameters
    ----------
    y_true : array_like of shape (n,), (n, 1) or (n, classes)
        The true labels, from 0 to the number of classes - 1, or one-hot rows.
    y_prob : array_like of shape (n, classes), (n, 1) or (n,)
        The probabilities of the classes; one column is the probability of class 1 of two.
    n_bins : int, default 15
        The number of points.
    axes : matplotlib.axes.Axes, optional
        Where to draw; without it a new figure is made.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        As `fastnet.metrics.calibration_bins`.

    Examples
    --------
    >>> import fastnet as fn
    >>> axes = fn.plotting.plot_calibration([0, 1, 1], [0.1, 0.4, 0.9])  # doctest: +SKIP
    """
    bins = calibration_bins(y_true, y_prob, n_bins=n_bins)
    axes = given_or_new(axes)
    filled = bins.counts > 0
    axes.plot([0, 1], [0, 1], ":", color="gray", label="perfect")
    (line,) = axes.plot(bins.confidence[filled], bins.accuracy[filled], "o-", markersize=4, label="model")
    shares = bins.counts / bins.counts.sum()
    axes.bar(
        bins.edges[:-1], shares, np.diff(bins.edges), align="edge", color=line.get_color(), alpha=0.25, label="samples"
    )
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability of what is predicted", ylabel="share that is right")
    legend_above(axes)
    write_title(axes, f"expected calibration error {bins.expected_error:.3f}")
    return axes


def plot_class_calibration(
    y_true: ArrayLike,
    y_prob: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    n_bins: int = 10,
    max_classes: int = 10,
    axes: Any = None,
) -> Any:
    """Draw for each class how often samples belong to it over the probability that the model gives it.

    The legend has the calibration error of each class: the mean over the samples of the distance from the diagonal. Of
    more than `max_classes` classes, those with the largest errors are drawn.

    Parameters
    ----------
    y_true : array_like of shape (n,), (n, 1) or (n, classes)
        The true labels, from 0 to the number of classes - 1, or one-hot rows.
    y_prob : array_like of shape (n, classes), (n, 1) or (n,)
        The probabilities of the classes; one column is the probability of class 1 of two.
    class_names : list of str, optional
        The names of the labels 0, 1, ....
    n_bins : int, default 10
        The number of points of a curve.
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
        matplotlib is not installed.
    ValueError
        As `fastnet.metrics.class_calibration_bins`.

    Examples
    --------
    >>> import fastnet as fn
    >>> axes = fn.plotting.plot_class_calibration([0, 1, 1], [0.1, 0.4, 0.9])  # doctest: +SKIP
    """
    classes = class_calibration_bins(y_true, y_prob, n_bins=n_bins)
    most = check_integer("max_classes", max_classes)
    names = names_of_classes(class_names, len(classes))
    axes = given_or_new(axes)
    axes.plot([0, 1], [0, 1], ":", color="gray")
    order = np.argsort([-bins.expected_error for bins in classes], kind="stable")[:most]
    for code in sorted(order.tolist()):
        bins = classes[code]
        filled = bins.counts > 0
        label = f"{printable(names[code])} ({bins.expected_error:.3f})"
        axes.plot(bins.confidence[filled], bins.accuracy[filled], "o-", markersize=3, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="probability of the class", ylabel="share that belongs to it")
    write_legend(axes, "upper left")
    return axes

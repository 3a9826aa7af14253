"""Pictures of how far predicted numbers are off."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.support.figures import given_or_new

__all__ = ["plot_predictions", "plot_residuals"]

_MOST_POINTS = 5000
# Many points become a picture inside a vector graphic, which would be large otherwise.
_STYLE: dict[str, Any] = {"markersize": 3.5, "alpha": 0.5, "markeredgewidth": 0.0, "rasterized": True}


def plot_residuals(y_true: ArrayLike, y_pred: ArrayLike, *, axes: Any = None) -> Any:
    """Draw by how much predicted numbers miss the true ones, over what is predicted.

    Points should lie around 0 without a pattern: a bend means that the model is too simple, a funnel that it is less
    certain of some values than of others. Of more than 5,000 samples evenly spaced ones are drawn.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,) or (n, 1)
        The true and the predicted numbers.
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
        The numbers of values differ, or there are none.

    Examples
    --------
    >>> import fastnet as fn
    >>> axes = fn.plotting.plot_residuals([1.0, 2.0], [1.1, 1.9])  # doctest: +SKIP
    """
    true, predicted = _points(y_true, y_pred)
    axes = given_or_new(axes)
    axes.axhline(0.0, color="gray", linewidth=1.0)
    axes.plot(predicted, predicted - true, "o", **_STYLE)
    axes.set(xlabel="predicted", ylabel="predicted - true")
    return axes


def plot_predictions(y_true: ArrayLike, y_pred: ArrayLike, *, axes: Any = None) -> Any:
    """Draw predicted numbers over the true ones, and the line on which exact predictions lie.

    Of more than 5,000 samples evenly spaced ones are drawn.

    Parameters
    ----------
    y_true, y_pred : array_like of shape (n,) or (n, 1)
        The true and the predicted numbers.
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
        The numbers of values differ, or there are none.

    Examples
    --------
    >>> import fastnet as fn
    >>> axes = fn.plotting.plot_predictions([1.0, 2.0], [1.1, 1.9])  # doctest: +SKIP
    """
    true, predicted = _points(y_true, y_pred)
    axes = given_or_new(axes)
    ends = [min(true.min(), predicted.min()), max(true.max(), predicted.max())]
    axes.plot(ends, ends, color="gray", linewidth=1.0)
    axes.plot(true, predicted, "o", **_STYLE)
    axes.set(xlabel="true", ylabel="predicted")
    return axes


def _points(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return true and predicted numbers, at most a few thousand of them."""
    true, predicted = np.asarray(y_true, np.float64).reshape(-1), np.asarray(y_pred, np.float64).reshape(-1)
    if len(true) != len(predicted) or not len(true):
        raise ValueError(
            f"y_true and y_pred must have the same number of values, at least one; got {len(true)} and {len(predicted)}"
        )
    step = -(-len(true) // _MOST_POINTS)
    return true[::step], predicted[::step]

"""Pictures of how far predicted numbers are off."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnet.support.figures import given_or_new

__all__ = ["plot_residuals"]

_MOST_POINTS = 5000


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
    true, predicted = np.asarray(y_true, np.float64).reshape(-1), np.asarray(y_pred, np.float64).reshape(-1)
    if len(true) != len(predicted) or not len(true):
        raise ValueError(
            f"y_true and y_pred must have the same number of values, at least one; got {len(true)} and {len(predicted)}"
        )
    axes = given_or_new(axes)
    step = -(-len(true) // _MOST_POINTS)
    true, predicted = true[::step], predicted[::step]
    axes.axhline(0.0, color="gray", linewidth=1.0)
    # Many points become a picture inside a vector graphic, which would be large otherwise.
    axes.plot(predicted, predicted - true, "o", markersize=3.5, alpha=0.5, markeredgewidth=0.0, rasterized=True)
    axes.set(xlabel="predicted", ylabel="predicted - true")
    return axes

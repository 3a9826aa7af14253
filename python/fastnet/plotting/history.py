"""Learning curves."""

from collections.abc import Iterable
from typing import Any

from fastnet.support.curves import curves_of
from fastnet.support.figures import figure_axes, legend_above, printable

__all__ = ["plot_history"]


def plot_history(history: Any, *, axes: Any = None) -> list[Any]:
    """Draw every figure of a training over the epochs, that of the validation dashed in the color of its own.

    Parameters
    ----------
    history : History, dict or path
        What `fit` returned; or a dictionary such as its `history`; or a file of `CSVLogger`, or a JSON file with such a
        dictionary.
    axes : matplotlib Axes or list of Axes, optional
        One for every figure; new ones side by side unless given.

    Returns
    -------
    list of matplotlib Axes

    Raises
    ------
    ImportError
        matplotlib is not installed.
    ValueError
        The history has no epochs, or there are not enough axes.

    Examples
    --------
    >>> import fastnet as fn
    >>> axes = fn.plotting.plot_history({"loss": [2.0, 1.0], "val_loss": [2.1, 1.5]})  # doctest: +SKIP
    """
    curves = curves_of(history)
    names = [name for name in curves if not (name.startswith("val_") and name.removeprefix("val_") in curves)]
    drawn = figure_axes(len(names)) if axes is None else list(axes) if isinstance(axes, Iterable) else [axes]
    if len(drawn) < len(names):
        raise ValueError(f"{len(names)} axes are needed, one for each of {', '.join(names)}; got {len(drawn)}")
    for name, axis in zip(names, drawn, strict=False):
        epochs, values = curves[name]
        # A line through one point, or between values that are not finite, shows nothing without a marker.
        marker = "o" if len(values) == 1 else ""
        (line,) = axis.plot(epochs, values, marker=marker, label="training")
        if validation := curves.get(f"val_{name}"):
            axis.plot(*validation, "--", marker=marker, color=line.get_color(), label="validation")
            legend_above(axis)
        axis.set_xlabel("epoch")
        axis.set_ylabel(printable(name, 40), parse_math=False)
        axis.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    return drawn

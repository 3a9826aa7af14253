"""What the units of a dense layer weigh."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.layers import Dense
from fastnet.network.layered import Layered
from fastnet.plotting.images import mosaic
from fastnet.support.figures import given_or_new, picture_shape, printable, write_title
from fastnet.support.validation import check_integer, describe

__all__ = ["plot_weights"]


def plot_weights(
    model: Layered,
    layer: int | str = 0,
    *,
    image_shape: Sequence[int] | None = None,
    max_units: int = 64,
    axes: Any = None,
) -> Any:
    """Draw what the units of a dense layer weigh, each as a picture of its inputs.

    White stands for 0, red for positive and blue for negative weights; all pictures have one scale.

    Parameters
    ----------
    model : Sequential
        A model with weights.
    layer : int or str, default 0
        The number of the layer among the dense layers, or its name.
    image_shape : tuple of int, optional
        Rows and columns of a picture. Without one, the shape of the model's samples if it has two dimensions, or a square
        such as 28 x 28 for 784 inputs.
    max_units : int, default 64
        Only the first so many units are drawn.
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
        The model has no such layer, or the inputs are no picture.

    See Also
    --------
    plot_filters : The weights of a convolution.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(10, input_shape=(784,))])
    >>> axes = fn.plotting.plot_weights(model)  # doctest: +SKIP
    """
    name, kernel = _kernel(model, layer)
    rows, columns = _image_shape(model, len(kernel), image_shape)
    pictures = mosaic(kernel[:, : check_integer("max_units", max_units)].T.reshape(-1, rows, columns))
    axes = draw_signed(pictures, axes)
    shown = min(max_units, kernel.shape[1])
    write_title(axes, f"{printable(name, 40)}: weights of {shown} of {kernel.shape[1]} units")
    return axes


def draw_signed(pictures: NDArray[Any], axes: Any) -> Any:
    """Return axes with weights: white for 0, red above and blue below, with a bar for the scale."""
    axes = given_or_new(axes)
    limit = float(np.nanmax(np.abs(pictures))) or 1.0
    image = axes.imshow(pictures, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    axes.figure.colorbar(image, ax=axes)
    axes.set_axis_off()
    return axes


def _kernel(model: Layered, which: int | str) -> tuple[str, Any]:
    """Return the name and the kernel of a layer."""
    if not model.built:
        raise ValueError("plot_weights needs a model with weights: build it or give its first layer an input_shape")
    layers = [layer for layer in model.layers if isinstance(layer, Dense)]
    names = [layer.name for layer in layers]
    if isinstance(which, str) and which in names:
        which = names.index(which)
    if isinstance(which, bool) or not isinstance(which, int) or not -len(layers) <= which < len(layers):
        raise ValueError(f"layer must be a name or a number of the dense layers {names}; got {describe(which)}")
    return layers[which].name, layers[which].get_weights()[0]


def _image_shape(model: Layered, inputs: int, given: Sequence[int] | None) -> tuple[int, int]:
    """Return the rows and columns of a picture of so many inputs."""
    shape = model.input_shape or ()
    if given is None and len(shape) == 2 and math.prod(shape) == inputs:
        return shape[0], shape[1]
    found = picture_shape(inputs, given, "of the layer")
    if len(found) != 2:
        raise ValueError(f"image_shape must be (rows, columns) for weights; got {found}")
    return found[0], found[1]

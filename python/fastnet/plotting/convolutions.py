"""Pictures of convolutions: their filters, and what they make of images."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.inputs.samples import as_array
from fastnet.layers import Conv1D, Conv2D, Conv2DTranspose, DepthwiseConv2D, Layer, SeparableConv2D
from fastnet.layers.geometry import ImageLayer
from fastnet.layers.merging import with_those_inside
from fastnet.network.layered import Layered
from fastnet.plotting.images import as_images, draw_image, mosaic, scaled
from fastnet.plotting.models import Inspectable
from fastnet.plotting.weights import draw_signed
from fastnet.support.figures import given_or_new, printable, write_title
from fastnet.support.validation import check_integer, describe

__all__ = ["plot_feature_maps", "plot_filters"]

_CONVOLUTIONS = Conv2D | Conv1D | DepthwiseConv2D | SeparableConv2D | Conv2DTranspose
_WIDTH = 4  # of the feature maps of a sample, about, relative to their height


def plot_filters(model: Layered, layer: int | str = 0, *, max_filters: int = 64, axes: Any = None) -> Any:
    """Plot the filters of a convolution, each as a picture of its window.

    White stands for 0, red for positive and blue for negative weights; all pictures have one scale. If the input has
    several channels, each filter has a row, with a picture for each of its channels.

    Parameters
    ----------
    model : Sequential
        A model with weights.
    layer : int or str, default 0
        The index of the layer among the convolutions, those inside a `Residual` in their places, or its name, of several
        with this name the first.
    max_filters : int, default 64
        The number of filters to plot, from the first on.
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
        The model has no such layer, or no weights.

    See Also
    --------
    plot_feature_maps : What the filters make of an image.
    plot_weights : The weights of a dense layer.

    Notes
    -----
    A filter of a depthwise convolution, or of a separable one, sees one channel; the pictures of a filter of `Conv1D` have
    a row for each channel, and a column for each step.

    Examples
    --------
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Conv2D(16, 5, input_shape=(28, 28, 1))])
    >>> axes = fn.plotting.plot_filters(model)  # doctest: +SKIP
    """
    if not model.built:
        raise ValueError("plot_filters needs a model with weights: build it or give its first layer an input_shape")
    found = _layer_of(layer, convolutions_of(model), "convolutions")
    return draw_filters(found, check_integer("max_filters", max_filters), axes)


def convolutions_of(model: Layered) -> list[Layer]:
    """Return the convolutions of a model, those inside blocks in their places."""
    return [one for one in with_those_inside(model._leaves()) if isinstance(one, _CONVOLUTIONS)]


def draw_filters(layer: Layer, most: int, axes: Any) -> Any:
    """Return axes with the first filters of a convolution."""
    filters = filters_of(layer)
    count, channels = filters.shape[:2]
    shown = filters[:most]
    pictures = mosaic(shown.reshape(-1, *filters.shape[2:]), None if channels == 1 else channels)
    axes = draw_signed(pictures, axes)
    write_title(axes, f"{printable(layer.name, 40)}: {len(shown)} of {count} filters")
    return axes


def filters_of(layer: Layer) -> NDArray[Any]:
    """Return the weights of a convolution in the shape (filters, channels, height, width)."""
    kernel = layer.get_weights()[0]
    if isinstance(layer, Conv1D):
        return kernel.transpose(2, 1, 0)[:, None]
    if isinstance(layer, DepthwiseConv2D | SeparableConv2D):
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    elif isinstance(layer, Conv2DTranspose):
        kernel = kernel.swapaxes(2, 3)
    return kernel.transpose(3, 2, 0, 1)


def plot_feature_maps(
    model: Inspectable,
    x: Any,
    layer: int | str = 0,
    *,
    image_shape: Sequence[int] | None = None,
    max_samples: int = 4,
    max_maps: int = 64,
    axes: Any = None,
) -> Any:
    """Plot images and, beside each, the feature maps that a layer makes of it: a picture for each channel.

    All maps have one scale, from the least value, dark, to the greatest, bright.

    Parameters
    ----------
    model : Sequential
        A model with weights.
    x : array_like, shape (n, *input_shape)
        The images, as for `fastnet.Sequential.predict`.
    layer : int or str, default 0
        The index of the layer among those of images, such as convolutions and pooling, those inside a `Residual` in their
        places; or the name of any layer with outputs of shape (height, width, channels), of several the first.
    image_shape : tuple of int, optional
        The shape of a sample as an image. Without it, its own or a square.
    max_samples, max_maps : int, default 4 and 64
        The number of images, and of feature maps of each, to plot, from the first on.
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
        There are no images, they do not fit the model, or it has no such layer.

    See Also
    --------
    fastnet.Sequential.activations : The numbers.
    plot_filters : The filters of a convolution.

    Examples
    --------
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> model = fn.Sequential([fn.Conv2D(8, 3, activation="relu", input_shape=(8, 8, 1))])
    >>> axes = fn.plotting.plot_feature_maps(model, x[:2].reshape(-1, 8, 8))  # doctest: +SKIP
    """
    samples = as_array("x", x)[: check_integer("max_samples", max_samples)]
    named = [one for one in with_those_inside(model._leaves()) if len(one.output_shape or ()) == 3]
    numbered = [one for one in named if isinstance(one, ImageLayer)]
    found = _layer_of(layer, named if isinstance(layer, str) else numbered, "layers of images")
    return draw_feature_maps(model, samples, found, image_shape, check_integer("max_maps", max_maps), axes)


def draw_feature_maps(
    model: Inspectable, samples: Any, layer: Layer, image_shape: Sequence[int] | None, most: int, axes: Any
) -> Any:
    """Return axes with samples as images and, beside each, the first feature maps of a layer."""
    images = as_images(samples, image_shape)
    maps = model._output_of(layer, samples)[..., :most].transpose(0, 3, 1, 2)
    count, height, width = maps.shape[1:]
    across = maps_across(count, height, width)
    low, high = float(np.nanmin(maps)), float(np.nanmax(maps))
    grids = [mosaic(one, across) for one in maps]
    wide = grids[0].shape[1] / grids[0].shape[0]  # of all maps of a sample, which are as tall as it is
    tall = images.shape[1] / images.shape[2]
    axes = given_or_new(axes, inches=(1.5 * (1.2 + wide * tall), 1.6 * tall * len(images) + 0.4))
    images, scale = scaled(images)
    for number, (image, grid) in enumerate(zip(images, grids, strict=True)):
        top = number * tall * 1.1
        draw_image(axes, image, (0.0, top), scale)
        extent = (1.1, 1.1 + wide * tall, top + tall, top)
        axes.imshow(grid, cmap="viridis", vmin=low, vmax=high, extent=extent, interpolation="nearest")
    axes.set(xlim=(-0.05, 1.15 + wide * tall), ylim=(len(images) * tall * 1.1, -0.05))
    axes.set_axis_off()
    write_title(axes, f"{printable(layer.name, 40)}: {count} feature maps of {height} x {width}")
    return axes


def maps_across(count: int, height: int, width: int) -> int:
    """Return how many feature maps of a sample stand side by side in one of their rows."""
    down = math.ceil(math.sqrt(count * width / height / _WIDTH))
    return -(-count // down)


def _layer_of(which: int | str, layers: Sequence[Layer], kind: str) -> Layer:
    """Return one of some layers, by its name or its index among them."""
    names = [layer.name for layer in layers]
    if isinstance(which, str) and which in names:
        return layers[names.index(which)]
    if isinstance(which, bool) or not isinstance(which, int) or not -len(layers) <= which < len(layers):
        raise ValueError(f"layer must be the name or the index of one of the {kind} {names}; got {describe(which)}")
    return layers[which]

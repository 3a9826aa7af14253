"""Samples as images, and what the layers of a model make of them."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.inputs.samples import as_array
from fastnet.metrics.reports import _labels
from fastnet.plotting.models import Inspectable
from fastnet.support.figures import given_or_new, picture_shape, printable
from fastnet.support.validation import check_integer

__all__ = ["plot_activations", "plot_samples"]

_LONGEST_COLUMN = 16  # units that are drawn below each other, as the classes of an output are


def plot_samples(
    x: Any,
    y_true: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    max_samples: int = 25,
    axes: Any = None,
) -> Any:
    """Draw samples as images, each with its label, and with what is predicted.

    Parameters
    ----------
    x : array_like, shape (n, features), (n, rows, columns) or (n, rows, columns, channels)
        The images. All that are drawn have one scale, from their least value, black, to their greatest, white.
    y_true : array_like of shape (n,), (n, 1) or (n, classes), optional
        Their labels.
    y_pred : array_like of shape (n,), (n, 1) or (n, classes), optional
        What is predicted, as for `fastnet.metrics.accuracy_score`; wrong predictions are red.
    class_names : list of str, optional
        The names of the labels 0, 1, ...
    image_shape : tuple of int, optional
        The shape of an image, where `x` has rows of features. Without it, that of a square.
    max_samples : int, default 25
        Only the first so many samples are drawn.
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
        The samples are no images, there are none, or there is not one label for each.

    Examples
    --------
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> axes = fn.plotting.plot_samples(x, y, max_samples=9)  # doctest: +SKIP
    """
    images = as_images(as_array("x", x), image_shape)
    captions = captions_of(len(images), y_true, y_pred, class_names)
    images = images[: check_integer("max_samples", max_samples)]
    across = math.ceil(math.sqrt(len(images)))
    down = -(-len(images) // across)
    axes = given_or_new(axes, 1.2 * across)
    height = images.shape[1] / images.shape[2]
    line = 0.28 if captions else 0.08  # of the width of an image, for the caption above it
    images, scale = scaled(images)
    for number, image in enumerate(images):
        left, top = number % across * 1.1, number // across * (height + line)
        draw_image(axes, image, (left, top), scale)
        if captions:
            draw_caption(axes, captions[number], (left, top))
    axes.set(xlim=(-0.05, across * 1.1 - 0.05), ylim=(down * (height + line), -line))
    axes.set_axis_off()
    return axes


def scaled(images: NDArray[Any]) -> tuple[NDArray[Any], tuple[float, float]]:
    """Return images as matplotlib takes them, and the values that are black and white."""
    low, high = float(np.nanmin(images)), float(np.nanmax(images))
    if images.ndim == 4 and images.dtype != np.uint8:  # matplotlib expects colors from 0 to 1
        images = (images - low) / ((high - low) or 1.0)
    return images, (low, high)


def draw_image(
    axes: Any, image: NDArray[Any], corner: tuple[float, float], scale: tuple[float, float], cmap: str = "gray"
) -> None:
    """Draw an image of width 1 whose upper left corner is given."""
    left, top = corner
    extent = (left, left + 1.0, top + image.shape[0] / image.shape[1], top)
    axes.imshow(image, cmap=cmap, vmin=scale[0], vmax=scale[1], extent=extent, interpolation="nearest")


def mosaic(pictures: NDArray[Any], across: int | None = None) -> NDArray[Any]:
    """Return pictures of shape (n, rows, columns) side by side, with a border of NaN around each.

    `across` is the number in a row; by default that of a square.
    """
    count, rows, columns = pictures.shape
    across = across or math.ceil(math.sqrt(count))
    grid = np.full((-(-count // across) * (rows + 1) + 1, across * (columns + 1) + 1), np.nan)
    for number, picture in enumerate(pictures):
        top, left = number // across * (rows + 1) + 1, number % across * (columns + 1) + 1
        grid[top : top + rows, left : left + columns] = picture
    return grid


def draw_caption(axes: Any, caption: tuple[str, bool], corner: tuple[float, float]) -> None:
    """Write above the image with this upper left corner, in red where a prediction is wrong."""
    text, is_right = caption
    color = {} if is_right else {"color": "tab:red"}
    place = corner[0] + 0.5, corner[1] - 0.04
    axes.text(*place, text, ha="center", va="bottom", fontsize=8, parse_math=False, **color)


def as_images(x: NDArray[Any], image_shape: Sequence[int] | None) -> NDArray[Any]:
    """Return the samples in the shape of images."""
    if not len(x):
        raise ValueError("x must have at least one sample; got none")
    given = x.shape[1:] if image_shape is None and x.ndim > 2 else image_shape
    return x.reshape(len(x), *picture_shape(math.prod(x.shape[1:]), given, "of a sample"))


def captions_of(
    count: int, y_true: ArrayLike | None, y_pred: ArrayLike | None, class_names: Sequence[str] | None
) -> list[tuple[str, bool]]:
    """Return what stands above each sample, and whether it is predicted right."""
    given = [
        [_name(label, class_names) for label in _labels(name, values, probabilities=name == "y_pred").tolist()]
        for name, values in (("y_true", y_true), ("y_pred", y_pred))
        if values is not None
    ]
    for labels in given:
        if len(labels) != count:
            raise ValueError(f"y_true and y_pred must have a label for each of {count} samples; got {len(labels)}")
    if len(given) < 2:
        return [(label, True) for label in given[0]] if given else []
    pairs = zip(*given, strict=True)
    return [
        (true if true == predicted else f"{true} \N{RIGHTWARDS ARROW} {predicted}", true == predicted)
        for true, predicted in pairs
    ]


def _name(label: Any, class_names: Sequence[str] | None) -> str:
    known = class_names is not None and isinstance(label, int) and 0 <= label < len(class_names)
    return printable(str(class_names[label] if class_names is not None and known else label))


def plot_activations(
    model: Inspectable,
    x: Any,
    *,
    layers: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    max_samples: int = 8,
    axes: Any = None,
) -> Any:
    """Draw what every layer of a model gives: a row for each sample, a column for each layer.

    The units of a layer are a picture of its own shape, or a square; up to 16 are a column, from the first to the last.
    Feature maps are pictures side by side. Each layer has its own scale, the same for all samples.

    Parameters
    ----------
    model : Sequential
        A model with weights.
    x : array_like, shape (n, *input_shape)
        The samples.
    layers : list of str, optional
        The names of the layers to draw. By default all that have weights or an activation.
    image_shape : tuple of int, optional
        The shape of a sample, which stands in the first column. Without it, its own or a square.
    max_samples : int, default 8
        Only the first so many samples are drawn.
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
        There are no samples, they do not fit the model, or it has no layer of that name.

    Examples
    --------
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> model = fn.Sequential([fn.Dense(16, "relu", input_shape=(64,)), fn.Dense(10, "softmax")])
    >>> axes = fn.plotting.plot_activations(model, x[:3])  # doctest: +SKIP
    """
    samples = as_array("x", x)[: check_integer("max_samples", max_samples)]
    if not len(samples):
        raise ValueError("x must have at least one sample; got none")
    outputs = model.activations(samples)
    columns = {"input": _grids(samples, image_shape)} | {
        name: _maps(outputs[name]) for name in _chosen(model, list(outputs), layers)
    }
    axes = given_or_new(axes, inches=(1.3 * len(columns) + 0.4, 1.2 * len(samples) + 0.6))
    for place, (name, grids) in enumerate(columns.items()):
        low, high = float(np.nanmin(grids)), float(np.nanmax(grids))
        cmap = "gray" if place == 0 else "viridis"
        for row, grid in enumerate(grids):
            share = max(grid.shape[1] / max(grid.shape), 0.25)  # of a square, which the longer side fills
            tall = grid.shape[0] / max(grid.shape)
            middle, centre = place * 1.2 + 0.5, row * 1.1 + 0.5
            extent = (middle - share / 2, middle + share / 2, centre + tall / 2, centre - tall / 2)
            axes.imshow(grid, cmap=cmap, vmin=low, vmax=high, extent=extent, interpolation="nearest")
        axes.text(place * 1.2 + 0.5, -0.08, printable(name), ha="center", va="bottom", fontsize=8, parse_math=False)
    axes.set(xlim=(-0.1, len(columns) * 1.2 - 0.1), ylim=(len(samples) * 1.1, -0.35))
    axes.set_axis_off()
    return axes


def _chosen(model: Inspectable, names: list[str], given: Sequence[str] | None) -> list[str]:
    """Return the names of the layers to draw."""
    if given is None:
        return [layer.name for layer in model.layers if layer.count_params() or hasattr(layer, "activation")]
    for name in given:
        if name not in names:
            raise ValueError(f"layers must be names of the model's layers {names}; got {name!r}")
    return list(given)


def _grids(values: NDArray[Any], image_shape: Sequence[int] | None = None) -> NDArray[Any]:
    """Return the values of each sample as a picture; NaN where its last row is not full."""
    shape = values.shape[1:] if image_shape is None else tuple(image_shape)
    size = math.prod(values.shape[1:])
    if len(shape) >= 2:
        return values.reshape(len(values), *picture_shape(size, shape, "of a sample"))
    across = 1 if size <= _LONGEST_COLUMN else math.ceil(math.sqrt(size))
    grids = np.full((len(values), -(-size // across) * across), np.nan)
    grids[:, :size] = values.reshape(len(values), size)
    return grids.reshape(len(values), -1, across)


def _maps(outputs: NDArray[Any]) -> NDArray[Any]:
    """Return the outputs of a layer for each sample as a picture; feature maps are side by side in it."""
    if outputs.ndim < 4 or outputs.shape[3] == 1:
        return _grids(outputs)
    return np.stack([mosaic(maps) for maps in outputs.transpose(0, 3, 1, 2)])

"""What the predictions of a model depend on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.inputs.samples import as_array
from fastnet.plotting.images import as_images, captions_of, draw_caption, draw_image, scaled
from fastnet.plotting.models import Inspectable
from fastnet.support.figures import given_or_new
from fastnet.support.validation import check_integer

__all__ = ["plot_saliency"]


def plot_saliency(
    model: Inspectable,
    x: Any,
    y: ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    max_samples: int = 8,
    axes: Any = None,
) -> Any:
    """Draw images and, below each, how much its pixels count: the absolute gradient with respect to them [1]_.

    A map goes from 0, black, to the largest absolute gradient of its image; where pixels have channels, it shows the
    largest of theirs. Above each image stands what is predicted; with `y`, the label comes first where it is another, in red.

    Parameters
    ----------
    model : Sequential
        A model with weights that ends in one dimension.
    x : array_like, shape (n, *input_shape)
        The images.
    y : array_like, optional
        The targets, as for `fastnet.Sequential.evaluate`. With them the gradient is that of the loss, what makes the model
        err; without them that of the output of the class that is predicted.
    class_names : list of str, optional
        The names of the classes. Without it, those of the model.
    image_shape : tuple of int, optional
        The shape of an image. Without it, that of a sample, or a square.
    max_samples : int, default 8
        The number of samples to draw, from the first on.
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
        There are no samples, they are not images or do not fit the model, or there is not one target for each.

    See Also
    --------
    fastnet.Sequential.jacobian, fastnet.Sequential.input_gradients : The numbers.

    References
    ----------
    .. [1] K. Simonyan, A. Vedaldi, A. Zisserman: Deep inside convolutional networks. ICLR Workshop 2014.

    Examples
    --------
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> model = fn.Sequential([fn.Dense(16, "relu", input_shape=(64,)), fn.Dense(10, "softmax")])
    >>> axes = fn.plotting.plot_saliency(model, x[:3])  # doctest: +SKIP
    """
    samples = as_array("x", x)
    targets = None if y is None else as_array("y", y)
    if targets is not None and len(targets) != len(samples):
        raise ValueError(f"y must have a target for each of {len(samples)} samples; got {len(targets)}")
    most = check_integer("max_samples", max_samples)
    samples, targets = samples[:most], None if targets is None else targets[:most]
    images = as_images(samples, image_shape)
    outputs = model.predict(samples)
    if outputs.ndim != 2:
        raise ValueError(f"a model whose saliency is drawn ends in one dimension; got outputs of shape {outputs.shape}")
    maps = np.abs(_gradients(model, samples, targets, outputs)).reshape(images.shape)
    maps = maps.max(axis=3) if maps.ndim == 4 else maps
    names = model.class_names if class_names is None else class_names
    # Of one output nobody knows whether it stands for classes.
    captions = captions_of(len(images), targets, outputs, names) if outputs.shape[1] > 1 else []
    height = images.shape[1] / images.shape[2]
    axes = given_or_new(axes, inches=(1.2 * len(images) + 0.2, 2.4 * height + 0.4))
    images, scale = scaled(images)
    for number, (image, saliency) in enumerate(zip(images, maps, strict=True)):
        left = number * 1.1
        draw_image(axes, image, (left, 0.0), scale)
        draw_image(axes, saliency, (left, height + 0.1), (0.0, saliency.max() or 1.0), "inferno")
        if captions:
            draw_caption(axes, captions[number], (left, 0.0))
    axes.set(xlim=(-0.05, len(images) * 1.1 - 0.05), ylim=(2 * height + 0.15, -0.28))
    axes.set_axis_off()
    return axes


def _gradients(
    model: Inspectable, samples: NDArray[Any], targets: NDArray[Any] | None, outputs: NDArray[Any]
) -> NDArray[Any]:
    """Return the gradient for each sample: of the loss or, without targets, of its largest output."""
    if targets is not None:
        return model.input_gradients(samples, targets)
    gradients: NDArray[Any] = model.jacobian(samples)[np.arange(len(samples)), outputs.argmax(axis=1)]
    return gradients

"""The hidden layers of ``fastnet train``, made from what is written on the command line."""

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from fastnet.cli._arguments.layers import NETWORKS, dense_layers, parse_layers
from fastnet.datasets import Dataset
from fastnet.layers import (
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    MaxPooling2D,
    Normalization,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    Rescaling,
)
from fastnet.models import Sequential
from fastnet.models.averaging import members_of

__all__ = ["HIDDEN", "are_hidden_in", "hidden_layers", "input_shape", "text_of", "with_image_shape"]

HIDDEN = (256, 128)  # units of the dense layers, unless the arguments have others
_SIZES = ("filters", "kernel_size", "padding", "pool_size", "rate", "units")  # that a layer is written with

# By word: the layer for its numbers, its options, and the arguments of layers with a kernel.
_MAKERS: dict[str, Callable[..., Layer]] = {
    "conv": lambda numbers, options, kernel: Conv2D(
        numbers[0], numbers[1], padding="same" if "same" in options else "valid", **kernel
    ),
    "pool": lambda numbers, *_: MaxPooling2D(*numbers),
    "average": lambda numbers, *_: AveragePooling2D(*numbers),
    "global": lambda *_: GlobalAveragePooling2D(),
    "flatten": lambda *_: Flatten(),
    "dense": lambda numbers, _, kernel: Dense(*numbers, **kernel),
    "dropout": lambda numbers, *_: Dropout(*numbers),
    "norm": lambda *_: BatchNormalization(),
}

# By word: how images are changed in training. What comes in from beyond an edge is like the edge, as digits have zeros there.
_AUGMENTATIONS: dict[str, Callable[[], Layer]] = {
    "shift": lambda: RandomTranslation(0.1, 0.1, fill_mode="nearest"),
    "rotate": lambda: RandomRotation(10 / 360, fill_mode="nearest"),
    "zoom": lambda: RandomZoom(0.1, fill_mode="nearest"),
    "flip": lambda: RandomFlip("horizontal"),
}


def text_of(arguments: argparse.Namespace) -> str:
    """Return the hidden layers of the arguments as they are written."""
    written = arguments.layers or NETWORKS.get(arguments.network)
    return written or dense_layers(HIDDEN if arguments.hidden is None else arguments.hidden)


def _take_images(arguments: argparse.Namespace) -> bool:
    return bool(arguments.augment) or any(spec.takes_images for spec in parse_layers(text_of(arguments)))


def hidden_layers(arguments: argparse.Namespace) -> list[Layer]:
    """Return the layers between the scaling and the output, with a `Flatten` where rows must be made of images.

    What changes images in training comes first.
    """
    initializer = "he_normal" if arguments.activation in ("relu", "leaky_relu") else "glorot_uniform"
    kernel = {"activation": arguments.activation, "kernel_initializer": initializer}
    layers = [_AUGMENTATIONS[word]() for word in (arguments.augment or "").split(",") if word]
    are_images = _take_images(arguments)
    for spec in parse_layers(text_of(arguments)):
        if spec.word == "dense" and are_images:
            layers.append(Flatten())
        are_images &= not spec.gives_rows
        layers.append(_MAKERS[spec.word](spec.numbers, spec.options, kernel))
    return [*layers, Flatten()] if are_images else layers


def are_hidden_in(model: Sequential, layers: Sequence[Layer]) -> bool:
    """Return whether layers are of the kinds and the sizes of those between the scaling and the output of a model.

    Of an ensemble all models must have them.
    """
    outline = list(map(_outline, layers))
    hidden = ([layer for layer in row[:-1] if not _scales(layer)] for row in members_of(model._leaves()))
    return all(list(map(_outline, row)) == outline for row in hidden)


def _scales(layer: Layer) -> bool:
    return isinstance(layer, Normalization | Rescaling)


def _outline(layer: Layer) -> dict[str, Any]:
    config = layer.get_config()
    return {"class": type(layer), **{name: config[name] for name in _SIZES if name in config}}


# ---- Images ---------------------------------------------------------------------------------------------------------


def with_image_shape(data: Dataset, wanted: str | tuple[int, ...] | None) -> Dataset:
    """Return the data with the image shape of the arguments, "square" included, if there is one.

    Raises
    ------
    ValueError
        The samples are no such images.
    """
    if wanted is None:
        return data
    features = data.x.shape[1]
    side = math.isqrt(features)
    shape = (side, side) if isinstance(wanted, str) else wanted
    if math.prod(shape) != features:
        given = wanted if isinstance(wanted, str) else ",".join(map(str, wanted))
        raise ValueError(f"--image-shape {given} does not fit {data.name}, which has {features} features in a row")
    test = None if data.test is None else replace(data.test, image_shape=shape)
    return replace(data, image_shape=shape, test=test)


def input_shape(arguments: argparse.Namespace, data: Dataset) -> tuple[int, ...]:
    """Return the shape of one sample for the layers: (height, width, channels) if they take images.

    Raises
    ------
    ValueError
        They take images, and the samples have no shape.
    """
    features = data.x.shape[1]
    if not _take_images(arguments):
        return (features,)
    height_and_width, channels = (data.image_shape or ())[:2], (data.image_shape or ())[2:] or (1,)
    if len(height_and_width) != 2 or len(channels) != 1:
        got = f"{features} features in a row" if data.image_shape is None else f"samples of shape {data.image_shape}"
        what = f"--augment {arguments.augment} takes" if arguments.augment else f"the layers {text_of(arguments)} take"
        raise ValueError(
            f"{what} images, and {data.name} has {got}: give their shape, as in --image-shape 28,28,1, "
            "or --image-shape square"
        )
    return (*height_and_width, *channels)

"""Random networks of layers for images, described as the compiled core takes them."""

from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np

import image_descriptions as describe
from image_cases import LAYERS, Pick
from image_descriptions import Description, Shape, output_shape
from oracle.networks import ACTIVATIONS, Array, Random, activation, chance, pick

LARGEST = 1500  # numbers in a sample between two layers
LOSSES = {  # what a network ends in, and the targets of that
    "mse": ("linear", "tanh", "softplus", "softmax"),
    "binary_crossentropy": ("sigmoid",),
    "categorical_crossentropy": ("softmax",),
}
_OFTEN = ("conv2d",) * 6 + ("max_pooling2d", "residual", "residual", "activation")
# Pixels that were copied are equal but for rounding, between which the largest is no smooth choice.
_COPYING = ("upsampling2d",)


@dataclass(frozen=True)
class ImageCase:
    """Layers for images of a shape, a loss, and data."""

    seed: int
    shape: Shape
    layers: list[Description]
    loss: str
    x: Array
    y: Array
    weight: Array | None


def convolution(picked: Pick, random: Random, shape: Shape) -> Description:
    kind = picked("conv2d", "conv2d", "conv2d_transpose")
    return {**LAYERS[kind](picked, shape), "activation": activation(random)}


def residual(picked: Pick, random: Random, shape: Shape) -> list[Description]:
    """Return a block of layers that keep the shape."""

    def same() -> Description:
        groups = shape[2] if chance(random, 0.3) else 1
        axes = describe.windows(shape, (picked(1, 2, 3), picked(1, 3)), padding="same", dilation=picked((1, 1), (2, 1)))
        return describe.conv2d(shape, axes, shape[2], activation(random), groups=groups, use_bias=chance(random, 0.8))

    between = picked("batch_normalization", "layer_normalization", "prelu", "normalization")
    inner = [same(), LAYERS[between](picked, shape), same()][: picked(1, 2, 3)]
    return [{"type": "residual_begin"}, *inner, {"type": "residual_end"}]


def random_layers(random: Random, shape: Shape) -> tuple[list[Description], Shape]:
    """Return one to six layers for images of a shape, and the shape of what they make."""
    picked, copied = partial(pick, random), False
    layers: list[Description] = []
    for _ in range(int(random.integers(1, 7))):
        name = picked(*LAYERS, *_OFTEN)
        if name == "max_pooling2d" and copied:
            name = "average_pooling2d"
        copied |= name in _COPYING
        match name:
            case "residual":
                made = residual(picked, random, shape)
            case "conv2d" | "conv2d_transpose":
                made = [convolution(picked, random, shape)]
            case "activation":
                made = [describe.by_channel(name, shape, activation=picked(*ACTIVATIONS), alpha=0.3)]
            case "spatial_dropout":  # of nothing: what it drops has tests of its own
                made = [{**LAYERS[name](picked, shape), "rate": 0.0}]
            case _:
                made = [LAYERS[name](picked, shape)]
        after = output_shape(made[0], shape)
        if prod(after) <= LARGEST:
            layers, shape = layers + made, after
    return layers, shape


def random_image_case(seed: int) -> ImageCase:
    """Return a network. Losses take turns, so that few seeds have them all."""
    random = np.random.default_rng([seed, 19])
    picked = partial(pick, random)
    loss = list(LOSSES)[seed % len(LOSSES)]
    outputs = int(random.integers(2, 8))
    shape = picked(1, 2, 3, 5, 7, 8, 12), picked(1, 2, 3, 5, 7, 8, 12), picked(1, 2, 3, 6, 8)
    layers, last = random_layers(random, shape)
    layers.append(describe.dense((prod(last),), outputs, picked(*LOSSES[loss])))
    rows = picked(1, 2, 3, 7, 17, 40)
    y = np.eye(outputs)[random.integers(0, outputs, rows)] if loss != "mse" else random.normal(size=(rows, outputs))
    weight = random.uniform(0.1, 3.0, rows) if chance(random, 0.3) else None
    return ImageCase(seed, shape, layers, loss, random.normal(size=(rows, prod(shape))), y, weight)

"""Random built models for images and sequences, whose weights and statistics are no defaults."""

import numpy as np

import fastnet as fn
from fastnet.layers import Layer
from oracle.image_networks import random_image_layers


def random_image_model(seed: int, dtype: str = "float32") -> fn.Sequential:
    """Return a model without "gelu_tanh", which is fastnet's own."""
    random = np.random.default_rng([seed, 21])
    shape, layers = random_image_layers(random)
    while "gelu_tanh" in str([layer.get_config() for layer in layers]):
        shape, layers = random_image_layers(random)
    model = fn.Sequential([fn.Input(shape), *layers], seed=seed, dtype=dtype)
    for layer in model.layers:
        with_random_weights(layer, random)
    return model


def with_random_weights(layer: Layer, random: np.random.Generator) -> None:
    drawn = []
    for name, array in zip(layer.weight_names, layer.get_weights(), strict=True):
        values = array + 0.2 * random.normal(size=array.shape)
        drawn.append(np.abs(values) + 0.1 if "variance" in name else values)
    layer.set_weights(drawn)


def samples_of(model: fn.Sequential, rows: int = 5) -> np.ndarray:
    """Return samples for a model."""
    assert model.input_shape is not None
    return np.random.default_rng(3).normal(size=(rows, *model.input_shape)).astype(model.dtype)

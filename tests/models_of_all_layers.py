"""Small built models, with every layer and every activation, whose weights and statistics are no defaults."""

from collections.abc import Callable
from typing import Any

import numpy as np

import fastnet as fn
from fastnet import _core
from fastnet.layers import (
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Layer,
    LayerNormalization,
    Normalization,
    PReLU,
    ReLU,
    Rescaling,
    Reshape,
    Residual,
)

INPUTS = 6


def _activated(name: str) -> Callable[[], list[Layer]]:
    return lambda: [Dense(8, name), Dense(5), Activation(name)]


_LAYERS: dict[str, Callable[[], list[Layer]]] = {
    "one_layer": lambda: [Dense(3)],
    "no_bias": lambda: [Dense(7, "tanh", use_bias=False), Dense(3, use_bias=False)],
    "rescaling": lambda: [Rescaling(1 / 255, -0.5), Dense(3)],
    "rescaling_inside": lambda: [Dense(4), Rescaling(2.0, 1.0), Dense(3)],
    "normalization": lambda: [
        Normalization(mean=np.linspace(-9.0, 100.0, INPUTS), variance=np.geomspace(1e-3, 1e3, INPUTS)),
        Dense(5, "relu"),
        Dense(3, "softmax"),
    ],
    "normalization_of_all": lambda: [Normalization(axis=None, mean=128.0, variance=900.0), Dense(3)],
    "batch_normalization": lambda: [Dense(8), BatchNormalization(), ReLU(), Dense(3)],
    "batch_normalization_in_front": lambda: [BatchNormalization(center=False), Dense(3)],
    "batch_normalization_bare": lambda: [Dense(4), BatchNormalization(scale=False, center=False, epsilon=0.1)],
    "layer_normalization": lambda: [Dense(8), LayerNormalization(), ReLU(), Dense(3)],
    "layer_normalization_bare": lambda: [LayerNormalization(scale=False, center=False, epsilon=1e-6), Dense(3)],
    "prelu": lambda: [Dense(8), PReLU(), Dense(3), PReLU()],
    "leaky": lambda: [Dense(8), fn.LeakyReLU(0.3), Dense(8), ReLU(negative_slope=0.1), Dense(3), fn.ELU(0.7)],
    "rectifiers": lambda: [
        *(Dense(8), ReLU(max_value=0.5, threshold=0.25), Dense(8), ReLU(max_value=1.0, negative_slope=0.1)),
        *(Dense(8), ReLU(negative_slope=0.3, threshold=0.25), Dense(8), ReLU(1.5, 0.2, 0.25), Dense(3)),
    ],
    "dropout_and_noise": lambda: [GaussianNoise(0.5), Dense(8, "relu"), Dropout(0.5), Dense(3)],
    "only_dropout": lambda: [Dropout(0.5)],
    "only_activation": lambda: [Activation("relu")],
    "shapes": lambda: [Reshape((2, 3)), Flatten(), Dense(4), Reshape((2, 2))],
    "residual": lambda: [
        Dense(8, "relu"),
        Residual([LayerNormalization(), Dense(8, "gelu"), Dense(8)]),
        Residual([BatchNormalization(), Residual([Dense(8, "tanh")]), PReLU()]),
        ReLU(),
        Dense(3, "softmax"),
    ],
    "residual_in_front": lambda: [Residual([Dense(INPUTS, "relu")]), Dense(3)],
    **{f"activation_{name}": _activated(name) for name in _core.activation_names()},
}
MODELS = sorted(_LAYERS)


def build(name: str, dtype: str = "float32", seed: int = 0) -> fn.Sequential:
    """Return the built model of this name with weights drawn from a normal distribution and positive variances."""
    model = fn.Sequential([fn.Input((INPUTS,)), *_LAYERS[name]()], seed=seed, dtype=dtype)
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if not isinstance(layer, Normalization):
            layer.set_weights(
                [_values(rng, n, w) for n, w in zip(layer.weight_names, layer.get_weights(), strict=True)]
            )
    return model


def _values(rng: np.random.Generator, name: str, weight: Any) -> np.ndarray:
    values = rng.normal(scale=1 / np.sqrt(weight.shape[0]), size=weight.shape)
    return np.abs(values) + 0.1 if "variance" in name else values

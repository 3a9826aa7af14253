"""Two small models and thirty samples, for tests of what a model does rather than of its numbers."""

from typing import Any

import numpy as np
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.layers import Dense, Input

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 4)).astype(np.float32)
LABELS = np.arange(30) % 3
ONE_HOT = np.eye(3, dtype=np.float32)[LABELS]


def classifier(
    *, input_shape: tuple[int, ...] | None = (4,), loss: str = "sparse_categorical_crossentropy", **options: Any
) -> fn.Sequential:
    layers: list[Any] = [] if input_shape is None else [Input(input_shape)]
    model = fn.Sequential([*layers, Dense(5, activation="tanh"), Dense(3, activation="softmax")], seed=0, **options)
    model.compile(fn.optimizers.SGD(0.1), loss=loss, metrics=["accuracy"])
    return model


def regressor(outputs: int = 1) -> fn.Sequential:
    model = fn.Sequential([Dense(outputs, input_shape=(4,))], seed=0)
    model.compile("sgd", loss="mse")
    return model


def assert_same(first: fn.Sequential, second: fn.Sequential) -> None:
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        assert_array_equal(a, b)

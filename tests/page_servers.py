"""Servers of models of all kinds, whose pages the tests open."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from browser import serve
from fastnet.datasets import mnist


@pytest.fixture(scope="session")
def mnist_model(mnist_dir: Path) -> fn.Sequential:
    """A model of MNIST with 64 hidden units."""
    (images, labels), _ = mnist.load_data()
    layers = [fn.layers.Rescaling(1 / 255, input_shape=(784,)), fn.Dense(64, "relu"), fn.Dense(10, "softmax")]
    model = fn.Sequential(layers, seed=0, name="mnist-64")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(images.reshape(-1, 784), labels, batch_size=64, epochs=3, verbose=0)
    model.class_names = [str(digit) for digit in range(10)]
    return model


@pytest.fixture(scope="module")
def mnist_server(browser: Any, mnist_model: fn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model of MNIST with 64 hidden units."""
    yield from serve(mnist_model, tmp_path_factory)


@pytest.fixture(scope="module")
def convolutional_server(browser: Any, mnist_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a convolutional model of MNIST's images."""
    (images, labels), _ = mnist.load_data()
    inner = [
        fn.Conv2D(8, 5, activation="relu"),
        fn.MaxPooling2D(4),
        fn.Dropout(0.2),
        fn.Flatten(),
        fn.Dense(32, "relu"),
    ]
    layers = [fn.layers.Rescaling(1 / 255, input_shape=(28, 28, 1)), *inner, fn.Dense(10, "softmax")]
    model = fn.Sequential(layers, seed=0)
    model.compile(fn.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(images[:20_000], labels[:20_000], batch_size=64, epochs=2, verbose=0)
    yield from serve(model, tmp_path_factory)


@pytest.fixture(scope="module")
def flowers_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model that takes no pictures."""
    model = fn.Sequential([fn.Dense(3, "softmax", input_shape=(4,))], seed=0)
    model.class_names = ["setosa", "versicolor", "virginica"]
    model.feature_names = ["sepal length", "sepal width", "petal length", "petal width"]
    yield from serve(model, tmp_path_factory)


@pytest.fixture(scope="module")
def colors_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a convolutional model of color images, which tells the strongest color."""
    layers = [fn.Conv2D(3, 1, use_bias=False), fn.AveragePooling2D(4), fn.GlobalAveragePooling2D()]
    last = fn.Dense(3, "softmax", use_bias=False)
    model = fn.Sequential([fn.layers.Rescaling(1 / 255, input_shape=(16, 24, 3)), *layers, last])
    model.set_weights([np.eye(3)[None, None], 5 * np.eye(3)])
    model.class_names = ["red", "green", "blue"]
    yield from serve(model, tmp_path_factory)


@pytest.fixture(scope="module")
def gray_server(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a model of gray images other than digits and whose scale is unknown."""
    layers = [fn.Conv2D(2, 3, input_shape=(12, 10, 1)), fn.Flatten(), fn.Dense(2, "softmax")]
    yield from serve(fn.Sequential(layers, seed=0), tmp_path_factory)

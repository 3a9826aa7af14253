"""Three steps of training of small convolutional networks take the core where they take the reference."""

from math import prod
from typing import Any

import numpy as np
import pytest

import image_descriptions as describe
import reference
from image_cases import arrays_of, assert_near, core_of
from image_descriptions import Axes, Description, Shape, output_shape
from reference_networks import BatchNormalization, Network

ROWS, BATCH, STEPS = 24, 8, 3
NORMALIZED = {"momentum": 0.9, "epsilon": 0.01, "use_gamma": True, "use_beta": True}
OPTIMIZERS: dict[str, tuple[Any, dict[str, float]]] = {
    "sgd": (
        reference.SGD,
        {"learning_rate": 0.05, "momentum": 0.9, "dampening": 0.0, "nesterov": 0.0, "weight_decay": 0.0},
    ),
    "adam": (reference.Adam, {"learning_rate": 0.01, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
}


class Images:
    """Layers one behind the other, with the shape of what they make of images."""

    def __init__(self, shape: Shape) -> None:
        self.size, self.shape = prod(shape), shape
        self.layers: list[Description] = []

    def add(self, layer: Description) -> None:
        self.layers.append(layer)
        self.shape = output_shape(layer, self.shape)

    def conv(self, filters: int, size: int, activation: str = "relu", **options: Any) -> None:
        placed = {key: options.pop(key) for key in ("strides", "padding", "dilation") if key in options}
        axes = describe.windows(self.shape, (size, size), **placed)
        self.add(describe.conv2d(self.shape, axes, filters, activation, **options))

    def pool(self, kind: str) -> None:
        self.add(describe.pooling(kind, self.shape, describe.windows(self.shape, (2, 2), (2, 2))))

    def normalize(self) -> None:
        self.add(describe.by_channel("batch_normalization", self.shape, **NORMALIZED))

    def classify(self, *units: int) -> None:
        self.shape = (prod(self.shape),)
        for number in units:
            self.add(describe.dense(self.shape, number, "softmax" if number == units[-1] else "relu"))


def lenet() -> Images:
    images = Images((12, 12, 1))
    images.conv(6, 5, padding="same")
    images.pool("max")
    images.conv(16, 3)
    images.pool("average")
    images.classify(20, 10)
    return images


def residual() -> Images:
    images = Images((7, 6, 3))
    images.conv(8, 3, padding="same", strides=(2, 1))
    images.add({"type": "residual_begin"})
    images.conv(8, 3, "linear", padding="same", use_bias=False)
    images.normalize()
    images.add({"type": "activation", "activation": "relu", "alpha": 0.0})
    images.conv(8, 3, "linear", padding="same", dilation=(2, 2), groups=2, use_bias=False)
    images.add({"type": "residual_end"})
    images.normalize()
    images.add(describe.by_channel("prelu", images.shape))
    images.add(describe.pooling("average", images.shape, describe.windows(images.shape, images.shape[:2])))
    images.classify(10)
    return images


def depthwise_and_transposed() -> Images:
    images = Images((6, 5, 4))
    images.conv(8, 3, "linear", padding="same", groups=4, use_bias=False)
    images.conv(5, 1, "tanh")
    axes: Axes = describe.transposed_windows(images.shape, (3, 2), (2, 3), "same")
    images.add(describe.conv2d_transpose(images.shape, axes, 3, "relu"))
    images.add(describe.padding2d(images.shape, (1, -1), (0, -2)))
    images.pool("max")
    images.add(describe.upsampling2d(images.shape, (2, 1), bilinear=True))
    images.add(describe.permutation(images.shape, (1, 2, 0)))
    images.classify(10)
    return images


@pytest.mark.parametrize("build", [lenet, residual, depthwise_and_transposed])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_three_steps_take_the_reference_s_way(build: Any, optimizer: str, dtype: Any, tolerance: float) -> None:
    images = build()
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(ROWS, images.size)).astype(dtype), rng.integers(0, 10, ROWS)
    cls, settings = OPTIMIZERS[optimizer]
    loss = {"loss": "categorical_crossentropy", "optimizer": optimizer, "settings": settings}
    core, weights = core_of(images.layers, images.size, dtype, **loss)
    network = Network(images.layers, images.size, weights, "categorical_crossentropy")
    expected = network.fit(x, labels, cls(**settings), BATCH)
    steps, mean, *_ = core.train_epoch(x, labels, None, BATCH, None, None)
    assert steps == STEPS
    assert mean == pytest.approx(expected, rel=tolerance)
    assert_near(arrays_of(core, core.get_parameters(), trained=False), network.weights, tolerance)
    moved = [np.abs(after - before).max() for after, before in zip(network.weights, weights, strict=True)]
    assert min(moved) > 10 * tolerance  # had the run stood still, agreement would mean nothing
    assert sum(isinstance(layer, BatchNormalization) for layer in network.every_layer()) == 2 * (build is residual)
    network.in_training(False)
    assert_near([core.predict(x, ROWS)], [network.predict(x)], 10 * tolerance)

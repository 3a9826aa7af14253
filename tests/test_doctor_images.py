"""The doctor and convolutional networks: the same faults are named, and sound networks are left in peace."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.datasets import digits
from fastnet.diagnostics.doctor.case import Case
from fastnet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    GlobalAveragePooling2D,
    Layer,
    MaxPooling2D,
    PReLU,
    Rescaling,
    Reshape,
    Residual,
    SeparableConv2D,
    ZeroPadding2D,
)

X, LABELS = digits.load_data()
X, LABELS = 255 // 16 * X[:400].reshape(-1, 8, 8, 1), LABELS[:400]


def network(*layers: Layer, shape: tuple[int, ...] = (8, 8, 1), last: str = "softmax") -> fn.Sequential:
    scaled = [Rescaling(1 / 255), *layers] if layers and not isinstance(layers[0], Reshape | ZeroPadding2D) else layers
    model = fn.Sequential([fn.Input(shape), *scaled, Flatten(), Dense(10, last)], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def conv(filters: int = 8, size: int = 3, activation: Any = "relu", **others: Any) -> Conv2D:
    return Conv2D(filters, size, activation=activation, **others)


SOUND: dict[str, Callable[[], fn.Sequential]] = {
    "LeNet": lambda: network(conv(), MaxPooling2D(2), conv(12, 2), Flatten(), Dense(32, "relu")),
    "normalized": lambda: network(conv(8, 3, None), BatchNormalization(), conv(), GlobalAveragePooling2D()),
    "normalized first": lambda: network(ZeroPadding2D(), BatchNormalization(), conv()),
    "residual": lambda: network(conv(), Residual([conv(8, 3, padding="same")]), MaxPooling2D(2)),
    "separable": lambda: network(
        DepthwiseConv2D(3, depth_multiplier=4), conv(8, 1), SeparableConv2D(8, 3, activation="relu")
    ),
    "scaled behind other layers": lambda: network(ZeroPadding2D(), Rescaling(1 / 255), conv()),
    "of rows": lambda: network(Reshape((8, 8, 1)), Rescaling(1 / 255), conv(), shape=(64,)),
    "PReLU": lambda: network(conv(8, 3, None), PReLU(shared_axes=[1, 2]), MaxPooling2D(2)),
    "equal depthwise kernels": lambda: network(conv(), DepthwiseConv2D(3, depthwise_initializer="ones"), conv(8, 1)),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_networks_have_no_findings_but_notes(name: str) -> None:
    model = SOUND[name]()
    report = fn.doctor(model, X.reshape(-1, *model.input_shape), LABELS)
    assert {finding.severity for finding in report} <= {"note"}, report


def with_dead_channels(count: int) -> fn.Sequential:
    model = network(conv(), MaxPooling2D(2))
    kernel, bias = model.layers[1].get_weights()
    bias[:count] = -100.0
    model.layers[1].set_weights([kernel, bias])
    return model


FAULTS: dict[str, tuple[str, Callable[[], fn.Sequential]]] = {
    "FN102": ("whole numbers from 0 to 240, like pixels", lambda: network(ZeroPadding2D(), conv())),
    "FN301": ("the 10 outputs come from relu", lambda: network(conv(), last="relu")),
    "FN304": ("all 8 units of layer 'conv2d_1'", lambda: network(conv(), conv(kernel_initializer="ones"))),
    "FN306": ("layer 'conv2d' is linear, and layer 'conv2d_1' follows", lambda: network(conv(8, 3, None), conv())),
    "FN401": ("channels that are 0 for all 400 sampled rows: 5 of 8 in layer 'conv2d'", lambda: with_dead_channels(5)),
    "FN407": ("channels that are 0 for all 400 sampled rows: 1 of 8 in layer 'conv2d'", lambda: with_dead_channels(1)),
}


@pytest.mark.parametrize("code", FAULTS)
def test_a_planted_fault_is_named_and_nothing_else(code: str) -> None:
    words, build = FAULTS[code]
    report = fn.doctor(build(), X, LABELS)
    assert report.codes == [code], report
    assert words in report[0].message


def test_a_channel_that_is_on_anywhere_is_not_dead() -> None:
    x = X.copy()
    x[:, :7, :7] = 0
    model = with_dead_channels(0)
    kernel, bias = model.layers[1].get_weights()
    model.layers[1].set_weights([np.ones_like(kernel), np.zeros_like(bias) - 0.01])  # on in one corner of some images
    assert "FN407" not in fn.doctor(model, x, LABELS).codes


def test_the_last_activation_is_also_that_of_a_convolution() -> None:
    layers = [fn.Input((8, 8, 1)), Rescaling(1 / 255), conv(10, 8, "tanh"), Flatten()]
    model = fn.Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    assert fn.doctor(model, X, LABELS).codes == ["FN301"]


def test_images_may_lack_the_axis_of_one_channel() -> None:
    report = fn.doctor(SOUND["LeNet"](), X[..., 0], LABELS, (X[:100], LABELS[:100]))
    assert report.codes == ["FN107", "FN407"]


def test_the_sample_is_smaller_where_layers_have_many_outputs() -> None:
    model = fn.Sequential([fn.Input((64, 64, 1)), conv(64), Flatten(), Dense(2, "softmax")], seed=0)
    x = np.zeros((300, 64, 64, 1), np.uint8)
    outputs = 2 * 62 * 62 * 64 + 2
    assert len(Case(model, x, None).rows) == 20_000_000 // outputs
    assert len(Case(SOUND["LeNet"](), X, None).rows) == 400


def test_debugging_a_training_of_convolutions_says_nothing() -> None:
    model = SOUND["LeNet"]()
    with np.errstate(all="raise"):
        model.fit(X, LABELS, epochs=2, verbose=0, debug=True)


def test_debugging_names_the_convolution_that_breaks() -> None:
    model = fn.Sequential([fn.Input((8, 8, 1)), conv(), Flatten(), Dense(10)], seed=0)
    model.compile(fn.optimizers.SGD(1e30), "mse")
    with pytest.warns(fn.exceptions.DoctorWarning) as caught:
        model.fit(X.astype(np.float32), np.eye(10)[LABELS], epochs=1, verbose=0, debug=True)
    assert any("FN406" in str(one.message) for one in caught)

"""Convolutional networks that PyTorch's two exporters and Keras write predict in fastnet what they predict there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import fastnet as fn

onnx = pytest.importorskip("onnx", reason="needs onnx")
torch = pytest.importorskip("torch", reason="needs torch")

from torch_images import NETWORKS, built  # noqa: E402


def exported(module: Any, x: Any, path: Path, dynamo: bool) -> None:
    if dynamo:
        pytest.importorskip("onnxscript", reason="needs onnxscript")
        options: dict[str, Any] = {"dynamic_shapes": ({0: torch.export.Dim("n")},)}
    else:
        options = {"dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"]}
    torch.onnx.export(module, (x,), path, dynamo=dynamo, verbose=False, **options)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_installed_pytorch_exports_a_convolutional_network(name: str, dynamo: bool, tmp_path: Path) -> None:
    module, x = built(name)
    exported(module, x, tmp_path / "model.onnx", dynamo)
    expected = module(x).detach().numpy()
    for channels in (None, "last"):
        model = fn.from_onnx(tmp_path / "model.onnx", channels)
        given = x.numpy() if channels is None else np.moveaxis(x.numpy(), 1, -1)
        predicted = model.predict(given)
        if channels == "last" and predicted.ndim == x.ndim:
            predicted = np.moveaxis(predicted, -1, 1)
        assert_allclose(predicted, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
def test_the_installed_pytorch_exports_half_precision(tmp_path: Path) -> None:
    module, x = built("vgg")
    expected = module(x).detach().numpy()
    exported(module.half(), x.half(), tmp_path / "model.onnx", dynamo=False)
    model = fn.from_onnx(tmp_path / "model.onnx", "last")
    assert_allclose(model.predict(np.moveaxis(x.numpy(), 1, -1)), expected, atol=2e-2)


# ---- Keras ----------------------------------------------------------------------------------------------------------


def mobile(keras: Any) -> Any:
    L = keras.layers
    layers = [
        L.Rescaling(1 / 127.5, offset=-1),
        L.ZeroPadding2D(((0, 1), (0, 1))),
        L.Conv2D(8, 3, strides=2, use_bias=False),
        L.BatchNormalization(),
        L.ReLU(6.0),
        L.DepthwiseConv2D(3, strides=2, padding="same"),
        L.Activation("hard_silu"),
        L.SeparableConv2D(12, 3, padding="same"),
        L.PReLU(shared_axes=[1, 2]),
        L.GlobalAveragePooling2D(),
        L.Dense(10, activation="softmax"),
    ]
    return keras.Sequential([keras.Input((17, 16, 3)), *layers])


def lenet(keras: Any) -> Any:
    L = keras.layers
    layers = [
        L.Conv2D(6, 5, padding="same", activation="tanh"),
        L.AveragePooling2D(2),
        L.Conv2D(16, 5, activation="relu"),
        L.MaxPooling2D(2),
        L.Flatten(),
        L.Dense(10, activation="softmax"),
    ]
    return keras.Sequential([keras.Input((28, 28, 1)), *layers])


def residual(keras: Any) -> Any:
    L = keras.layers
    x = start = keras.Input((12, 13, 4))
    x = L.BatchNormalization()(L.Conv2D(8, 3, strides=2, padding="same", use_bias=False)(x))
    x = L.Conv2D(8, 3, padding="same")(L.ReLU()(x))
    x = L.ReLU()(L.Add()([x, L.Conv2D(8, 1, strides=2)(start)]))
    x = L.Add()([x, L.Conv2D(8, 3, padding="same", activation="relu")(x)])
    return keras.Model(start, L.Dense(5)(L.GlobalMaxPooling2D()(x)))


def sequence(keras: Any) -> Any:
    L = keras.layers
    layers = [
        L.Conv1D(4, 3, padding="causal", activation="elu"),
        L.MaxPooling1D(2),
        L.Conv1D(4, 3, padding="same", dilation_rate=2),
        L.AveragePooling1D(2),
        L.LeakyReLU(),
        L.Flatten(),
        L.Dense(3),
    ]
    return keras.Sequential([keras.Input((20, 3)), *layers])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", [lenet, mobile, residual, sequence])
def test_the_installed_keras_exports_a_convolutional_network(make: Any, tmp_path: Path) -> None:
    keras = pytest.importorskip("keras", reason="needs keras")
    network = make(keras)
    rng = np.random.default_rng(0)
    network.set_weights([array + rng.uniform(0.0, 0.2, array.shape) for array in network.get_weights()])
    x = rng.normal(size=(5, *network.input_shape[1:])).astype(np.float32)
    expected = network.predict(x, verbose=0)
    network.export(str(tmp_path / "model.onnx"), format="onnx", verbose=False)
    model = fn.from_onnx(tmp_path / "model.onnx")
    assert model.input_shape == network.input_shape[1:]
    assert not any(isinstance(layer, fn.layers.Permute) for layer in model.layers)
    assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-5)

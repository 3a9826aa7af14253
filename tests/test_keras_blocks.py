"""Blocks with layers in their shortcut come from files of Keras and go there, with the weights in Keras's order."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers as L
from fastnet.interchange.keras.order import listed
from keras_archives import members_of
from models_of_images import build
from random_image_models import random_image_model, samples_of, with_random_weights
from record_interchange_keras import DATA, RESNET_SHAPE, inputs, resnet

pytest.importorskip("h5py")

RESNET = DATA / "keras_resnet.keras"
OUTPUTS = json.loads((DATA / "keras_outputs.json").read_text(encoding="utf-8"))["outputs"]["resnet"]


# ---- From Keras -----------------------------------------------------------------------------------------------------


def kinds(layers: list[L.Layer]) -> list[str]:
    return [type(layer).__name__ for layer in layers]


def test_a_residual_network_of_keras_predicts_what_keras_predicts() -> None:
    model = fn.load_model(RESNET)
    assert_allclose(model.predict(inputs(RESNET_SHAPE)), OUTPUTS, rtol=1e-5, atol=1e-6)
    blocks = [layer for layer in model.layers if isinstance(layer, L.Residual)]
    body = ["Conv2D", "BatchNormalization", "ReLU", "Conv2D", "BatchNormalization"]
    assert [(kinds(block.layers), kinds(block.shortcut)) for block in blocks] == [
        (body, []),
        (body, ["Conv2D", "BatchNormalization"]),
        (["Conv2D"], ["SeparableConv2D", "MaxPooling2D"]),  # what `Add` takes first is the shortcut
    ]


def test_weights_of_a_residual_network_are_read_in_keras_s_order(tmp_path: Path) -> None:
    path = tmp_path / "m.weights.h5"
    path.write_bytes(members_of(RESNET)["model.weights.h5"])
    model = fn.load_model(RESNET)
    expected = model.get_weights()
    model.set_weights([np.ones_like(array) for array in expected])
    model.load_weights(path)
    for own, given in zip(model.get_weights(), expected, strict=True):
        assert_array_equal(own, given)


def test_a_residual_network_of_keras_goes_back_to_keras(tmp_path: Path) -> None:
    model = fn.load_model(RESNET)
    model.save(tmp_path / "m.keras")
    again = fn.load_model(tmp_path / "m.keras")
    assert again.get_config() == model.get_config()
    assert_array_equal(again.predict(inputs(RESNET_SHAPE)), model.predict(inputs(RESNET_SHAPE)))


# ---- To Keras -------------------------------------------------------------------------------------------------------


def block(*names: str, shortcut: tuple[str, ...]) -> L.Residual:
    body, beside = ([fn.Dense(3, name=name) for name in row] for row in (names, shortcut))
    return L.Residual(body, beside, name="r")


@pytest.mark.parametrize(
    ("layers", "order"),
    [
        # By depth; at the same depth the shortcut first, since `Add` takes it first.
        (lambda: [block("a", "b", shortcut=("s",))], ["r_0_a", "r_2_s", "r_1_b", "r"]),
        (lambda: [block("a", shortcut=("s", "t"))], ["r_1_s", "r_2_t", "r_0_a", "r"]),
        (lambda: [block("a", shortcut=("s",)), fn.Dense(3, name="z")], ["r_1_s", "r_0_a", "r", "z"]),
        (
            lambda: [
                L.Residual([fn.Dense(3, name="a"), block("b", shortcut=("s",))], [fn.Dense(3, name="t")], name="q")
            ],
            ["q_0_a", "q_1_r_1_s", "q_1_r_0_b", "q_2_t", "q_1_r", "q"],
        ),
    ],
)
def test_layers_are_listed_as_keras_lists_them(
    layers: Callable[[], list[L.Layer]], order: list[str], tmp_path: Path
) -> None:
    model = fn.Sequential([fn.Input((3,)), *layers()], seed=0)
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        config = json.loads(archive.read("config.json"))["config"]["layers"]
    assert [layer["name"] for layer in config] == ["input_layer", *order]
    again = fn.load_model(tmp_path / "m.keras")
    assert again.get_config() == model.get_config()
    assert_array_equal(again.predict(np.eye(3)), model.predict(np.eye(3)))


def test_the_longest_way_counts_as_depth() -> None:
    assert listed([[], [0], [1], [2], [0], [4, 3]]) == [0, 1, 2, 4, 3, 5]
    assert listed([[], [0], [0, 1], [1], [3, 2]]) == [0, 1, 3, 2, 4]


def test_a_block_with_a_shortcut_comes_back_with_its_weights(tmp_path: Path) -> None:
    model = build("residual_shortcut")
    for layer in model.layers:
        with_random_weights(layer, np.random.default_rng(0))
    model.layers[0].layers[0].trainable = False
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    again = fn.load_model(tmp_path / "m.keras")
    assert again.get_config() == model.get_config()
    x = samples_of(model)
    assert_array_equal(again.predict(x), model.predict(x))
    again.set_weights([np.zeros_like(array) for array in again.get_weights()])
    again.load_weights(tmp_path / "m.weights.h5")
    assert_array_equal(again.predict(x), model.predict(x))


def test_random_models_have_blocks_with_shortcuts() -> None:
    blocks = [layer for seed in range(40) for layer in random_image_model(seed).layers if isinstance(layer, L.Residual)]
    assert sum(bool(one.shortcut) for one in blocks) >= 5


# ---- Keras itself ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_installed_keras_s_residual_networks_come_and_go(tmp_path: Path) -> None:
    pytest.importorskip("keras")
    network = resnet()
    x = inputs(RESNET_SHAPE)
    expected = network.predict(x, verbose=0)
    network.save_weights(tmp_path / "k.weights.h5")
    for ending in (".keras", ".h5"):
        network.save(tmp_path / f"k{ending}")
        model = fn.load_model(tmp_path / f"k{ending}")
        assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)
        model.set_weights([np.ones_like(array) for array in model.get_weights()])
        model.load_weights(tmp_path / "k.weights.h5")
        assert_allclose(model.predict(x), expected, rtol=1e-5, atol=1e-6)
    model.save_weights(tmp_path / "m.weights.h5")
    network.set_weights([np.zeros_like(array) for array in network.get_weights()])
    network.load_weights(tmp_path / "m.weights.h5")
    assert_allclose(network.predict(x, verbose=0), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_installed_keras_lists_the_layers_in_the_order_of_the_file(tmp_path: Path) -> None:
    keras = pytest.importorskip("keras")
    for seed in range(40):
        model = random_image_model(seed)
        if any(isinstance(layer, L.Residual) for layer in model.layers):
            model.save(tmp_path / "m.keras")
            with zipfile.ZipFile(tmp_path / "m.keras") as archive:
                config: dict[str, Any] = json.loads(archive.read("config.json"))
            opened = keras.saving.load_model(tmp_path / "m.keras")
            assert [layer["name"] for layer in config["config"]["layers"]] == [layer.name for layer in opened.layers]


def with_statistics(network: Any, x: np.ndarray) -> None:
    """Give a network of Keras normalizations that keep the values of its layers apart: those of new ones vanish."""
    random = np.random.default_rng(2)
    for layer in network.layers:
        if hasattr(layer, "moving_mean"):
            layer.momentum = 0.0
            gamma, beta, *moments = layer.get_weights()
            layer.set_weights(
                [gamma * random.uniform(0.5, 1.5, gamma.shape), beta + random.normal(size=beta.shape), *moments]
            )
    network(x, training=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("MobileNet", {"alpha": 0.25, "classes": 7}),
        ("MobileNetV2", {"alpha": 0.35, "classes": 7}),
        ("MobileNetV2", {"alpha": 0.35, "include_top": False, "pooling": "avg", "input_shape": (96, 96, 3)}),
    ],
)
def test_the_installed_keras_s_mobile_networks_come_and_go(
    name: str, arguments: dict[str, Any], tmp_path: Path
) -> None:
    keras = pytest.importorskip("keras")
    keras.utils.set_random_seed(0)
    network = getattr(keras.applications, name)(**{"weights": None, "input_shape": (32, 32, 3), **arguments})
    x = np.random.default_rng(1).normal(size=(8, *network.input_shape[1:])).astype(np.float32)
    with_statistics(network, x)
    expected = network.predict(x, verbose=0)
    assert np.median(expected.std(axis=0)) > 1e-2  # samples differ
    network.save(tmp_path / "k.keras")
    model = fn.load_model(tmp_path / "k.keras")
    assert_allclose(model.predict(x), expected, rtol=1e-3, atol=1e-5)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert_allclose(again.predict(x, verbose=0), expected, rtol=1e-3, atol=1e-5)

"""A served convolutional network: what it takes, and what it says about its inside."""

import base64
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

import fastnet as fn
from asking import ask
from fastnet.layers import Conv2D, Dense, Flatten, GlobalAveragePooling2D, MaxPooling2D, Rescaling, Residual
from fastnet.serve import create_app
from fastnet.serve.predictor import Predictor

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1))


def network(*layers: fn.layers.Layer, shape: tuple[int, ...] = (8, 8, 1)) -> fn.Sequential:
    return fn.Sequential([fn.Input(shape), *layers, Dense(3, "softmax")], seed=0)


@pytest.fixture
def model() -> fn.Sequential:
    convolutions = [Conv2D(4, 3, activation="relu"), MaxPooling2D(2), Conv2D(5, 2, activation="tanh")]
    return network(Rescaling(1 / 255), *convolutions, Flatten(), fn.Dropout(0.5))


def explained(model: fn.Sequential) -> list[dict[str, Any]]:
    answer = ask(create_app(model), "POST", "/explain", json={"instance": IMAGES[0].tolist()})
    assert answer.status_code == 200
    layers: list[dict[str, Any]] = answer.json()["layers"]
    return layers


@pytest.mark.parametrize("shape", [(8, 8, 1), (64,)])
def test_an_instance_is_an_image_or_one_list(shape: tuple[int, ...], model: fn.Sequential) -> None:
    instances = [image.reshape(shape).tolist() for image in IMAGES]
    answer = ask(create_app(model), "POST", "/predict", json={"instances": instances}).json()
    probabilities = [one["probabilities"] for one in answer["predictions"]]
    np.testing.assert_allclose(probabilities, model.predict(IMAGES), rtol=1e-6)


def test_a_convolution_is_explained_by_its_maps_after_pooling(model: fn.Sequential) -> None:
    layers = explained(model)
    inside = model.activations(IMAGES[:1])
    facts = [(layer["name"], layer["activation"], layer["shape"]) for layer in layers]
    assert facts == [("conv2d", "relu", [3, 3, 4]), ("conv2d_1", "tanh", [2, 2, 5]), ("dense", "softmax", [3])]
    for layer, name in zip(layers, ["max_pooling2d", "conv2d_1", "dense"], strict=True):
        np.testing.assert_allclose(layer["output"], inside[name][0].ravel(), rtol=1e-5)


def test_maps_that_are_averaged_are_units() -> None:
    layers = explained(network(Conv2D(6, 3), GlobalAveragePooling2D()))
    assert layers[0]["shape"] == [6]


def test_a_residual_block_of_convolutions_has_maps() -> None:
    block = Residual([Conv2D(4, 3, padding="same")])
    assert [layer["shape"] for layer in explained(network(Conv2D(4, 3), block, Flatten()))] == [[6, 6, 4]] * 2 + [[3]]


def test_the_filters_of_the_first_convolution_come_as_pictures(model: fn.Sequential) -> None:
    weights = ask(create_app(model), "GET", "/weights").json()
    assert (weights["shape"], weights["units"]) == ([3, 3], 4)
    pictures = np.frombuffer(base64.b64decode(weights["data"]), np.int8).reshape(4, 3, 3)
    kernel = model.layers[1].kernel[:, :, 0]
    np.testing.assert_allclose(pictures.transpose(1, 2, 0) * weights["scale"], kernel, atol=weights["scale"] / 2)


def test_filters_of_several_channels_are_no_pictures() -> None:
    answer = ask(create_app(network(Conv2D(4, 3), Flatten(), shape=(8, 8, 3))), "GET", "/weights")
    assert answer.status_code == 404
    assert answer.json()["error"] == "the filters of conv2d have 3 channels: they are not images"


def test_the_model_is_described_with_its_filters(model: fn.Sequential) -> None:
    described = ask(create_app(model), "GET", "/model").json()
    assert described["input_shape"] == [8, 8, 1]
    units = {layer["name"]: layer["units"] for layer in described["layers"] if layer["units"] is not None}
    assert units == {"conv2d": 4, "conv2d_1": 5, "dense": 3}


def test_a_convolution_counts_with_its_operations_not_its_weights(model: fn.Sequential) -> None:
    operations = sum(layer.count_flops() for layer in model.layers)
    assert operations > 4 * model.count_params()
    assert Predictor(model).rows_within(10 * operations + 10) == 10

"""The server answers with what the model says, and tells what is wrong with a request that does not fit."""

import base64
import io

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.applications import Starlette

import fastnet as fn
from asking import ask
from fastnet.serve import create_app

NPY = {"Content-Type": "application/x-npy"}


@pytest.fixture(scope="module")
def digits() -> fn.Sequential:
    layers = [fn.layers.Rescaling(1 / 255, input_shape=(8, 8)), fn.layers.Flatten(), fn.Dense(12), fn.layers.ReLU()]
    model = fn.Sequential([*layers, fn.Dense(3, "softmax")], seed=0, name="digits")
    model.class_names = ["one", "two", "three"]
    return model


@pytest.fixture(scope="module")
def app(digits: fn.Sequential) -> Starlette:
    return create_app(digits, max_batch=20, max_body=100_000)


@pytest.fixture(scope="module")
def images() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (5, 8, 8)).astype(np.uint8)


def as_npy(array: NDArray[np.generic]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


# ---- Predictions ----------------------------------------------------------------------------------------------------


def test_instances_get_the_classes_and_probabilities_of_the_model(
    app: Starlette, digits: fn.Sequential, images: NDArray[np.uint8]
) -> None:
    answer = ask(app, "POST", "/predict", json={"instances": images.tolist()})
    expected = digits.predict(images)
    predictions = answer.json()["predictions"]
    assert answer.status_code == 200
    np.testing.assert_allclose([one["probabilities"] for one in predictions], expected, rtol=1e-6)
    for one, row in zip(predictions, expected, strict=True):
        assert (one["index"], one["class"]) == (row.argmax(), ["one", "two", "three"][row.argmax()])
        assert one["probability"] == max(one["probabilities"])


def test_one_instance_may_be_a_flat_list(app: Starlette, images: NDArray[np.uint8]) -> None:
    nested = ask(app, "POST", "/predict", json={"instance": images[0].tolist()})
    flat = ask(app, "POST", "/predict", json={"instance": images[0].ravel().tolist()})
    assert nested.json() == flat.json()


def test_an_npy_body_gets_the_same_predictions_and_an_npy_answer_on_request(
    app: Starlette, digits: fn.Sequential, images: NDArray[np.uint8]
) -> None:
    as_json = ask(app, "POST", "/predict", json={"instances": images.tolist()})
    assert ask(app, "POST", "/predict", content=as_npy(images), headers=NPY).json() == as_json.json()
    answer = ask(app, "POST", "/predict", content=as_npy(images), headers={**NPY, "Accept": "application/x-npy"})
    assert answer.headers["content-type"] == "application/x-npy"
    np.testing.assert_array_equal(np.load(io.BytesIO(answer.content)), digits.predict(images))


def test_a_layer_of_units_is_explained_by_what_its_activation_gives(
    app: Starlette, digits: fn.Sequential, images: NDArray[np.uint8]
) -> None:
    answer = ask(app, "POST", "/explain", json={"instance": images[0].tolist()}).json()
    inside = digits.activations(images[:1])
    assert [(layer["name"], layer["activation"]) for layer in answer["layers"]] == [
        ("dense", "relu"),
        ("dense_1", "softmax"),
    ]
    np.testing.assert_allclose(answer["layers"][0]["output"], inside["re_lu"][0], rtol=1e-6)
    np.testing.assert_allclose(answer["probabilities"], inside["dense_1"][0], rtol=1e-6)
    assert answer["classes"] == ["one", "two", "three"]


def test_the_weights_of_the_first_layer_come_as_pictures(app: Starlette, digits: fn.Sequential) -> None:
    weights = ask(app, "GET", "/weights").json()
    pictures = np.frombuffer(base64.b64decode(weights["data"]), np.int8).reshape(weights["units"], *weights["shape"])
    kernel = digits.layers[2].get_weights()[0]
    assert weights["shape"] == [8, 8]
    np.testing.assert_allclose(pictures.reshape(12, 64).T * weights["scale"], kernel, atol=weights["scale"] / 2)

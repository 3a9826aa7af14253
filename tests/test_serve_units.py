"""The server gives the weights of single units, the ranges of features and the score of the model."""

from typing import Any

import numpy as np
import pytest

import fastnet as fn
from asking import ask
from fastnet.inputs.ranges import FeatureRange
from fastnet.serve import create_app
from fastnet.serve.scores import score_of


def network() -> fn.Sequential:
    layers = [fn.Conv2D(3, 2, input_shape=(4, 4, 2)), fn.layers.DepthwiseConv2D(2), fn.Flatten()]
    return fn.Sequential([*layers, fn.Dense(5, use_bias=False), fn.Dense(2, "softmax")], seed=0)


@pytest.mark.parametrize(("place", "layer"), [(0, 0), (2, 3), (3, 4)])
def test_a_unit_has_its_incoming_weights(place: int, layer: int) -> None:
    model = network()
    answer = ask(create_app(model), "GET", f"/layers/{place}/units/1").json()
    kernel, *bias = model.layers[layer].get_weights()
    assert (answer["layer"], answer["unit"]) == (model.layers[layer].name, 1)
    np.testing.assert_array_equal(np.reshape(answer["weights"], answer["shape"]), kernel[..., 1])
    assert answer["bias"] == (bias[0][1] if bias else None)


@pytest.mark.parametrize(
    ("address", "error"),
    [
        ("4/units/0", "the model has 4 layers with a kernel, counted from 0; got 4"),
        ("3/units/2", "dense_1 has 2 units, counted from 0; got 2"),
        ("1/units/0", "a layer DepthwiseConv2D, have no weights of their own to show"),
        ("0/units/-1", "there is nothing at /layers/0/units/-1"),
    ],
)
def test_a_unit_that_is_not_there_is_said_to_be(address: str, error: str) -> None:
    answer = ask(create_app(network()), "GET", f"/layers/{address}")
    assert answer.status_code == 404
    assert error in answer.json()["error"]


def test_a_quantized_model_and_infinite_weights_are_refused() -> None:
    model = fn.Sequential([fn.Dense(2, input_shape=(8,))], seed=0)
    small = create_app(model.quantize(np.ones((3, 8))))
    assert "a quantized model has no weights" in ask(small, "GET", "/layers/0/units/0").json()["error"]
    model.set_weights([np.full((8, 2), np.inf), np.zeros(2)])
    assert "not finite" in ask(create_app(model), "GET", "/layers/0/units/0").json()["error"]


def test_the_description_has_ranges_the_score_and_the_largest_batch() -> None:
    model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(2,))], seed=0)
    assert ask(create_app(model), "GET", "/model").json().items() >= {"feature_ranges": None, "score": None}.items()
    model.feature_ranges = [FeatureRange(0.0, 0.5, 1.0)] * 2
    model.figures = {"test": {"loss": 0.2, "accuracy": 0.75}}
    described = ask(create_app(model, max_batch=9), "GET", "/model").json()
    assert described["feature_ranges"] == [{"minimum": 0.0, "median": 0.5, "maximum": 1.0}] * 2
    assert described["score"] == {"name": "accuracy", "value": 0.75, "samples": "test samples"}
    assert described["max_batch"] == 9
    model.feature_ranges = model.feature_ranges[:1]  # not one for each input
    assert ask(create_app(model), "GET", "/model").json()["feature_ranges"] is None


@pytest.mark.parametrize(
    ("figures", "score"),
    [
        ({}, None),
        ({"last_epoch": {"loss": 1.0}}, None),
        ({"last_epoch": {"loss": 1.0, "accuracy": 0.9}}, ("accuracy", 0.9, "training samples")),
        ({"last_epoch": {"accuracy": 0.9, "val_loss": 1.0, "val_mae": 0.3}}, ("mae", 0.3, "validation samples")),
        (
            {"last_epoch": {"val_accuracy": 0.9}, "held_out": {"accuracy": 0.8, "rows": 10, "measured_on": "x"}},
            ("accuracy", 0.8, "held-out samples"),
        ),
        (
            {"held_out": "none", "test": {"accuracy": float("nan")}, "training_data": {"accuracy": 1}},
            ("accuracy", 1.0, "training samples"),
        ),
    ],
)
def test_the_best_evidence_of_the_figures_is_the_score(figures: dict[str, Any], score: Any) -> None:
    expected = None if score is None else dict(zip(("name", "value", "samples"), score, strict=True))
    assert score_of(figures) == expected

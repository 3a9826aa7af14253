"""Layers and models that are called on arrays, in prediction and as in training."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import layers
from fastnet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, Normalization

X = np.random.default_rng(0).normal(2.0, 3.0, size=(32, 6)).astype(np.float32)


# ---- Layers ---------------------------------------------------------------------------------------------------------


def test_a_layer_of_a_built_model_gives_its_part_of_the_prediction() -> None:
    model = fn.Sequential(
        [fn.Input((6, 6, 1)), Conv2D(3, 3, activation="relu"), Flatten(), BatchNormalization(), Dense(2, "softmax")],
        seed=0,
    )
    x = np.random.default_rng(1).normal(size=(5, 6, 6, 1))
    output = x
    for layer in model.layers:
        output = layer(output)
        assert output.shape == (5, *(layer.output_shape or ()))
    assert_allclose(output, model.predict(x), atol=1e-6)


def test_a_layer_without_weights_needs_no_model() -> None:
    assert_array_equal(layers.Rescaling(2.0, 1.0)(X), X * 2 + 1)
    assert_array_equal(Flatten()(np.ones((2, 3, 4))), np.ones((2, 12)))
    assert_array_equal(Dropout(0.5)(X), X)
    assert layers.MaxPooling2D()(np.ones((1, 4, 4, 2))).shape == (1, 2, 2, 2)
    assert layers.ReLU()([[-1, 2]]).dtype == np.float32


def test_an_adapted_normalization_needs_no_model_and_tells_what_it_has_learned() -> None:
    layer = Normalization()
    layer.adapt(X)
    assert_allclose(layer.mean, X.mean(axis=0), rtol=1e-5)
    assert_allclose(layer.variance, X.var(axis=0), rtol=1e-5)
    assert_allclose(layer(X), (X - X.mean(axis=0)) / X.std(axis=0), atol=1e-5)
    model = fn.Sequential([layer])
    assert_allclose(model.predict(X), layer(X))
    assert_allclose(layer.mean, X.mean(axis=0), rtol=1e-5)
    model.pop()
    assert_allclose(layer.mean, X.mean(axis=0), rtol=1e-5)
    assert_allclose(Normalization(mean=[1.0] * 6, variance=4.0)(X), (X - 1) / 2, rtol=1e-5)
    assert Normalization(mean=3.0, variance=4.0).variance == 4.0


def test_a_layer_called_as_in_training_acts_on_one_batch() -> None:
    model = fn.Sequential([fn.Input((6,)), BatchNormalization()])
    in_training = model.layers[0](X, training=True)
    assert_allclose(in_training, (X - X.mean(axis=0)) / np.sqrt(X.var(axis=0) + 1e-3), atol=1e-4)
    assert_array_equal(model.layers[0].moving_mean, np.zeros(6))
    dropped = Dropout(0.5)(np.ones((100, 20)), training=True)
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert 0.4 < (dropped == 0).mean() < 0.6
    image = np.arange(32.0).reshape(1, 4, 8, 1)
    flipped = [layers.RandomFlip("horizontal")(image, training=True) for _ in range(40)]
    assert {tuple(one[0, 0, :, 0]) for one in flipped} == {(*range(8),), (*range(7, -1, -1),)}


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Dense(3)(X), ValueError, "layer 'dense' has no weights before its model is built"),
        (lambda: fn.Sequential([fn.Input((5,)), Dense(3)]).layers[0](X), ValueError, r"shape \(n, 5\); got \(32, 6\)"),
        (lambda: Flatten()(np.ones(3)), ValueError, r"row for every sample, .* got shape \(3,\)"),
        (lambda: Flatten()("x"), TypeError, "x must be an array of real numbers"),
        (lambda: Flatten()(None), ValueError, "x is missing"),
        (lambda: Flatten()(X, training="yes"), TypeError, "training must be True or False; got 'yes'"),
        (lambda: fn.Sequential([Dense(3)])(X, training="yes"), TypeError, "training must be True or False; got 'yes'"),
    ],
)
def test_a_call_that_cannot_be_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# ---- Models ---------------------------------------------------------------------------------------------------------


def test_a_model_called_as_in_training_drops_other_values_each_time_and_learns_nothing() -> None:
    model = fn.Sequential([fn.Input((6,)), BatchNormalization(), Dropout(0.5), Dense(4)], seed=0)
    before = model.get_weights()
    first, second = (model(X, training=True) for _ in range(2))
    assert first.shape == (32, 4)
    assert not (first == second).all()
    assert_array_equal(model(X, training=False), model.predict(X))
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)
    again = fn.Sequential([fn.Input((6,)), BatchNormalization(), Dropout(0.5), Dense(4)], seed=0)
    assert_array_equal(again(X, training=True), first)


def test_the_mean_of_calls_with_dropout_is_the_prediction_of_a_linear_model() -> None:
    model = fn.Sequential([fn.Input((6,)), Dropout(0.3), Dense(1)], seed=1)
    calls = [model(X, training=True) for _ in range(2000)]
    assert_allclose(np.mean(calls, axis=0), model.predict(X), atol=0.5)


def test_sparse_and_integer_samples_can_be_called_with() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    model = fn.Sequential([fn.Input((6,)), Dense(2)], seed=0)
    x = np.eye(6)
    assert_allclose(model(sparse.csr_matrix(x), training=True), model.predict(x), atol=1e-6)
    assert_allclose(model(x.astype(np.uint8), training=True), model.predict(x), atol=1e-6)


# ---- The functional API ---------------------------------------------------------------------------------------------


def test_a_call_on_an_input_says_how_the_network_is_written_here() -> None:
    inner = fn.Sequential([Dense(3)], name="inner")
    for called, kind in {Dense(3): "Dense", inner: "Sequential"}.items():
        with pytest.raises(NotImplementedError) as raised:
            called(fn.Input((7,)))
        assert f"Sequential([Input((7,)), {kind}(...), ...])" in str(raised.value)
        assert "Residual([Dense(64, 'relu'), Dense(64)]) among them stands for add([x, " in str(raised.value)
    with pytest.raises(NotImplementedError, match="'dense' is called on an InputLayer"):
        Dense(3)([fn.Input((7,)), fn.Input((7,))])


def test_the_network_in_the_message_is_one() -> None:
    from fastnet import Dense, Input, Residual, Sequential
    from fastnet.support.missing_names import FUNCTIONAL_API

    for text in (
        "Sequential([Input((784,)), Dense(64, 'relu'), Dense(10)])",
        "Residual([Dense(64, 'relu'), Dense(64)])",
    ):
        assert text in FUNCTIONAL_API
    assert Sequential([Input((64,)), Residual([Dense(64, "relu"), Dense(64)])]).output_shape == (64,)


# ---- Input ----------------------------------------------------------------------------------------------------------


def test_input_takes_a_batch_size_as_keras_does() -> None:
    for given in (
        fn.Input((3,), batch_size=8),
        fn.Input((3,), 8),
        fn.Input(batch_shape=(8, 3)),
        fn.Input(batch_shape=(None, 3)),
    ):
        model = fn.Sequential([given, Dense(2)])
        assert model.input_shape == (3,)
        assert model.predict(np.ones((5, 3))).shape == (5, 2)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, ValueError, "Input needs a shape"),
        ({"shape": (3,), "batch_shape": (None, 3)}, ValueError, "batch_shape alone"),
        ({"batch_size": 2, "batch_shape": (None, 3)}, ValueError, "batch_shape alone"),
        ({"shape": (3,), "batch_size": 0}, ValueError, "batch_size must be at least 1"),
        ({"shape": (3,), "batch_size": "x"}, TypeError, "batch_size must be an integer"),
        ({"batch_shape": (3,)}, TypeError, "batch_shape must be a tuple"),
        ({"batch_shape": 3}, TypeError, "batch_shape must be a tuple"),
    ],
)
def test_input_refuses_other_shapes(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        fn.Input(**arguments)

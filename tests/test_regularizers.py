"""Penalties on weights: their values, their gradients, and that every way of training takes them into account."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from cases import THREADS
from fastnet.layers import Dense, Residual
from fastnet.regularizers import L1, L1L2, L2

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 4)), RNG.normal(size=(10, 3))


def model_of(**options: Any) -> fn.Sequential:
    layers = [Dense(5, "tanh", kernel_regularizer=L1L2(0.02, 0.03)), Dense(3, bias_regularizer=L1(0.5))]
    model = fn.Sequential([fn.Input((4,)), *layers], seed=0, **{"dtype": "float64", **options})
    model.compile(fn.optimizers.SGD(0.1), "mse")
    model.set_weights([w + 0.25 for w in model.get_weights()])
    return model


def plain_twin(model: fn.Sequential) -> fn.Sequential:
    twin = fn.Sequential([fn.Input((4,)), Dense(5, "tanh"), Dense(3)], dtype=model.dtype)
    twin.compile(fn.optimizers.SGD(0.1), "mse")
    twin.set_weights(model.get_weights())
    return twin


def test_the_penalty_is_a_part_of_the_loss() -> None:
    model = model_of()
    kernel, _, _, bias = model.get_weights()
    penalty = 0.02 * np.abs(kernel).sum() + 0.03 * (kernel**2).sum() + 0.5 * np.abs(bias).sum()
    plain = plain_twin(model).evaluate(X, Y, verbose=0)
    assert model.evaluate(X, Y, verbose=0) == pytest.approx(plain + penalty, rel=1e-12)
    assert model.loss_and_gradients(X, Y)[0] == pytest.approx(plain + penalty, rel=1e-12)
    assert model.train_on_batch(X, Y) == pytest.approx(plain + penalty, rel=1e-12)


def test_its_gradient_is_added_to_that_of_the_weights() -> None:
    model = model_of()
    kernel, _, _, bias = model.get_weights()
    _, gradients = model.loss_and_gradients(X, Y)
    _, plain = plain_twin(model).loss_and_gradients(X, Y)
    assert_allclose(gradients[0], plain[0] + 0.02 * np.sign(kernel) + 0.06 * kernel, rtol=1e-12)
    assert_array_equal(gradients[1], plain[1])
    assert_array_equal(gradients[2], plain[2])
    assert_allclose(gradients[3], plain[3] + 0.5 * np.sign(bias), rtol=1e-12)


def test_the_slope_of_a_weight_that_is_zero_is_zero() -> None:
    model = fn.Sequential([Dense(2, use_bias=False, kernel_regularizer=L1(1.0), input_shape=(2,))])
    model.compile("sgd", "mse")
    model.set_weights([[[0.0, -0.0], [2.0, -2.0]]])
    _, (gradient,) = model.loss_and_gradients(np.zeros((1, 2)), np.zeros((1, 2)))
    assert_array_equal(gradient, [[0.0, 0.0], [1.0, -1.0]])


@pytest.mark.parametrize("rows", [1, 33, 5000], ids=["one", "few", "in-parts"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.usefixtures("teams_of_any_size")
def test_a_step_follows_that_gradient_on_any_number_of_threads(dtype: str, rows: int) -> None:
    x, y = RNG.normal(size=(rows, 4)), RNG.normal(size=(rows, 3))
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        model = model_of(dtype=dtype)
        before = model.get_weights()
        _, gradients = model.loss_and_gradients(x, y)
        model.fit(x, y, batch_size=rows, epochs=1, verbose=0)
        results.append(model.get_weights())
        for now, then, gradient in zip(results[-1], before, gradients, strict=True):
            assert_allclose(now, then - 0.1 * gradient, rtol=1e-6, atol=1e-7)
    for weights in results[1:]:
        for one, other in zip(weights, results[0], strict=True):
            assert_array_equal(one, other)


def test_wide_inputs_that_threads_share_have_it_too() -> None:
    x, y = RNG.normal(size=(64, 3000)), RNG.normal(size=(64, 3))
    model = fn.Sequential(
        [Dense(8, kernel_regularizer=L2(0.5), input_shape=(3000,)), Dense(3)], dtype="float64", seed=0
    )
    model.compile(fn.optimizers.SGD(0.01), "mse")
    before = model.get_weights()
    _, gradients = model.loss_and_gradients(x, y)
    model.fit(x, y, batch_size=64, epochs=1, verbose=0)
    for now, then, gradient in zip(model.get_weights(), before, gradients, strict=True):
        assert_allclose(now, then - 0.01 * gradient, rtol=1e-9, atol=1e-12)


def test_history_reports_the_loss_with_the_penalty() -> None:
    model = model_of()
    model.compile(fn.optimizers.SGD(0.0), "mse")
    history = model.fit(X, Y, batch_size=4, validation_data=(X, Y), verbose=0)
    assert history.history["loss"][0] == pytest.approx(history.history["val_loss"][0], rel=1e-12)


def test_layers_inside_a_block_have_it_too() -> None:
    model = fn.Sequential([fn.Input((4,)), Residual([Dense(4, kernel_regularizer="l2")])], dtype="float64", seed=0)
    model.compile("sgd", "mse")
    plain = fn.Sequential([fn.Input((4,)), Residual([Dense(4)])], dtype="float64")
    plain.compile("sgd", "mse")
    plain.set_weights(model.get_weights())
    difference = model.loss_and_gradients(X, X)[1][0] - plain.loss_and_gradients(X, X)[1][0]
    assert_allclose(difference, 0.02 * model.get_weights()[0], rtol=1e-9)


def test_files_and_configurations_keep_it(tmp_path: Path) -> None:
    model = model_of()
    model.save(tmp_path / "m.safetensors")
    again = fn.load_model(tmp_path / "m.safetensors")
    assert again.get_config() == model.get_config()
    assert again.evaluate(X, Y, verbose=0) == model.evaluate(X, Y, verbose=0)
    for regularizer in (L1(0.1), L2(0.2), L1L2(0.1, 0.2)):
        config = fn.regularizers.serialize(regularizer)
        assert repr(fn.regularizers.get(config)) == repr(regularizer)
    assert (fn.regularizers.get("l1").l1, fn.regularizers.get("l2").l2) == (0.01, 0.01)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: L1(-0.1), ValueError, "l1 must be at least 0"),
        (lambda: L2("big"), TypeError, "l2 must be a number"),
        (lambda: L2(np.nan), ValueError, "l2 must be"),
        (lambda: Dense(2, kernel_regularizer="l3"), ValueError, "regularizer must be one of"),
        (lambda: Dense(2, kernel_regularizer=0.1), TypeError, "regularizer must be"),
        (lambda: Dense(2, activity_regularizer="l2"), NotImplementedError, "activity_regularizer"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_regularizer_is_called_with_weights() -> None:
    weights = np.array([[1.0, -2.0], [0.5, 0.0]])
    assert L1(0.1)(weights) == pytest.approx(0.35)
    assert L2(0.1)(weights) == pytest.approx(0.525)
    assert fn.regularizers.l1_l2(l1=0.1, l2=0.2)(weights) == pytest.approx(0.35 + 1.05)
    assert (fn.regularizers.l1, fn.regularizers.l2, fn.regularizers.l1_l2) == (L1, L2, L1L2)


@pytest.mark.parametrize(
    "loss", ["dice", lambda y_true, y_pred: (np.mean((y_pred - y_true) ** 2), 2 * (y_pred - y_true) / y_pred.size)]
)
def test_evaluation_adds_penalties_to_losses_of_python(loss: Any) -> None:
    model = fn.Sequential(
        [Dense(5, "tanh", kernel_regularizer="l2", input_shape=(4,)), Dense(3, "sigmoid", bias_regularizer=L1(0.5))],
        seed=0,
    )
    model.compile("sgd", loss)
    y = (Y > 0).astype(float)
    model.layers[1].set_weights([model.layers[1].get_weights()[0], np.ones(3)])
    expected, _ = model.loss_and_gradients(X, y)
    assert model.evaluate(X, y, batch_size=10, verbose=0) == pytest.approx(expected, rel=1e-5)
    plain = expected - 0.01 * np.square(model.layers[0].get_weights()[0]).sum() - 1.5
    model.trainable = False
    assert model.evaluate(X, y, batch_size=10, verbose=0) == pytest.approx(plain, rel=1e-5)

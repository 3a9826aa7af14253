"""Prediction packs the kernels of wide layers once: its results are those of single rows, which read them as they lie."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.callbacks import EarlyStopping
from fastnet.optimizers import SGD

# Rows of 512, 1,000 and 1,024 values are packed here or there, depending on the caches.
WIDTHS = [512, 1000, 1024, 3100]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 40))
Y = RNG.integers(3, size=300)


def model_of(width: int, dtype: str = "float32") -> Any:
    layers = [fn.Dense(width, activation="tanh", input_shape=(40,)), fn.Dense(width, activation="relu"), fn.Dense(3)]
    return fn.Sequential(layers, seed=0, dtype=dtype)


def row_by_row(model: Any, x: np.ndarray) -> np.ndarray:
    return np.concatenate([model.predict(row[None]) for row in x])


@pytest.mark.parametrize("dtype", ["float32", "float64", "mixed_bfloat16"])
@pytest.mark.parametrize("width", WIDTHS)
def test_many_rows_give_what_single_rows_give(width: int, dtype: str, teams_of_any_size: None) -> None:
    model = model_of(width, dtype)
    expected = row_by_row(model, X[:70])
    for threads in (1, 2, 3):
        fn.set_num_threads(threads)
        for rows in (70, 2, 33, 7, 70):
            assert_array_equal(model.predict(X[:rows]), expected[:rows])
        assert_array_equal(model.predict(X[:70], batch_size=31), expected)


def set_all(model: Any) -> None:
    model.set_weights([-w for w in model.get_weights()])


def set_one_layer(model: Any) -> None:
    kernel, bias = model.layers[1].get_weights()
    model.layers[1].set_weights([kernel + 0.01, bias])


def fit(model: Any) -> None:
    model.fit(X, Y, epochs=2, verbose=0)


def train_on_batch(model: Any) -> None:
    model.train_on_batch(X, Y)


def go_back(model: Any) -> None:
    model.fit(
        X, Y, epochs=4, verbose=0, callbacks=[EarlyStopping(monitor="loss", patience=0, restore_best_weights=True)]
    )


def take_the_average(model: Any) -> None:
    model.compile(SGD(0.1, use_ema=True, ema_momentum=0.5), "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=2, verbose=0)


@pytest.mark.parametrize("change", [set_all, set_one_layer, fit, train_on_batch, go_back, take_the_average])
def test_changed_weights_are_packed_anew(change: Callable[[Any], None]) -> None:
    model = model_of(1024)
    model.compile(SGD(0.1), "sparse_categorical_crossentropy")
    for _ in range(2):
        before = model.predict(X[:100])
        change(model)
        after = model.predict(X[:100])
        assert not np.array_equal(before, after)
        assert_array_equal(after[:5], row_by_row(model, X[:5]))
        assert_array_equal(after[95:], row_by_row(model, X[95:100]))


def test_evaluation_sees_changed_weights() -> None:
    model = model_of(1024)
    model.compile(SGD(0.1), "sparse_categorical_crossentropy")
    before = model.evaluate(X, Y, verbose=0)
    train_on_batch(model)
    assert model.evaluate(X, Y, verbose=0) != before
    other = model_of(1024)
    other.compile(SGD(0.1), "sparse_categorical_crossentropy")
    other.set_weights(model.get_weights())
    assert model.evaluate(X, Y, verbose=0) == other.evaluate(X, Y, verbose=0)


def test_weights_that_an_estimator_hands_out_may_change_at_any_time() -> None:
    estimators = pytest.importorskip("fastnet.sklearn")
    estimator = estimators.MLPRegressor(hidden_layer_sizes=(1024, 1024), random_state=0)
    estimator.partial_fit(X, X[:, 0])
    before = estimator.predict(X)
    estimator.coefs_[1] *= 2
    after = estimator.predict(X)
    assert not np.array_equal(before, after)
    assert_array_equal(after[:3], np.concatenate([estimator.predict(row[None]) for row in X[:3]]))

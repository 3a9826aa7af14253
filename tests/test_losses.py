"""Losses by name, as objects and as configurations; their numbers are tested with the functions."""

from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet import functional, losses

CLASSES = [
    losses.MeanSquaredError,
    losses.BinaryCrossentropy,
    losses.CategoricalCrossentropy,
    losses.SparseCategoricalCrossentropy,
]


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("mse", losses.MeanSquaredError),
        ("MSE", losses.MeanSquaredError),
        ("mean_squared_error", losses.MeanSquaredError),
        ("MeanSquaredError", losses.MeanSquaredError),
        ("binary_crossentropy", losses.BinaryCrossentropy),
        ("bce", losses.BinaryCrossentropy),
        ("categorical_crossentropy", losses.CategoricalCrossentropy),
        ("sparse_categorical_crossentropy", losses.SparseCategoricalCrossentropy),
    ],
)
def test_names_are_those_of_keras(name: str, cls: type[losses.Loss]) -> None:
    assert type(losses.get(name)) is cls


@pytest.mark.parametrize("cls", CLASSES)
def test_an_identifier_names_the_loss_and_its_function(cls: type[losses.Loss]) -> None:
    assert type(losses.get(cls.identifier)) is cls
    assert callable(getattr(functional, cls.identifier))


@pytest.mark.parametrize("cls", CLASSES)
def test_a_configuration_makes_an_equal_loss(cls: Any) -> None:
    loss = losses.deserialize(losses.serialize(cls(name="mine")))
    assert type(loss) is cls
    assert loss.name == "mine"


def test_a_loss_is_a_function_of_targets_and_predictions() -> None:
    y, p = np.array([[0.0, 1.0]]), np.array([[0.25, 0.75]])
    assert losses.MeanSquaredError()(y, p) == functional.mse(y, p) == 0.0625
    assert losses.SparseCategoricalCrossentropy()([1], p) == losses.CategoricalCrossentropy()(y, p)


def test_defaults_of_keras_may_be_written_out() -> None:
    losses.CategoricalCrossentropy(False, 0.0, -1, "sum_over_batch_size", "name", None)
    losses.SparseCategoricalCrossentropy(from_logits=False, ignore_class=None)
    losses.BinaryCrossentropy(label_smoothing=0)


def fitted(loss: Any, y: Any = ((0.0, 1.0), (1.0, 0.0))) -> fn.Sequential:
    """A model that is trained for a step."""
    model = fn.Sequential([fn.Dense(2, input_shape=(3,))], seed=0, dtype="float64")
    model.compile("sgd", loss)
    model.fit(np.arange(6.0).reshape(2, 3), np.array(y), verbose=0)
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda: losses.get("CTC"),
        lambda: fitted(losses.CosineSimilarity(axis=0)),
    ],
)
def test_what_only_keras_has_is_refused(make: Any) -> None:
    with pytest.raises(NotImplementedError, match=r"^fastnet: .*use Keras for this$"):
        make()


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("mean_squared", ValueError, r"loss must be one of .*'mse'.*; got 'mean_squared'"),
        (2, TypeError, r"loss must be a name, an object of class Loss or its configuration; got 2 \(int\)"),
    ],
)
def test_what_is_no_loss_is_refused(identifier: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        losses.get(identifier)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("units", [1, 3])
@pytest.mark.parametrize("rows", [1, 7, 16, 33])
@pytest.mark.parametrize("loss", ["mse", "mae", "log_cosh", "poisson", "binary_crossentropy"])
def test_the_loss_of_a_row_counts_with_its_weight(loss: str, rows: int, units: int, dtype: str) -> None:
    rng = np.random.default_rng(rows)
    model = fn.Sequential([fn.Input((4,)), fn.Dense(units, "sigmoid")], seed=0, dtype=dtype)
    model.compile("sgd", loss)
    x, y = rng.normal(size=(rows, 4)).astype(dtype), rng.uniform(size=(rows, units)).astype(dtype)
    weight = rng.uniform(0.5, 2, rows)
    of_rows = [float(getattr(functional, loss)(y[i : i + 1], model.predict(x[i : i + 1]))) for i in range(rows)]
    expected = float(np.mean(weight * of_rows))
    assert model.evaluate(x, y, sample_weight=weight, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert model.loss_and_gradients(x, y, sample_weight=weight)[0] == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(x, y, sample_weight=weight) == pytest.approx(expected, rel=1e-5)

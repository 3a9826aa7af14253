"""Copies of models: pickle, copy and deepcopy give models of their own that predict and train on as the original does."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import fastnet as fn
from fastnet.training.copying import fresh_copy

COPIES = pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(200, 4)), RNG.normal(size=200)


def cubed(y_true: NDArray[Any], y_pred: NDArray[Any]) -> tuple[float, NDArray[Any]]:
    error = y_pred - y_true
    return float(np.mean(np.abs(error) ** 3)), 3 * error * np.abs(error) / error.size


def drawing_model(loss: Any = "mse") -> fn.Sequential:
    """A model whose training depends on everything that a copy must keep."""
    layers = [fn.Dense(8, "relu"), fn.Dropout(0.3), fn.BatchNormalization(), fn.Residual([fn.Dense(8)]), fn.Dense(1)]
    model = fn.Sequential(layers, seed=3)
    model.compile(fn.optimizers.Adam(fn.schedules.ExponentialDecay(0.01, 10, 0.9), use_ema=True), loss, ["mae"])
    return model


def training(model: fn.Sequential) -> dict[str, list[float]]:
    return model.fit(X, Y, epochs=2, verbose=0).history


@COPIES
@pytest.mark.parametrize("loss", ["mse", cubed])
def test_a_copy_predicts_and_trains_on_as_the_original(
    copied: Callable[[fn.Sequential], fn.Sequential], loss: Any
) -> None:
    model = drawing_model(loss)
    training(model)
    model.class_names, model.feature_names = ["size"], ["a", "b", "c", "d"]
    before = model.get_weights()
    other = copied(model)
    assert np.array_equal(other.predict(X), model.predict(X))
    history = training(other)
    assert [np.array_equal(*pair) for pair in zip(before, model.get_weights(), strict=True)] == [True] * len(before)
    assert training(model) == history
    assert other.receipt is not None
    assert model.receipt is not None
    assert other.receipt["weights"] == model.receipt["weights"]
    assert (other.class_names, other.feature_names, other.figures) == (["size"], ["a", "b", "c", "d"], model.figures)
    assert other.history is not None
    assert other.history.model is other


@COPIES
def test_a_copy_of_a_model_without_weights_draws_those_of_the_original(
    copied: Callable[[fn.Sequential], fn.Sequential],
) -> None:
    model = drawing_model()
    assert training(copied(model)) == training(model)


@COPIES
def test_a_copy_of_a_model_that_has_no_seed_and_drew_nothing_yet_draws_what_the_original_does(
    copied: Callable[[Any], Any],
) -> None:
    model = fn.Sequential([fn.Dense(3), fn.Dense(1)])
    other = copied(model)
    for one in (model, other):
        one.build((4,))
    for mine, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    model = fn.Sequential([fn.Dense(3), fn.Dense(1)])
    model.build((4,))
    assert (model.get_weights()[0] != other.get_weights()[0]).any()


def test_layers_that_were_taken_out_of_a_model_keep_their_weights_in_its_copy() -> None:
    model = fn.Sequential([fn.Dense(2, input_shape=(3,)), fn.Dense(1)], seed=0)
    model.pop()
    assert np.array_equal(copy.deepcopy(model).get_weights()[0], model.get_weights()[0])


def test_a_class_derived_from_sequential_keeps_its_attributes() -> None:
    class Named(fn.Sequential):
        def __init__(self, owner: str) -> None:
            super().__init__([fn.Dense(1, input_shape=(2,))])
            self.owner = owner

    other = copy.deepcopy(Named("me"))
    assert (type(other), other.owner, other.built) == (Named, "me", True)


@COPIES
def test_the_copy_of_a_layer_keeps_its_weights_apart_from_any_model(copied: Callable[[Any], Any]) -> None:
    inner = [fn.Dense(4), fn.BatchNormalization(), fn.layers.ReLU(6.0, 0.1, 1.0)]
    model = fn.Sequential([fn.Input((4,)), fn.Dense(4), fn.layers.Residual(inner)], dtype="float64")
    model.compile("sgd", "mse")
    model.fit(X, X, verbose=0)
    parts = [copied(layer) for layer in model.layers]
    assert [(part.in_model, part.name) for part in parts] == [(False, "dense"), (False, "residual")]
    assert parts[1].layers[0].in_model
    expected = model.predict(X)
    model.set_weights([np.zeros_like(array) for array in model.get_weights()])
    assert parts[0].kernel.dtype == np.float64
    assert np.array_equal(parts[1](parts[0](X)), expected)
    assert np.array_equal(fn.Sequential([fn.Input((4,)), *parts], dtype="float64").predict(X), expected)


@COPIES
def test_the_copy_of_a_layer_outside_of_a_model_has_weights_of_its_own(copied: Callable[[Any], Any]) -> None:
    layer = fn.Dense(2)
    assert copied(layer).get_weights() == []
    expected = layer(X)
    other = copied(layer)
    layer.kernel = np.zeros((4, 2))
    assert np.array_equal(other(X), expected)
    adapted = fn.layers.Normalization()
    adapted.adapt(X)
    assert np.array_equal(copied(adapted)(X), adapted(X))


def test_a_copy_draws_nothing_from_the_seed() -> None:
    layer, found = fn.Dense(2), []
    layer.build((4,))
    for copies in (0, 1):
        fn.utils.set_random_seed(3)
        for _ in range(copies):
            copy.deepcopy(layer)
        found.append(fn.Dense(2)(X))
    assert np.array_equal(*found)


def test_a_fresh_copy_has_the_architecture_the_compilation_and_other_weights() -> None:
    model = drawing_model(cubed)
    training(model)
    other = fresh_copy(model, seed=7)
    assert other.get_config() == model.get_config()
    assert other.get_compile_config() == model.get_compile_config()
    assert not np.array_equal(other.get_weights()[0], model.get_weights()[0])
    assert training(other) == training(fresh_copy(model, seed=7))


def test_objects_made_while_seeded_follow_the_seed_and_others_do_not() -> None:
    def first_weight() -> float:
        return float(fn.Sequential([fn.Dense(1, input_shape=(1,))]).get_weights()[0][0, 0])

    found = []
    for _ in range(2):
        with fn.utils.seeded(5):
            found.append((first_weight(), first_weight()))
    assert found[0] == found[1]
    assert found[0][0] != found[0][1]
    assert first_weight() not in found[0]

"""Losses divided by the weights of samples, penalties divided likewise, and the parameters as an array of the network's."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from cases import THREADS
from fastnet.layers import Dense
from fastnet.losses import CategoricalCrossentropy, MeanSquaredError

RNG = np.random.default_rng(0)


def model_of(inputs: int, loss: Any, alpha: float = 0.0, **options: Any) -> fn.Sequential:
    model = fn.Sequential([fn.Input((inputs,)), Dense(20, "tanh"), Dense(3)], seed=0, dtype="float64")
    model.compile(fn.optimizers.SGD(0.1, **options), loss)
    model._trainable_network("fit", None)
    if alpha:
        slots = [slot for slot in model._weights.slots if slot.name == "kernel"]
        network(model).set_penalties([(slot.offset, slot.size, 0.0, alpha / 2) for slot in slots], divided=True)
    return model


def network(model: fn.Sequential) -> Any:
    return model._network


def weighted_mse(reduction: str = "mean_with_sample_weight") -> MeanSquaredError:
    return MeanSquaredError(reduction=reduction)


def test_the_loss_is_divided_by_the_weights_of_the_batch() -> None:
    x, y, weight = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 3)), RNG.uniform(0, 2, 50)
    model, plain = model_of(4, weighted_mse()), model_of(4, "mse")
    loss, gradients = model.loss_and_gradients(x, y, weight)
    of_plain, gradients_of_plain = plain.loss_and_gradients(x, y, weight / weight.mean())
    assert loss == pytest.approx(of_plain, rel=1e-13)
    for gradient, expected in zip(gradients, gradients_of_plain, strict=True):
        assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)
    assert weighted_mse()(y, model.predict(x), weight) == pytest.approx(loss, rel=1e-12)


def test_without_weights_it_is_the_mean() -> None:
    x, y = RNG.normal(size=(50, 4)), RNG.normal(size=(50, 3))
    assert model_of(4, weighted_mse()).loss_and_gradients(x, y)[0] == model_of(4, "mse").loss_and_gradients(x, y)[0]


def test_a_batch_that_weighs_nothing_teaches_nothing() -> None:
    model = model_of(4, weighted_mse(), alpha=0.1)
    before = model.get_weights()
    history = model.fit(RNG.normal(size=(8, 4)), RNG.normal(size=(8, 3)), sample_weight=np.zeros(8), verbose=0)
    assert history.history["loss"] == [0.0]
    for weight, expected in zip(model.get_weights(), before, strict=True):
        assert_array_equal(weight, expected)


@pytest.mark.parametrize("options", [{}, {"clipvalue": 0.01}, {"clipnorm": 0.01}, {"weight_decay": 0.1}], ids=str)
@pytest.mark.parametrize(("rows", "inputs"), [(10, 4), (150, 1200), (5000, 7)])  # together, by stretches, in parts
def test_a_step_minimizes_the_loss_with_its_penalties(
    rows: int, inputs: int, options: dict[str, Any], teams_of_any_size: None
) -> None:
    # Of another type than the model's, so that rows are copied: threads share the inputs of such alone.
    x, weight = RNG.normal(size=(rows, inputs)).astype(np.float32), RNG.uniform(0.5, 2, rows)
    y = RNG.normal(size=(rows, 3))
    results = []
    for threads in THREADS:
        fn.set_num_threads(threads)
        model, plain = model_of(inputs, weighted_mse(), 0.5, **options), model_of(inputs, weighted_mse(), **options)
        kernels = [w for w in plain.get_weights() if w.ndim == 2]
        penalty = 0.25 * sum((kernel**2).sum() for kernel in kernels) / weight.sum()
        loss, gradients = plain.loss_and_gradients(x, y, weight)
        gradients = [
            g + 0.5 * w / weight.sum() * (w.ndim == 2) for g, w in zip(gradients, plain.get_weights(), strict=True)
        ]
        assert model.loss_and_gradients(x, y, weight)[0] == pytest.approx(loss + penalty, rel=1e-12)
        for own, expected in zip(model.loss_and_gradients(x, y, weight)[1], gradients, strict=True):
            assert_allclose(own, expected, rtol=1e-9, atol=1e-14)
        assert model.evaluate(x, y, rows, verbose=0, sample_weight=weight) == pytest.approx(loss + penalty, rel=1e-12)
        expected_weights = [w - 0.1 * g for w, g in zip(plain.get_weights(), _limited(gradients, options), strict=True)]
        if "weight_decay" in options:
            expected_weights = [e - 0.01 * w for e, w in zip(expected_weights, plain.get_weights(), strict=True)]
        history = model.fit(x, y, batch_size=rows, shuffle=False, sample_weight=weight, verbose=0)
        assert history.history["loss"][0] == pytest.approx(loss + penalty, rel=1e-12)
        for own, expected in zip(model.get_weights(), expected_weights, strict=True):
            assert_allclose(own, expected, rtol=1e-9, atol=1e-13)
        results.append([w.tobytes() for w in model.get_weights()])
    assert all(result == results[0] for result in results)


def _limited(gradients: list[Any], options: dict[str, Any]) -> list[Any]:
    if limit := options.get("clipvalue"):
        return [np.clip(g, -limit, limit) for g in gradients]
    if limit := options.get("clipnorm"):
        return [g * min(1.0, limit / np.linalg.norm(g)) for g in gradients]
    return gradients


@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_with_sample_weight"])
def test_gradients_are_those_of_central_differences(reduction: str) -> None:
    x, y, weight = RNG.normal(size=(12, 5)), RNG.integers(0, 3, 12), RNG.uniform(0, 2, 12)
    layers = [fn.Input((5,)), Dense(4, "tanh"), Dense(3, "softmax")]
    model = fn.Sequential(layers, seed=0, dtype="float64")
    model.compile("sgd", CategoricalCrossentropy(reduction=reduction))
    _, gradients = model.loss_and_gradients(x, y, weight)
    values = network(model).values
    flat = np.concatenate([g.ravel() for g in gradients])
    for i in range(0, len(values), 5):
        kept, sides = values[i], []
        for side in (kept + 1e-6, kept - 1e-6):
            values[i] = side
            sides.append(model.loss_and_gradients(x, y, weight)[0])
        values[i] = kept
        assert flat[i] == pytest.approx((sides[0] - sides[1]) / 2e-6, rel=1e-6, abs=1e-8)


def test_the_values_are_the_memory_of_the_network() -> None:
    model = model_of(4, "mse")
    values = network(model).values
    kernel = model.get_weights()[0]
    assert_array_equal(values[: kernel.size], kernel.ravel())
    values[:] = 0
    assert not any(w.any() for w in model.get_weights())
    del model
    values += 1.0  # the array keeps the network alive
    assert (values == 1.0).all()


def test_a_reduction_that_is_none_cannot_be_trained_with() -> None:
    model = fn.Sequential([Dense(1, input_shape=(2,))])
    model.compile("sgd", MeanSquaredError(reduction="none"))
    with pytest.raises(NotImplementedError, match="reduction 'none'"):
        model.fit(np.zeros((2, 2)), np.zeros(2), verbose=0)
    with pytest.raises(ValueError, match="reduction must be one of"):
        fn._core.Network64(2, [{"type": "dense", "units": 1, "use_bias": True, "activation": "linear"}]).compile(
            "mse", "", "sgd", {}, reduction="median"
        )

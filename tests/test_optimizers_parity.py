"""Twenty steps of every optimizer, and of every option, end where those of Keras and PyTorch do."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from cases import THREADS
from fastnet import optimizers
from record_optimizers import INPUTS, RATE, START, STEPS, UNITS, X, Y

RECORDED = json.loads((Path(__file__).parent / "data" / "optimizers.json").read_text(encoding="utf-8"))["optimizers"]
CLASSES = {name for name in optimizers.__all__ if name[0].isupper()} - {"Optimizer"}
IDS = [f"{entry['name']}-{'-'.join(entry['arguments'])}" for entry in RECORDED]


def linear(optimizer: optimizers.Optimizer, dtype: str = "float64") -> fn.Sequential:
    model = fn.Sequential([fn.Dense(UNITS, input_shape=(INPUTS,))], dtype=dtype)
    model.compile(optimizer, "mse")
    model.set_weights(START)
    return model


@pytest.mark.parametrize("entry", RECORDED, ids=IDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_twenty_steps_end_where_the_others_do(entry: dict[str, Any], dtype: str) -> None:
    optimizer = getattr(optimizers, entry["name"])(RATE, **entry["arguments"])
    model = linear(optimizer, dtype)
    model.fit(X, Y, batch_size=len(X), epochs=STEPS, shuffle=False, verbose=0)
    # Keras takes norms and Muon's scale in single precision, whatever the weights are.
    single = entry["name"] == "Muon" or any("clipnorm" in name for name in entry["arguments"])
    tolerance = 2e-5 if dtype == "float32" else 2e-7 if single else 1e-9
    for now, recorded in zip(model.get_weights(), entry["weights"], strict=True):
        assert_allclose(now, recorded, rtol=tolerance, atol=tolerance)


def test_every_optimizer_is_recorded() -> None:
    assert {entry["name"] for entry in RECORDED} == CLASSES


@pytest.mark.parametrize("entry", RECORDED, ids=IDS)
def test_a_configuration_makes_an_equal_optimizer(entry: dict[str, Any]) -> None:
    optimizer = getattr(optimizers, entry["name"])(RATE, **entry["arguments"])
    again = optimizers.deserialize(json.loads(json.dumps(optimizers.serialize(optimizer))))
    assert again.get_config() == optimizer.get_config()
    assert again.core_name == optimizer.core_name
    assert again.options == optimizer.options


@pytest.mark.parametrize("entry", RECORDED, ids=IDS)
@pytest.mark.parametrize("rows", [40, 5000], ids=["few", "in-parts"])
@pytest.mark.usefixtures("teams_of_any_size")
def test_steps_are_the_same_on_any_number_of_threads(entry: dict[str, Any], rows: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 30)).astype("f4"), rng.normal(size=(rows, 3)).astype("f4")
    results = []
    for threads in THREADS[:4]:
        fn.set_num_threads(threads)
        layers = [fn.Dense(40, "tanh", kernel_regularizer="l2", input_shape=(30,)), fn.Dense(20, "relu"), fn.Dense(3)]
        model = fn.Sequential(layers, seed=0)
        model.compile(getattr(optimizers, entry["name"])(0.01, **entry["arguments"]), "mse")
        model.fit(x, y, batch_size=rows, epochs=3, verbose=0)
        results.append(model.get_weights())
    for weights in results[1:]:
        for one, other in zip(weights, results[0], strict=True):
            assert_array_equal(one, other)


@pytest.mark.parametrize("entry", RECORDED, ids=IDS)
def test_training_goes_on_from_its_state_bit_for_bit(entry: dict[str, Any]) -> None:
    def model() -> fn.Sequential:
        return linear(getattr(optimizers, entry["name"])(RATE, **entry["arguments"]), "float32")

    whole, first, second = model(), model(), model()
    for _ in range(7):
        whole.train_on_batch(X, Y)
    for _ in range(4):
        first.train_on_batch(X, Y)
    second.loss_and_gradients(X, Y)  # compiles the network
    assert first._network is not None
    assert second._network is not None
    second._network.set_parameters(first._network.get_parameters())
    second._network.set_optimizer_state(*first._network.get_optimizer_state())
    for _ in range(3):
        second.train_on_batch(X, Y)
    for one, other in zip(second.get_weights(), whole.get_weights(), strict=True):
        assert_array_equal(one, other)


def test_the_learning_rate_may_change_without_a_loss_of_moments() -> None:
    changed, known = linear(optimizers.Adam(0.1)), linear(optimizers.Adam(0.1))
    schedule = fn.schedules.PiecewiseConstantDecay([2], [0.1, 0.01])
    known.compile(optimizers.Adam(schedule), "mse")
    for step in range(5):
        changed.optimizer.learning_rate = 0.1 if step <= 2 else 0.01
        changed.train_on_batch(X, Y)
        known.train_on_batch(X, Y)
    for one, other in zip(changed.get_weights(), known.get_weights(), strict=True):
        assert_array_equal(one, other)
    assert changed.optimizer.iterations == 5


@pytest.mark.parametrize(("pattern", "excluded"), [("dense", True), ("^dense$", True), ("layer", False)])
def test_muon_leaves_excluded_layers_to_adam(pattern: str, excluded: bool) -> None:
    muon, adam = linear(optimizers.Muon(RATE, exclude_layers=[pattern])), linear(optimizers.AdamW(RATE))
    for model in (muon, adam):
        model.fit(X, Y, batch_size=len(X), epochs=5, shuffle=False, verbose=0)
    kernel_and_bias = zip(muon.get_weights(), adam.get_weights(), strict=True)
    alike = [np.allclose(one, other, rtol=1e-12, atol=0.0) for one, other in kernel_and_bias]
    assert all(alike) is excluded


def test_a_schedule_counts_steps_not_batches_where_gradients_are_accumulated() -> None:
    schedule = fn.schedules.PiecewiseConstantDecay([0], [0.5, 0.0])
    model = linear(optimizers.SGD(schedule, gradient_accumulation_steps=2))
    model.fit(np.tile(X, (2, 1)), np.tile(Y, (2, 1)), batch_size=len(X), epochs=3, shuffle=False, verbose=0)
    expected = linear(optimizers.SGD(0.5))
    expected.train_on_batch(X, Y)
    for one, other in zip(model.get_weights(), expected.get_weights(), strict=True):
        assert_allclose(one, other, rtol=1e-12)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: optimizers.Adam(clipnorm=-1.0), ValueError, "clipnorm must be at least 0"),
        (lambda: optimizers.Adam(clipnorm=1.0, clipvalue=1.0), ValueError, "one of clipnorm, clipvalue"),
        (lambda: optimizers.Adam(use_ema=1), TypeError, "use_ema must be"),
        (lambda: optimizers.Adam(ema_momentum=2.0), ValueError, "ema_momentum must be"),
        (lambda: optimizers.Adam(gradient_accumulation_steps=0), ValueError, "gradient_accumulation_steps must be"),
        (lambda: optimizers.AdamW(weight_decay=-0.1), ValueError, "weight_decay must be"),
        (lambda: optimizers.Adam(loss_scale_factor=2.0), NotImplementedError, "loss_scale_factor"),
        (lambda: optimizers.Lion(beta_1=1.0), ValueError, "beta_1 must be"),
        (lambda: optimizers.Muon(ns_steps=0), ValueError, "ns_steps must be"),
        (lambda: optimizers.Muon(exclude_layers="last"), TypeError, "exclude_layers must be a list"),
        (lambda: optimizers.get("ftrl"), NotImplementedError, "'ftrl' is not available"),
    ],
)
def test_bad_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()

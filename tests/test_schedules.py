"""Learning rates by step: their values against Keras's and PyTorch's, and whether training follows them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import fastnet as fn
from fastnet import _core, optimizers, schedules
from fastnet.optimizers import SGD, Adam, RMSprop
from fastnet.schedules import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    OneCycle,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from toy import LABELS, X, assert_same, classifier

RECORDED = json.loads((Path(__file__).parent / "data" / "schedules.json").read_text(encoding="utf-8"))
HALVES = PiecewiseConstantDecay([4, 9], [0.2, 0.1, 0.05])
EVERY = [
    *[getattr(schedules, entry["name"])(**entry["arguments"]) for entry in RECORDED["schedules"]],
    HALVES,
]


class Harmonic(LearningRateSchedule):
    def __init__(self, first: float) -> None:
        self.first = first

    def __call__(self, step: Any) -> Any:
        return self.first / (step + 1)


# ---- Values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", RECORDED["schedules"], ids=lambda entry: entry["name"])
def test_values_are_those_of_keras_and_pytorch(entry: dict[str, Any]) -> None:
    schedule = getattr(schedules, entry["name"])(**entry["arguments"])
    rates = entry["rates"]
    steps = range(len(rates)) if entry["name"] == "OneCycle" else RECORDED["steps"]
    assert_allclose(schedule(np.array(steps)), rates, rtol=1e-12, atol=1e-17)


def test_all_schedules_are_recorded() -> None:
    classes = {name for name in schedules.__all__ if name[0].isupper()} - {"LearningRateSchedule"}
    assert {entry["name"] for entry in RECORDED["schedules"]} == classes


def one_cycle(step: int, top: float, total: int, share: float) -> float:
    """PyTorch's OneCycleLR as its documentation tells it."""
    first, peak, last = top / 25, share * total - 1, total - 1
    if step <= peak:
        return top + (first - top) * (1 + math.cos(math.pi * step / peak)) / 2
    low = first / 1e4
    return low + (top - low) * (1 + math.cos(math.pi * (step - peak) / (last - peak))) / 2


def warm_up_and_cosine(step: int) -> float:
    return 0.01 + 0.09 * step / 20 if step < 20 else 0.05 * (1 + math.cos(math.pi * min(step - 20, 80) / 80))


@pytest.mark.parametrize(
    ("schedule", "formula"),
    [
        (ExponentialDecay(0.1, 20, 0.5), lambda step: 0.1 * 0.5 ** (step / 20)),
        (ExponentialDecay(0.1, 20, 0.5, staircase=True), lambda step: 0.1 * 0.5 ** (step // 20)),
        (InverseTimeDecay(0.1, 20, 0.5), lambda step: 0.1 / (1 + 0.5 * step / 20)),
        (HALVES, lambda step: 0.2 if step <= 4 else 0.1 if step <= 9 else 0.05),
        (PolynomialDecay(0.1, 50, 0.02, 2.0), lambda step: 0.08 * (1 - min(step, 50) / 50) ** 2 + 0.02),
        (CosineDecay(0.01, 80, warmup_target=0.1, warmup_steps=20), warm_up_and_cosine),
        (
            CosineDecayRestarts(0.1, 16, t_mul=1.0, m_mul=0.9),
            lambda step: 0.1 * 0.9 ** (step // 16) * (1 + math.cos(math.pi * (step % 16) / 16)) / 2,
        ),
        (OneCycle(0.009, 120), lambda step: one_cycle(step, 0.009, 120, 0.3)),
    ],
)
def test_values_are_those_of_the_formulas(schedule: LearningRateSchedule, formula: Any) -> None:
    assert_allclose(schedule(np.arange(120)), [formula(step) for step in range(120)], rtol=1e-12, atol=1e-17)


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: type(schedule).__name__)
def test_an_array_of_steps_gives_an_array(schedule: LearningRateSchedule) -> None:
    steps = np.arange(24).reshape(4, 6)
    rates = schedule(steps)
    assert (rates.shape, rates.dtype) == (steps.shape, np.float64)
    assert_allclose(rates.ravel(), [schedule(step) for step in range(24)], rtol=1e-15)
    assert isinstance(schedule(3), float)


def test_every_restart_begins_at_the_top() -> None:
    for factor in (1.0, 1.5, 2.0, 3.0, 5.0, 10.0):
        schedule = CosineDecayRestarts(0.1, 10, t_mul=factor)
        beginnings = np.cumsum(10 * factor ** np.arange(6))
        assert_allclose(schedule(beginnings), 0.1, rtol=1e-9)
        assert schedule(beginnings[0] - 1) < 0.01


def test_one_cycle_stays_at_its_end() -> None:
    assert OneCycle(1.0, 10)([9, 10, 1000]).tolist() == [1 / 25 / 1e4] * 3


# ---- Configuration --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", EVERY, ids=lambda schedule: type(schedule).__name__)
@pytest.mark.parametrize("optimizer", [SGD, RMSprop, Adam])
def test_an_optimizer_keeps_its_schedule_in_its_configuration(optimizer: Any, schedule: LearningRateSchedule) -> None:
    text = json.dumps(optimizers.serialize(optimizer(schedule)))
    again = optimizers.deserialize(json.loads(text))
    assert type(again) is optimizer
    assert again.get_config() == optimizer(schedule).get_config()
    assert_array_equal(again.learning_rates(50), schedule(np.arange(50)))


def test_a_schedule_is_made_from_its_configuration() -> None:
    config = HALVES.get_config()
    assert config == {"boundaries": [4.0, 9.0], "values": [0.2, 0.1, 0.05], "name": "PiecewiseConstant"}
    again = PiecewiseConstantDecay.from_config(config)
    assert again.get_config() == config


def test_a_model_file_keeps_the_schedule(tmp_path: Path) -> None:
    model = classifier()
    model.compile(SGD(HALVES, momentum=0.5), loss="sparse_categorical_crossentropy")
    model.save(tmp_path / "model.safetensors")
    loaded = fn.load_model(tmp_path / "model.safetensors")
    assert loaded.get_compile_config() == model.get_compile_config()
    for each in (model, loaded):
        each.fit(X, LABELS, batch_size=4, epochs=2, shuffle=False, verbose=0)
    assert_same(model, loaded)


# ---- The optimizer's learning rate ----------------------------------------------------------------------------------


def test_the_learning_rate_reads_as_the_value_of_the_next_step() -> None:
    model = classifier()
    model.compile(SGD(HALVES), loss="sparse_categorical_crossentropy")
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (0, 0.2)
    model.fit(X, LABELS, batch_size=6, verbose=0)
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (5, 0.1)
    for _ in range(5):
        model.train_on_batch(X, LABELS)
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (10, 0.05)
    model.compile(model.optimizer, loss="sparse_categorical_crossentropy")
    assert (model.optimizer.iterations, model.optimizer.learning_rate) == (0, 0.2)


def test_a_schedule_gives_way_to_a_schedule_only() -> None:
    optimizer = SGD(HALVES)
    assert optimizer.scheduled
    with pytest.raises(TypeError, match=r"SGD follows PiecewiseConstantDecay, so only a schedule .* got 0.1 \(float\)"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = OneCycle(0.1, 100)
    assert optimizer.learning_rate == pytest.approx(0.1 / 25)
    constant = SGD(0.1)
    assert not constant.scheduled
    constant.learning_rate = HALVES
    assert constant.learning_rate == 0.2


def test_models_that_share_an_optimizer_follow_the_schedule_each_by_itself() -> None:
    shared, models = SGD(HALVES), [classifier(), classifier()]
    for model in models:
        model.compile(shared, loss="sparse_categorical_crossentropy")
        model.fit(X, LABELS, batch_size=6, shuffle=False, verbose=0)
    for model in models:
        model.fit(X, LABELS, batch_size=6, shuffle=False, verbose=0)
        assert shared.iterations == 10
    assert_same(*models)


# ---- Training -------------------------------------------------------------------------------------------------------


def trained(learning_rate: Any, **arguments: Any) -> tuple[fn.Sequential, fn.callbacks.History]:
    model = classifier()
    model.compile(Adam(learning_rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model, model.fit(X, LABELS, batch_size=4, epochs=3, verbose=0, **arguments)


@pytest.mark.parametrize("schedule", [HALVES, OneCycle(0.1, 24), Harmonic(0.3)])
def test_an_epoch_takes_the_learning_rate_of_each_step(schedule: LearningRateSchedule) -> None:
    """The same steps as one batch after another with a number as the learning rate."""
    model, _ = trained(schedule, shuffle=False)
    by_hand = classifier()
    by_hand.compile(Adam(0.1), loss="sparse_categorical_crossentropy")
    for step in range(24):
        batch = slice(4 * (step % 8), 4 * (step % 8) + 4)
        by_hand.optimizer.learning_rate = schedule(step)
        by_hand.train_on_batch(X[batch], LABELS[batch])
    assert_same(model, by_hand)
    constant, _ = trained(schedule(0), shuffle=False)
    assert not np.array_equal(constant.get_weights()[0], model.get_weights()[0])


def test_batch_by_batch_and_train_on_batch_follow_the_schedule_too() -> None:
    whole, _ = trained(HALVES, shuffle=False)
    seen: list[float] = []
    hook = fn.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: seen.append(batch_by_batch.optimizer.learning_rate)
    )
    batch_by_batch = classifier()
    batch_by_batch.compile(Adam(HALVES), loss="sparse_categorical_crossentropy")
    batch_by_batch.fit(X, LABELS, batch_size=4, epochs=3, verbose=0, shuffle=False, callbacks=[hook])
    assert_same(whole, batch_by_batch)
    assert_array_equal(seen, HALVES(np.arange(24)))
    one_by_one = classifier()
    one_by_one.compile(Adam(HALVES), loss="sparse_categorical_crossentropy")
    for step in range(24):
        batch = slice(4 * (step % 8), 4 * (step % 8) + 4)
        one_by_one.train_on_batch(X[batch], LABELS[batch])
    assert_same(whole, one_by_one)


def test_the_history_has_the_learning_rate_of_a_schedule_only() -> None:
    _, history = trained(HALVES, validation_split=0.2)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"]
    assert history.history["learning_rate"] == [HALVES(6), HALVES(12), HALVES(18)]
    assert "learning_rate" not in trained(0.1)[1].history


def test_an_interrupted_epoch_counts_its_steps() -> None:
    def stop(batch: int, logs: Any) -> None:
        if batch == 2:
            raise KeyboardInterrupt

    model = classifier()
    model.compile(SGD(HALVES), loss="sparse_categorical_crossentropy")
    model.fit(X, LABELS, batch_size=4, verbose=0, callbacks=[fn.callbacks.LambdaCallback(on_train_batch_end=stop)])
    assert model.optimizer.iterations == 3


# ---- Bad input ------------------------------------------------------------------------------------------------------


class Falling(LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return 0.1 - 0.05 * step


class TooMany(LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return np.ones(7)


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        (Falling(), r"at least 0; Falling returned -0.05 for step 3"),
        (Harmonic(float("nan")), r"must be finite and at least 0; Harmonic returned nan for step 0"),
        (TooMany(), r"TooMany must return an array of shape \(1,\) for steps of that shape; got an .* of shape \(7,\)"),
        (LearningRateSchedule(), r"LearningRateSchedule must define __call__\(step\)"),
    ],
)
def test_a_schedule_that_is_wrong_is_named(schedule: LearningRateSchedule, message: str) -> None:
    model = classifier()
    model.compile(SGD(schedule), loss="mse")
    with pytest.raises((ValueError, NotImplementedError), match=message):
        model.fit(X, np.eye(3)[LABELS], batch_size=4, verbose=0)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ExponentialDecay(-0.1, 10, 0.9), ValueError, "initial_learning_rate must be at least 0; got -0.1"),
        (lambda: ExponentialDecay(0.1, 0, 0.9), ValueError, "decay_steps must be at least 1; got 0"),
        (lambda: ExponentialDecay(0.1, "ten", 0.9), TypeError, r"decay_steps must be a number; got 'ten' \(str\)"),
        (lambda: PiecewiseConstantDecay([1], [0.1]), ValueError, "one entry more than boundaries; got 1 and 1"),
        (lambda: PiecewiseConstantDecay([2, 1], [1, 1, 1]), ValueError, r"increasing order; got \[2, 1\] \(list\)"),
        (lambda: CosineDecayRestarts(0.1, 10, t_mul=0.5), ValueError, "t_mul must be at least 1; got 0.5"),
        (lambda: CosineDecay(0.1, 10, warmup_steps=1.5), TypeError, "warmup_steps must be an integer; got 1.5"),
        (lambda: PolynomialDecay(0.1, 10, cycle=1), TypeError, "cycle must be True or False; got 1"),
        (lambda: OneCycle(0.1, 0), ValueError, "total_steps must be at least 1; got 0"),
        (lambda: OneCycle(0.1, 9, pct_start=2.0), ValueError, "pct_start must be at least 0 and at most 1; got 2"),
        (lambda: OneCycle(0.1, 9, anneal_strategy="sin"), ValueError, "one of 'cos', 'linear'; got 'sin'"),
        (lambda: schedules.get("cosine"), ValueError, "learning rate schedule must be one of 'CosineDecay'.*'cosine'"),
        (lambda: SGD({"class_name": "Mine"}), ValueError, "learning rate schedule must be one of .*; got 'Mine'"),
    ],
)
def test_wrong_arguments_are_refused(make: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


def test_the_core_takes_a_rate_for_each_step_or_one_for_all() -> None:
    network = _core.Network32(4, [{"type": "dense", "units": 3}])
    network.compile("mse", "", "sgd", SGD(0.1).hyperparameters)
    y = np.eye(3, dtype=np.float32)[LABELS]
    for wrong in (np.ones(7), np.ones(9), np.ones(0), np.ones((8, 1))):
        with pytest.raises(ValueError, match="learning_rate must be a number or have 8 values, one for each step"):
            network.train_epoch(X, y, None, 4, None, None, wrong)
    assert network.finished_steps == 0
    for rate in (0.1, np.full(8, 0.1), None):
        assert network.train_epoch(X, y, None, 4, None, None, rate)[0] == 8
    assert network.finished_steps == 24

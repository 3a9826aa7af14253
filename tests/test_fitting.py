"""The loop of fit: metrics, budgets of time, interruption, the best weights, losses that are no numbers."""

import time
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.callbacks import LambdaCallback
from fastnet.exceptions import NonFiniteLossWarning
from toy import LABELS, ONE_HOT, X, classifier

RNG = np.random.default_rng(0)


# --- Metrics ---------------------------------------------------------------------------------------------------------


def largest(y_true: Any, y_pred: Any) -> Any:
    return y_pred.max(axis=1)


METRICS: list[Any] = [
    *["accuracy", "mae", "AUC", largest, "sparse_top_k_categorical_accuracy"],
    *[fn.metrics.Precision(), fn.metrics.Precision(0.3), fn.metrics.F1Score("macro")],
]
NAMES = [
    *["accuracy", "mae", "AUC", "largest", "sparse_top_k_categorical_accuracy"],
    *["precision", "precision_1", "f1_score"],
]


@pytest.mark.parametrize("y", [LABELS, ONE_HOT], ids=["labels", "one-hot"])
@pytest.mark.parametrize("by_batch", [False, True])
def test_metrics_of_every_kind_are_those_of_the_outputs(by_batch: bool, y: np.ndarray) -> None:
    model = classifier()
    model.compile(fn.optimizers.SGD(0.0), "categorical_crossentropy", metrics=METRICS)
    assert model.metrics_names == ["loss", *NAMES]
    callbacks = [LambdaCallback(on_train_batch_end=lambda batch, logs: None)] if by_batch else []
    history = model.fit(X, y, batch_size=7, validation_data=(X[:20], y[:20]), verbose=0, callbacks=callbacks).history
    assert list(history) == ["loss", *NAMES, "val_loss", *(f"val_{name}" for name in NAMES)]
    for prefix, rows in (("", slice(None)), ("val_", slice(20))):
        p = model.predict(X[rows])
        for given, name in zip(METRICS[1:], NAMES[1:], strict=True):
            alone = fn.metrics.get(given)
            alone.reset_state()
            assert history[prefix + name][0] == pytest.approx(alone(y[rows], p), rel=1e-5), name
    results = model.evaluate(X, y, verbose=0, return_dict=True)
    assert {name: results[name] for name in NAMES} == pytest.approx(
        {name: history[name][0] for name in NAMES}, rel=1e-5
    )


def test_metrics_count_samples_and_weighted_metrics_their_weights() -> None:
    model = classifier()
    metrics = ["accuracy", fn.metrics.MeanAbsoluteError()]
    model.compile("sgd", "categorical_crossentropy", metrics=metrics, weighted_metrics=["accuracy", "mae"])
    weight = RNG.uniform(0.1, 3.0, 30)
    results = model.evaluate(X, ONE_HOT, sample_weight=weight, verbose=0, return_dict=True)
    p = model.predict(X)
    right, error = p.argmax(1) == LABELS, np.abs(p - ONE_HOT).mean(axis=1)
    expected = {
        "accuracy": right.mean(),
        "mean_absolute_error": error.mean(),
        "accuracy_1": np.average(right, weights=weight),
        "mae": np.average(error, weights=weight),
    }
    assert {name: results[name] for name in expected} == pytest.approx(expected, rel=1e-6)


def test_a_compile_configuration_keeps_metrics() -> None:
    model = classifier()
    model.compile(
        "sgd", "categorical_crossentropy", metrics=["accuracy", fn.metrics.AUC(curve="PR")], weighted_metrics=["mae"]
    )
    again = classifier()
    config = model.get_compile_config()
    assert config is not None
    again.compile_from_config(config)
    assert again.metrics_names == model.metrics_names == ["loss", "accuracy", "auc", "mae"]


# --- Time ------------------------------------------------------------------------------------------------------------


def large() -> tuple[fn.Sequential, np.ndarray, np.ndarray]:
    """Return a model and data whose epochs take about a tenth of a second."""
    x, y = RNG.normal(size=(4000, 100)).astype("f4"), RNG.normal(size=(4000, 1)).astype("f4")
    model = fn.Sequential([fn.Dense(200, "tanh", input_shape=(100,)), fn.Dense(200, "tanh"), fn.Dense(1)], seed=0)
    model.compile(fn.optimizers.SGD(0.01), "mse")
    return model, x, y


@pytest.mark.parametrize("by_batch", [False, True])
def test_training_ends_when_its_time_is_over(by_batch: bool) -> None:
    model, x, y = large()
    callbacks = [LambdaCallback(on_train_batch_end=lambda batch, logs: None)] if by_batch else []
    started = time.perf_counter()
    history = model.fit(x, y, epochs=100_000, verbose=0, max_time=0.5, callbacks=callbacks)
    assert 0.5 <= time.perf_counter() - started < 3.0  # a busy machine may be late
    assert history.out_of_time
    assert 0 < len(history.epoch) < 100_000
    assert not model.fit(x[:100], y[:100], epochs=1, verbose=0, max_time=100.0).out_of_time


def test_no_time_at_all_is_enough_for_a_look() -> None:
    model, x, y = large()
    before = model.get_weights()
    history = model.fit(x, y, epochs=3, verbose=0, max_time=0.0)
    assert history.epoch == [0]
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert (model.get_weights()[0] != before[0]).any()  # one segment of an epoch ran


def test_the_time_of_all_epochs_is_told_beforehand() -> None:
    model, x, y = large()
    x, y = np.tile(x, (60, 1)), np.tile(y, (60, 1))
    told: list[float] = []
    at: list[int] = []

    class Listener(fn.callbacks.Callback):
        def on_train_estimate(self, seconds: float) -> None:
            told.append(seconds)
            at.append(len(self.model.history.epoch))

    started = time.perf_counter()
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[Listener()])
    seconds = time.perf_counter() - started
    assert told == [history.estimated_seconds]
    assert at == [0]  # before the first epoch's end
    assert 0.2 < told[0] / seconds < 5.0  # near on a quiet machine; the benchmark says how near


# --- The best weights ------------------------------------------------------------------------------------------------


class Losses(fn.callbacks.Callback):
    """Gives the model weights that are as good as wanted at every epoch's end, and ends training in an epoch."""

    def __init__(self, end: int) -> None:
        super().__init__()
        self.end = end

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.end:
            raise KeyboardInterrupt
        value = abs(epoch - 2.0)
        self.model.set_weights([np.full((1, 1), value)])


@pytest.mark.parametrize("validation", [True, False])
@pytest.mark.parametrize(("end", "best"), [(6, 0.0), (2, 1.0), (0, 7.0)])
def test_an_interruption_keeps_the_best_weights(end: int, best: float, validation: bool) -> None:
    model = fn.Sequential([fn.Dense(1, use_bias=False, input_shape=(1,))], dtype="float64")
    model.compile(fn.optimizers.SGD(0.0), "mse")
    model.set_weights([np.full((1, 1), 7.0)])
    x, y = np.ones((4, 1)), np.zeros(4)
    history = model.fit(
        x, y, epochs=10, verbose=0, validation_data=(x, y) if validation else None, callbacks=[Losses(end)]
    )
    assert history.interrupted
    assert len(history.epoch) == end
    assert_array_equal(model.get_weights()[0], [[best]])


def test_an_early_end_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    model, x, y = large()
    model.fit(x, y, epochs=10_000, verbose=2, max_time=0.2)
    assert "Training ended early (out of time); the model has its best weights so far" in capsys.readouterr().out


def test_training_that_is_not_interrupted_keeps_its_last_weights() -> None:
    model = fn.Sequential([fn.Dense(1, use_bias=False, input_shape=(1,))], dtype="float64")
    model.compile(fn.optimizers.SGD(0.0), "mse")
    history = model.fit(np.ones((4, 1)), np.zeros(4), epochs=5, verbose=0, callbacks=[Losses(100)])
    assert not history.interrupted
    assert_array_equal(model.get_weights()[0], [[2.0]])


# --- What is not a number --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_batch", [False, True])
def test_a_loss_that_is_no_number_is_reported_once_with_its_place(by_batch: bool) -> None:
    x, y = np.ones((40, 1)), np.zeros(40)
    x[29] = 1e30
    model = fn.Sequential([fn.Dense(1, input_shape=(1,))], seed=0)
    model.compile(fn.optimizers.SGD(1.0), "mse")
    callbacks = [LambdaCallback(on_train_batch_end=lambda batch, logs: None)] if by_batch else []
    with pytest.warns(NonFiniteLossWarning, match="not finite from epoch 1, batch 8") as caught:
        model.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0, callbacks=callbacks)
    assert len(caught) == 1


# --- History ---------------------------------------------------------------------------------------------------------


def test_a_history_draws_its_figures() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    history = classifier().fit(X, LABELS, epochs=3, validation_split=0.2, verbose=0)
    loss, accuracy = history.plot()
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert_array_equal(loss.lines[1].get_ydata(), history.history["val_loss"])
    assert_array_equal(accuracy.lines[0].get_xdata(), [1, 2, 3])
    seldom = classifier().fit(X, LABELS, epochs=4, validation_split=0.2, validation_freq=2, verbose=0)
    assert_array_equal(seldom.plot()[0].lines[1].get_xdata(), [2, 4])
    with pytest.raises(ValueError, match="2 axes are needed, one for each of loss, accuracy; got 1"):
        history.plot(ax=loss)
    with pytest.raises(ValueError, match="no epochs"):
        fn.callbacks.History().plot()
    assert repr(history).startswith("<History of 3 epochs: loss: ")
    matplotlib.pyplot.close("all")


# --- A learning rate to start from -----------------------------------------------------------------------------------


def test_a_suggested_learning_rate_trains_well_and_nothing_else_changes() -> None:
    x, y = fn.datasets.digits.load_data()
    layers = [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(64, "relu"), fn.Dense(10, "softmax")]
    model = fn.Sequential(layers, seed=0)
    model.compile(fn.optimizers.SGD(0.1, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, verbose=0)
    before, history, steps = model.get_weights(), model.history, model.optimizer.iterations
    sweep = fn.find_learning_rate(model, x, y)
    for now, then in zip(model.get_weights(), before, strict=True):
        assert_array_equal(now, then)
    assert (model.history, model.optimizer.iterations, model.optimizer.learning_rate) == (history, steps, 0.1)
    assert len(sweep.learning_rates) == len(sweep.losses) <= 100
    fresh = fn.Sequential.from_config(model.get_config())
    fresh.compile(
        fn.optimizers.SGD(sweep.suggestion, momentum=0.9), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    assert fresh.fit(x, y, epochs=10, verbose=0).history["accuracy"][-1] > 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowest": 1.0, "highest": 0.1}, "lowest must be below highest"),
        ({"steps": 3}, "steps must be at least 10"),
        ({"lowest": 0.0}, "lowest must be at least"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fn.find_learning_rate(classifier(), X, LABELS, **options)
    scheduled = classifier()
    scheduled.compile(fn.optimizers.SGD(fn.schedules.ExponentialDecay(0.1, 10, 0.5)), "categorical_crossentropy")
    with pytest.raises(ValueError, match="follows a schedule"):
        fn.find_learning_rate(scheduled, X, LABELS)

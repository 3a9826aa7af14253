"""Callbacks that react to how training goes: when they stop, what they change, what they write."""

import json
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.callbacks import (
    Callback,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
)
from made_metrics import kinds, made
from toy import LABELS, X, assert_same, classifier


class Script(Callback):
    """Puts figures into the logs, and other weights into the model, before the callback under test sees them."""

    def __init__(self, **figures: list[float]) -> None:
        super().__init__()
        self.figures = figures

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        for name, values in self.figures.items():
            if epoch < len(values):
                logs[name] = values[epoch]
        self.model.set_weights([np.full_like(w, epoch) for w in self.model.get_weights()])


def run(callback: Callback, epochs: int = 10, **figures: list[float]) -> tuple[fn.Sequential, fn.callbacks.History]:
    model = classifier()
    return model, model.fit(X, LABELS, epochs=epochs, verbose=0, callbacks=[Script(**figures), callback])


# --- EarlyStopping ---------------------------------------------------------------------------------------------------

LOSSES = [5.0, 4.0, 4.5, 4.2, 3.9, 4.1, 4.1, 4.1, 4.1, 4.1]


@pytest.mark.parametrize(
    ("arguments", "epochs"),
    [
        ({"patience": 0}, 3),
        ({"patience": 2}, 4),
        ({"patience": 3}, 8),
        ({"patience": 3, "min_delta": 0.2}, 5),
        ({"patience": 2, "baseline": 4.0}, 3),
        ({"patience": 1, "start_from_epoch": 3}, 6),
        ({"patience": 9}, 10),
    ],
)
def test_training_stops_when_keras_would_stop_it(arguments: dict[str, Any], epochs: int) -> None:
    _, history = run(EarlyStopping("val_loss", **arguments), val_loss=LOSSES)
    assert len(history.epoch) == epochs


class OneEpochAWeight:
    """A model as far as EarlyStopping needs one: its weight is the number of the epoch."""

    def __init__(self) -> None:
        self.stop_training = False
        self.weight = -1

    def get_weights(self) -> int:
        return self.weight

    def set_weights(self, weight: int) -> None:
        self.weight = weight


def outcome(arguments: dict[str, Any], values: list[float]) -> list[Any]:
    """Return how many epochs run, which of them ends training, the best figure, its epoch, and that of the weights."""
    stop, model = EarlyStopping("v", **arguments), OneEpochAWeight()
    stop.set_model(model)  # type: ignore[arg-type]
    stop.on_train_begin()
    for epoch, value in enumerate(values):
        model.weight = epoch
        stop.on_epoch_end(epoch, {"v": value})
        if model.stop_training:
            break
    stop.on_train_end()
    return [epoch + 1, stop.stopped_epoch, stop.best, stop.best_epoch, model.weight]


def outcome_by_the_rule(arguments: dict[str, Any], values: list[float]) -> list[Any]:
    """Return the same from the rule in words: too many epochs in a row that are not the best so far and above the baseline."""
    sign = 1.0 if arguments["mode"] == "max" else -1.0
    start, baseline, delta = arguments["start_from_epoch"], arguments["baseline"], sign * arguments["min_delta"]
    best, best_epoch, counted_from = None, 0, start - 1
    for epoch in range(start, len(values)):
        value = values[epoch]
        if best is None or sign * (value - delta) > sign * best:
            best, best_epoch = value, epoch
            if baseline is None or sign * (value - delta) > sign * baseline:
                counted_from = epoch
        elif epoch - counted_from >= arguments["patience"] and epoch > 0:
            break
    else:
        epoch = None
    last = len(values) - 1 if epoch is None else epoch
    kept = best_epoch if arguments["restore_best_weights"] and best is not None else last
    return [last + 1, epoch or 0, best, best_epoch, kept]


def test_training_stops_where_keras_stopped_it() -> None:
    recorded = json.loads(Path(__file__).with_name("data").joinpath("fit.json").read_text())["early_stopping"]
    assert len(recorded) > 100
    for case in recorded:
        assert outcome(case["arguments"], case["values"]) == case["outcome"], case
        assert outcome_by_the_rule(case["arguments"], case["values"]) == case["outcome"], case


@given(
    arguments=st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["min", "max"]),
            "patience": st.integers(0, 4),
            "min_delta": st.sampled_from([0.0, 1.0, 2.0]),
            "baseline": st.none() | st.integers(-4, 4),
            "start_from_epoch": st.integers(0, 3),
            "restore_best_weights": st.booleans(),
        }
    ),
    values=st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=12),
)
def test_training_stops_by_the_rule(arguments: dict[str, Any], values: list[float]) -> None:
    assert outcome(arguments, values) == outcome_by_the_rule(arguments, values)


@pytest.mark.parametrize("mode", ["auto", "max"])
def test_accuracies_are_better_when_they_are_larger(mode: str) -> None:
    stop = EarlyStopping("val_accuracy", patience=1, mode=mode)
    _, history = run(stop, val_accuracy=[0.5, 0.6, 0.7, 0.65])
    assert len(history.epoch) == 4
    assert (stop.best, stop.best_epoch, stop.stopped_epoch) == (0.7, 2, 3)


@pytest.mark.parametrize("patience", [2, 100])
def test_the_best_weights_come_back(patience: int) -> None:
    model, _ = run(EarlyStopping("val_loss", patience=patience, restore_best_weights=True), val_loss=LOSSES)
    best = 1 if patience == 2 else 4
    assert_array_equal(model.get_weights()[0], np.full((4, 5), best))


def test_a_figure_that_is_missing_is_told_with_those_that_are_there() -> None:
    with pytest.warns(UserWarning, match=r"EarlyStopping watches 'val_loss', which is not among .*'loss', 'accuracy'"):
        run(EarlyStopping(), epochs=1)


# --- What is better ---------------------------------------------------------------------------------------------------


def specificity(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return 1.0


def specificity_with_direction(y_true: np.ndarray, y_pred: np.ndarray) -> float:
    return 1.0


specificity_with_direction.direction = "up"  # type: ignore[attr-defined]


class Gain(fn.metrics.Mean):
    """A metric of one's own that says what is better, as one written for Keras does."""

    def __init__(self, name: str, direction: str) -> None:
        super().__init__(name)
        self._direction = direction

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:  # type: ignore[override]
        super().update_state(1.0)


def last_epoch(callback: Callback, metrics: list[Any], *, weighted: bool = False, **figures: list[float]) -> int:
    """Return how many epochs run of ten."""
    model = fn.Sequential([fn.Dense(1, "sigmoid", input_shape=(4,))], seed=0)
    model.compile("sgd", "binary_crossentropy", **{"weighted_metrics" if weighted else "metrics": metrics})
    history = model.fit(X, LABELS < 0, epochs=10, verbose=0, callbacks=[Script(**figures), callback])
    return len(history.epoch)


def assert_direction(name: str, direction: str, metrics: list[Any], *, weighted: bool = False) -> None:
    rising = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]
    for monitor in (name, f"val_{name}"):
        for values, better in ((rising, "up"), (rising[::-1], "down")):
            stop = EarlyStopping(monitor, patience=2)
            expected = 10 if direction == better else 3
            assert last_epoch(stop, metrics, weighted=weighted, **{monitor: values}) == expected


ERRORS = re.compile(r".*Error|.*rossentropy|.*Hinge|Hinge|KLDivergence|Poisson|False.*")


@pytest.mark.parametrize("kind", sorted(kinds()))
def test_every_metric_says_what_is_better_whatever_its_name_is(kind: str) -> None:
    name, direction = ("accurate", "down") if ERRORS.fullmatch(kind) else ("loss_of_nothing", "up")
    assert_direction(name, direction, [made(kinds()[kind], name=name)])


@pytest.mark.parametrize(
    ("metric", "name", "direction"),
    [
        ("accuracy", "accuracy", "up"),
        ("acc", "acc", "up"),
        ("sparse_categorical_accuracy", "sparse_categorical_accuracy", "up"),
        ("mae", "mae", "down"),
        (fn.losses.Poisson(), "Poisson", "down"),
        (fn.functional.mse, "mse", "down"),
        (specificity_with_direction, "specificity_with_direction", "up"),
        (Gain("error", "up"), "error", "up"),
        (Gain("accuracy_gap", "down"), "accuracy_gap", "down"),
    ],
)
def test_names_losses_functions_and_own_metrics_say_it_too(metric: Any, name: str, direction: str) -> None:
    assert_direction(name, direction, [metric])


def test_a_weighted_accuracy_says_it_too() -> None:
    assert_direction("accuracy", "up", ["accuracy"], weighted=True)


@pytest.mark.parametrize("kind", [EarlyStopping, ReduceLROnPlateau, ModelCheckpoint])
@pytest.mark.parametrize("monitor", ["specificity", "val_specificity", "mean", "auc_of_nothing"])
def test_where_no_metric_says_it_fit_raises_before_the_first_epoch(kind: Any, monitor: str, tmp_path: Path) -> None:
    if kind is ModelCheckpoint:
        callback = ModelCheckpoint(tmp_path / "best.safetensors", monitor, save_best_only=True)
    else:
        callback = kind(monitor)
    seen: list[int] = []
    note = fn.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    model = fn.Sequential([fn.Dense(1, input_shape=(4,))], seed=0)
    model.compile("sgd", "mse", metrics=[specificity, Gain("mean", "sideways")])
    message = f"{kind.__name__} could not infer the optimization direction of monitor='{monitor}': pass mode='max'"
    with pytest.raises(ValueError, match=message):
        model.fit(X, LABELS, verbose=0, callbacks=[note, callback])
    assert not seen
    callback.mode = "max"
    model.fit(X, LABELS, verbose=0, callbacks=[Script(**{monitor: [1.0]}), callback])


def test_a_checkpoint_of_every_epoch_needs_no_direction(tmp_path: Path) -> None:
    run(ModelCheckpoint(tmp_path / "{epoch}.safetensors", "specificity"), epochs=2)
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(ValueError, match="could not infer the optimization direction"):
        run(ModelCheckpoint(tmp_path / "{epoch}.safetensors", "specificity", keep=1), epochs=2)


# --- Learning rates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "rates"),
    [
        ({"patience": 2, "factor": 0.5}, [0.1] * 4 + [0.05] * 3 + [0.025] * 2 + [0.0125]),
        (
            {"patience": 1, "factor": 0.5, "cooldown": 2},
            [0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.025, 0.025, 0.0125, 0.0125],
        ),
        ({"patience": 1, "factor": 0.1, "min_lr": 0.02}, [0.1] * 3 + [0.02] * 7),
    ],
)
def test_the_learning_rate_falls_when_nothing_improves(arguments: dict[str, Any], rates: list[float]) -> None:
    _, history = run(ReduceLROnPlateau(**arguments), val_loss=LOSSES)
    assert history.history["learning_rate"] == pytest.approx(rates)


def test_a_schedule_of_epochs_sets_the_learning_rate() -> None:
    _, history = run(LearningRateScheduler(lambda epoch: 0.5 / (epoch + 1)), epochs=3)
    assert history.history["learning_rate"] == [0.5, 0.25, 0.5 / 3]
    with pytest.raises(TypeError, match="schedule must be a function"):
        LearningRateScheduler(0.1)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the result of schedule must be a number"):
        run(LearningRateScheduler(lambda epoch, rate: "fast"))


# --- Files -----------------------------------------------------------------------------------------------------------


def test_checkpoints_are_written_after_every_epoch(tmp_path: Path) -> None:
    run(ModelCheckpoint(tmp_path / "{epoch:02d}-{val_loss:.1f}.safetensors"), epochs=3, val_loss=LOSSES)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"0{i + 1}-{LOSSES[i]}.safetensors" for i in range(3)]
    weights = fn.load_model(tmp_path / "02-4.0.safetensors").get_weights()
    assert_array_equal(weights[0], np.full((4, 5), 1.0))


@pytest.mark.parametrize("threshold", [None, 3.95])
def test_the_best_model_alone_is_kept(tmp_path: Path, threshold: float | None) -> None:
    path = tmp_path / "best.safetensors"
    callback = ModelCheckpoint(path, save_best_only=True, initial_value_threshold=threshold, verbose=1)
    run(callback, epochs=4 if threshold is None else 10, val_loss=LOSSES)
    best = 1.0 if threshold is None else 4.0
    assert_array_equal(fn.load_model(path).get_weights()[0], np.full((4, 5), best))


def test_weights_alone_load_into_an_equal_model(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    model, _ = run(ModelCheckpoint(path, save_weights_only=True), epochs=2)
    other = classifier()
    other.load_weights(path)
    assert_same(model, other)
    with pytest.raises(ValueError, match="have no 'config'"):
        fn.load_model(path)
    smaller = fn.Sequential([fn.Dense(5, input_shape=(4,)), fn.Dense(2)], seed=0)
    before = smaller.get_weights()
    with pytest.raises(ValueError, match=r"tensor 'layers.1.dense_1.kernel' must have shape \(5, 2\); it has shape"):
        smaller.load_weights(path)
    assert_array_equal(smaller.get_weights()[0], before[0])
    smaller.load_weights(path, skip_mismatch=True)
    assert_array_equal(smaller.get_weights()[0], model.get_weights()[0])
    assert_array_equal(smaller.get_weights()[2], before[2])


def test_checkpoints_may_come_after_so_many_batches(tmp_path: Path) -> None:
    model = classifier()
    checkpoint = ModelCheckpoint(tmp_path / "{epoch}-{batch}.safetensors", save_freq=3)
    model.fit(X, LABELS, batch_size=8, epochs=2, verbose=0, callbacks=[checkpoint])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-3.safetensors", "2-2.safetensors"]


def test_a_path_that_asks_for_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="uses 'val_acc', which is not among 'epoch', 'loss', 'accuracy'"):
        run(ModelCheckpoint(tmp_path / "{val_acc}.safetensors"), epochs=1)


def test_tensorboard_reads_what_is_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    model = classifier()
    model.fit(X, LABELS, epochs=2, validation_split=0.2, verbose=0, callbacks=[TensorBoard(tmp_path, histogram_freq=1)])
    found: dict[str, list[float]] = {}
    for part in ("train", "validation"):
        (path,) = (tmp_path / part).iterdir()
        data, at = path.read_bytes(), 0
        while at < len(data):  # length, checksum, event, checksum
            (length,) = struct.unpack("<Q", data[at : at + 8])
            event = Event.FromString(data[at + 12 : at + 12 + length])
            at += length + 16
            for value in event.summary.value:
                found.setdefault(f"{part}/{value.tag}", []).append(value.simple_value)
    assert model.history is not None
    assert found["train/epoch_loss"] == pytest.approx(model.history.history["loss"])
    assert found["validation/epoch_loss"] == pytest.approx(model.history.history["val_loss"])
    assert len(found["train/dense/kernel"]) == 2


# --- NaN -------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::fastnet.exceptions.NonFiniteLossWarning")
def test_training_ends_when_the_loss_is_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    model = fn.Sequential([fn.Dense(1, input_shape=(4,))], seed=0)
    model.compile(fn.optimizers.SGD(1e20), "mse")
    history = model.fit(X, LABELS, epochs=50, verbose=0, callbacks=[TerminateOnNaN()])
    assert len(history.epoch) < 10
    assert "training ends" in capsys.readouterr().out
    model.compile(fn.optimizers.SGD(1e20), "mse")
    with pytest.raises(RuntimeError, match=r"the loss is (inf|nan) in epoch"):
        model.fit(X, LABELS, epochs=50, verbose=0, callbacks=[TerminateOnNaN(raise_error=True)])

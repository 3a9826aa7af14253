"""Callbacks that react to how training goes: when they stop, what they change, what they write."""

import csv
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.callbacks import (
    Callback,
    CSVLogger,
    EarlyStopping,
    LearningRateScheduler,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
)
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
        ({"patience": 2, "baseline": 4.0}, 2),
        ({"patience": 1, "start_from_epoch": 3}, 6),
        ({"patience": 9}, 10),
    ],
)
def test_training_stops_when_keras_would_stop_it(arguments: dict[str, Any], epochs: int) -> None:
    _, history = run(EarlyStopping("val_loss", **arguments), val_loss=LOSSES)
    assert len(history.epoch) == epochs


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
    with pytest.raises(TypeError, match="what schedule returns must be a number"):
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
    with pytest.raises(KeyError, match="asks for 'val_acc', which is not among 'epoch', 'loss', 'accuracy'"):
        run(ModelCheckpoint(tmp_path / "{val_acc}.safetensors"), epochs=1)


def test_a_csv_file_has_a_row_for_every_epoch(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    _, history = run(CSVLogger(path, separator=";"), epochs=2)
    run(CSVLogger(path, separator=";", append=True), epochs=1)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    assert [row["epoch"] for row in rows] == ["0", "1", "0"]
    assert [float(row["loss"]) for row in rows[:2]] == history.history["loss"]
    with pytest.raises(ValueError, match="separator must be one character"):
        CSVLogger(path, separator="::")


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

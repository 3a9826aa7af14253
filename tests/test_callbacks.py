"""Callbacks: which hooks run when, what they are told, what they can change, and what the progress bar prints."""

import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import fastnet as fn
from fastnet.callbacks import Callback, History, LambdaCallback, ProgressBar

X = np.random.default_rng(0).normal(size=(10, 3))
Y = X[:, 0] > 0


def compiled(metrics: list[str] | None = None) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(4, activation="tanh"), fn.Dense(1, activation="sigmoid")], seed=0)
    model.compile(fn.optimizers.SGD(0.1), loss="binary_crossentropy", metrics=metrics)
    return model


class Recorder(Callback):
    """Writes down the names of the hooks that it is told to have."""

    def __init__(self, *hooks: str) -> None:
        super().__init__()
        self.calls: list[tuple[Any, ...]] = []
        for hook in hooks:
            setattr(self, hook, lambda *arguments, hook=hook: self.calls.append((hook, *arguments)))

    @property
    def names(self) -> list[str]:
        return [call[0] for call in self.calls]


class Listener(Callback):
    """Writes down what it is told before a run, and whether it knows by then that the run validates."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[str, bool]] = []

    def set_params(self, params: dict[str, Any]) -> None:
        super().set_params(params)
        self.told.append(("params", self.validates))

    def set_model(self, model: Any) -> None:
        super().set_model(model)
        self.told.append(("model", self.validates))


@pytest.mark.parametrize("validates", [False, True])
def test_a_callback_is_told_of_a_run_once_in_the_order_of_keras(validates: bool) -> None:
    listener = Listener()
    model = compiled()
    given = [listener]
    model.fit(X, Y, verbose=0, callbacks=given, validation_data=(X, Y) if validates else None)
    assert listener.told == [("params", validates), ("model", validates)]
    assert given == [listener]
    assert listener.model is model


def test_hooks_run_in_the_order_of_keras() -> None:
    recorder = Recorder(*(name for name in dir(Callback) if name.startswith("on_") and name != "on_train_progress"))
    compiled().fit(X, Y, batch_size=5, epochs=2, validation_split=0.2, verbose=0, callbacks=[recorder])
    batch = ["on_train_batch_begin", "on_train_batch_end"]
    validation = ["on_test_begin", "on_test_batch_begin", "on_test_batch_end", "on_test_end"]
    epoch = ["on_epoch_begin", *batch, *batch, *validation, "on_epoch_end"]
    names = [name for name in recorder.names if name != "on_train_estimate"]
    assert names == ["on_train_begin", *epoch, *epoch, "on_train_end"]


def test_evaluate_and_predict_have_their_hooks() -> None:
    hooks = [f"on_{action}_{when}" for action in ("test", "predict") for when in ("begin", "end")]
    batches = [f"on_{action}_batch_{when}" for action in ("test", "predict") for when in ("begin", "end")]
    recorder = Recorder(*hooks, *batches)
    model = compiled(["accuracy"])
    whole = model.evaluate(X, Y, verbose=0), model.predict(X)
    by_batch = model.evaluate(X, Y, 4, verbose=0, callbacks=[recorder]), model.predict(X, 4, callbacks=recorder)
    for action in ("test", "predict"):
        batch = [f"on_{action}_batch_begin", f"on_{action}_batch_end"]
        names = [name for name in recorder.names if action in name]
        assert names == [f"on_{action}_begin", *batch * 3, f"on_{action}_end"]
    assert by_batch[0] == pytest.approx(whole[0], rel=1e-6)
    assert_array_equal(by_batch[1], whole[1])
    assert recorder.calls[-2][2]["outputs"].shape == (2, 1)


def test_a_callback_knows_the_model_and_the_run() -> None:
    callback = Callback()
    model = compiled()
    model.fit(X, Y, batch_size=4, epochs=3, verbose=0, callbacks=callback)
    assert callback.model is model
    assert callback.params == {"epochs": 3, "steps": 3, "verbose": 0}


def test_batches_one_by_one_take_the_same_steps_as_whole_epochs() -> None:
    recorder = Recorder("on_train_batch_end")
    models = [compiled(["accuracy"]) for _ in range(2)]
    histories = [
        model.fit(X, Y, batch_size=3, epochs=3, verbose=0, callbacks=callbacks)
        for model, callbacks in zip(models, ([], [recorder]), strict=True)
    ]
    for first, second in zip(*(model.get_weights() for model in models), strict=True):
        assert_array_equal(first, second)
    for name in ("loss", "accuracy"):
        assert histories[0].history[name] == pytest.approx(histories[1].history[name], rel=1e-12)
    assert [call[1] for call in recorder.calls] == [0, 1, 2, 3] * 3
    assert recorder.calls[3][2] == {name: values[0] for name, values in histories[1].history.items()}


@pytest.mark.parametrize("hook", ["on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"])
def test_a_batch_hook_of_a_subclass_runs_for_every_batch(hook: str) -> None:
    calls = []
    cls = type("Mine", (Callback,), {hook: lambda _, batch, logs=None: calls.append(batch)})
    compiled().fit(X, Y, batch_size=5, verbose=0, callbacks=[cls()])
    assert calls == [0, 1]


def test_without_batch_hooks_an_epoch_is_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    model = compiled()
    calls = []
    step = model._step
    monkeypatch.setattr(model, "_step", lambda *arguments: calls.append(1) or step(*arguments))
    model.fit(X, Y, batch_size=1, epochs=2, verbose=0, callbacks=[Recorder("on_epoch_end", "on_train_progress")])
    assert len(calls) == 2


def test_progress_of_a_long_epoch_is_reported() -> None:
    recorder = Recorder("on_train_progress")
    rows = np.broadcast_to(np.float32(1.0), (400_000, 3))
    compiled(["accuracy"]).fit(rows, rows[:, 0], batch_size=1, shuffle=False, verbose=0, callbacks=[recorder])
    assert recorder.calls
    _, step, steps, logs = recorder.calls[0]
    assert 0 < step < steps == 400_000
    assert set(logs) == {"loss", "accuracy"}


def test_stop_training_ends_fit_after_the_epoch() -> None:
    class Stop(Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.model.stop_training = epoch == 1

    model = compiled()
    assert model.fit(X, Y, epochs=9, verbose=0, callbacks=[Stop()]).epoch == [0, 1]
    assert model.fit(X, Y, epochs=2, verbose=0).epoch == [0, 1]  # the next fit starts anew


def test_stop_training_in_a_batch_ends_the_epoch() -> None:
    recorder = Recorder("on_train_batch_end")

    class Stop(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.stop_training = batch == 1

    assert compiled().fit(X, Y, batch_size=2, epochs=9, verbose=0, callbacks=[Stop(), recorder]).epoch == [0]
    assert len(recorder.calls) == 2


def test_a_learning_rate_set_in_a_batch_holds_from_the_next_batch_on() -> None:
    weights = []

    class Freeze(Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = 0.0
            weights.append(self.model.get_weights()[0])

    model = compiled()
    model.build((3,))
    start = model.get_weights()[0]
    model.fit(X, Y, batch_size=5, verbose=0, callbacks=[Freeze()])
    assert (weights[0] != start).any()
    assert_array_equal(weights[1], weights[0])


def test_what_a_callback_adds_to_the_logs_is_in_the_history() -> None:
    callback = LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(learning_rate=0.5))
    history = compiled().fit(X, Y, epochs=2, verbose=0, callbacks=[callback])
    assert history.history["learning_rate"] == [0.5, 0.5]


def test_the_end_of_training_is_told_when_training_is_interrupted() -> None:
    recorder = Recorder("on_train_end")

    def interrupt(epoch: int, logs: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    model = compiled()
    returned = model.fit(X, Y, epochs=5, verbose=0, callbacks=[LambdaCallback(on_epoch_begin=interrupt), recorder])
    assert returned is model.history
    assert returned.interrupted
    assert recorder.names == ["on_train_end"]
    assert model.history is not None
    assert model.history.epoch == [0, 1]
    assert len(model.history.history["loss"]) == 2


def test_a_history_that_is_given_is_the_one_that_is_returned() -> None:
    history = History()
    assert compiled().fit(X, Y, verbose=0, callbacks=[history]) is history
    assert history.model.history is history


# ---- Histories in files ---------------------------------------------------------------------------------------------


def test_a_loaded_model_has_its_learning_curves(tmp_path: Path) -> None:
    model = compiled(["accuracy"])
    history = model.fit(X, Y, epochs=5, validation_data=(X, Y), validation_freq=2, verbose=0)
    history.history["loss"][2] = np.nan
    model.save(tmp_path / "model.safetensors")
    loaded = fn.load_model(tmp_path / "model.safetensors").history
    assert loaded.epoch == [0, 1, 2, 3, 4]
    assert_array_equal(loaded.history.pop("loss"), history.history.pop("loss"))
    assert loaded.history == history.history
    assert loaded.curves()["val_loss"] == ([2, 4], history.history["val_loss"])


def test_of_a_long_history_a_file_keeps_evenly_spaced_epochs_and_the_last() -> None:
    history = History()
    for epoch in range(2500):
        history.on_epoch_end(epoch, {"loss": 1.0 * epoch})
    kept = History.from_dict(history.as_dict())
    assert kept.epoch == list(range(0, 2500, 3))
    assert kept.history == {"loss": [1.0 * epoch for epoch in kept.epoch]}


def test_figures_of_ones_own_do_not_keep_a_history_from_being_read() -> None:
    history = History()
    history.on_epoch_end(0, {"loss": 1.0})
    history.history.update({"long": [1.0, 2.0], "none": [], "text": ["a"]})  # type: ignore[dict-item]
    kept = History.from_dict(history.as_dict())
    assert kept.history == {"loss": [1.0], "long": [1.0], "none": [], "text": [pytest.approx(np.nan, nan_ok=True)]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epoch": None}, "epoch of a history must be a list of numbers"),
        ({"epoch": [0.5, 1]}, "epoch of a history must be whole numbers"),
        ({"history": [1]}, "must be dictionaries"),
        ({"history": {"loss": [1.0]}}, "loss of a history must have 2 values; got 1"),
        ({"history": {"loss": [True, 1]}}, "loss of a history must be a list of numbers"),
        ({"epochs_of": {"loss": ["0"]}}, "loss of a history must be a list of numbers"),
    ],
)
def test_a_damaged_history_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        History.from_dict({"epoch": [0, 1], "history": {"loss": [2.0, None]}, **change})


# ---- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LambdaCallback(on_epoch_middle=print), "unexpected keyword argument 'on_epoch_middle'"),
        (lambda: compiled().fit(X, Y, callbacks=[print]), "callbacks must be objects of fastnet.callbacks.Callback"),
        (lambda: compiled().fit(X, Y, callbacks=5), "callbacks must be objects of fastnet.callbacks.Callback"),
    ],
)
def test_what_is_no_callback_is_refused(make: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make()


# --- Progress bar ----------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_without_a_terminal_every_epoch_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    compiled(["accuracy"]).fit(X, Y, epochs=2, validation_split=0.2)
    lines = capsys.readouterr().out.splitlines()
    number = r"\d\.\d{4}"
    assert len(lines) == 2
    for epoch, line in enumerate(lines, 1):
        expected = rf"Epoch {epoch}/2 - \d+\.\d\ds - loss: {number} - accuracy: {number} - val_loss: {number} - val_acc"
        assert re.match(expected, line), line


@pytest.mark.parametrize(("verbose", "lines"), [(0, 0), (1, 2), (2, 2), ("auto", 2), (True, 2), (False, 0)])
def test_verbose_chooses_what_is_printed(verbose: Any, lines: int, capsys: pytest.CaptureFixture[str]) -> None:
    compiled().fit(X, Y, epochs=2, verbose=verbose)
    assert len(capsys.readouterr().out.splitlines()) == lines


def test_a_progress_bar_of_the_user_takes_the_place_of_the_own(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()
    compiled().fit(X, Y, epochs=2, callbacks=[ProgressBar(file)])
    assert capsys.readouterr().out == ""
    assert len(file.getvalue().splitlines()) == 2


def test_a_terminal_gets_one_bar_for_every_epoch() -> None:
    pytest.importorskip("tqdm")
    file = Terminal()
    compiled().fit(X, Y, batch_size=5, epochs=2, callbacks=[ProgressBar(file)])
    text = file.getvalue()
    assert "Epoch 1/2: 100%" in text
    assert "Epoch 2/2: 100%" in text
    assert "2/2" in text
    assert "loss: 0." in text


def test_an_interrupted_bar_is_closed() -> None:
    pytest.importorskip("tqdm")

    def interrupt(batch: int, logs: Any) -> None:
        raise KeyboardInterrupt

    file = Terminal()
    bar = ProgressBar(file)
    compiled().fit(X, Y, callbacks=[bar, LambdaCallback(on_train_batch_end=interrupt)])
    assert file.getvalue().endswith("\n")


def test_without_tqdm_a_terminal_gets_lines_and_a_wanted_bar_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    file = Terminal()
    compiled().fit(X, Y, callbacks=[ProgressBar(file)])
    assert file.getvalue().startswith("Epoch 1/1 - ")
    with pytest.raises(ImportError, match=r'pip install "fastnet-nn\[progress\]"'):
        compiled().fit(X, Y, callbacks=[ProgressBar(file, bar=True)])


def test_verbose_must_be_known() -> None:
    with pytest.raises(ValueError, match="verbose must be 'auto', 0, 1 or 2; got 3"):
        compiled().fit(X, Y, verbose=3)

"""Ctrl-C at moments when a checkpoint has just been decided on, or training has just ended."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import fastnet as fn
from command import Run as Command
from fastnet.callbacks import BackupAndRestore
from fastnet.cli import train
from fastnet.support.interrupts import handled
from fastnet.training.checkpoints import Checkpoints
from runs import Run


def striking_after(monkeypatch: pytest.MonkeyPatch, method: str, call: int) -> None:
    """Send Ctrl-C at the end of a call of a method of `Checkpoints`, when it has decided."""
    original, calls = getattr(Checkpoints, method), []

    def strike(self: Checkpoints, *arguments: Any, **keywords: Any) -> Any:
        result = original(self, *arguments, **keywords)
        calls.append(result)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return result

    monkeypatch.setattr(Checkpoints, method, strike)


@pytest.mark.parametrize(("method", "call"), [("_is_due", 1), ("_is_due", 2), ("after_last_epoch", 1)])
def test_ctrl_c_right_after_the_decision_leaves_a_checkpoint_of_that_moment(
    method: str, call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run()
    expected = run()
    with monkeypatch.context() as patch:
        striking_after(patch, method, call)
        run(BackupAndRestore(tmp_path / "backup", seconds=1e9))
    assert len(list((tmp_path / "backup").iterdir())) == 1
    backup = BackupAndRestore(tmp_path / "backup", seconds=1e9)
    assert run(backup) == expected
    assert backup.resumed_from is not None


def test_handlers_are_restored_when_a_signal_comes_while_they_are_replaced() -> None:
    def numbers() -> Iterator[int]:
        yield signal.SIGTERM
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), handled(numbers(), lambda number, frame: None):
        pass
    assert signal.getsignal(signal.SIGTERM) is before


def interrupt(*arguments: Any, **keywords: Any) -> None:
    raise KeyboardInterrupt


def test_a_command_that_ends_before_its_first_step_promises_no_checkpoint(
    run: Command, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train, "fit", interrupt)
    done = run("train", flowers, "--epochs", 5, "--checkpoint", "c", "--out", "m.safetensors")
    assert done.status == 130
    assert done.err.splitlines()[-1].endswith("in epoch 1 of 5; no checkpoint was written; no model was written")
    assert not Path("m.safetensors").exists()


def test_a_command_that_resumes_and_ends_at_once_names_the_last_checkpoint(
    run: Command, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("train", flowers, "--epochs", 5, "--checkpoint", "c")
    with monkeypatch.context() as patch:
        patch.setattr(train, "measure", interrupt)
        assert run(*arguments).status == 130
    monkeypatch.setattr(train, "fit", interrupt)
    done = run(*arguments, "--resume")
    assert done.status == 130
    assert "; the same command with --resume continues from the last checkpoint; no model" in done.err.splitlines()[-1]


def test_a_checkpoint_that_was_interrupted_at_the_end_of_training_only_has_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, y = fn.datasets.digits.load_data()

    def fit(backup: BackupAndRestore) -> fn.callbacks.History:
        model = fn.Sequential([fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(10, "softmax")], seed=0)
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model.fit(x[:200], y[:200], epochs=2, verbose=0, callbacks=[backup])

    with monkeypatch.context() as patch:
        striking_after(patch, "after_last_epoch", 1)
        assert fit(BackupAndRestore(tmp_path / "b")).interrupted
    history = fit(BackupAndRestore(tmp_path / "b"))
    assert not history.interrupted
    assert len(history.history["loss"]) == 2
    assert not (tmp_path / "b").exists()

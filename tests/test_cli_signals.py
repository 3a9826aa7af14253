"""Signals that ask a command to end: SIGTERM and SIGHUP do what Ctrl-C does, and the exit status says which it was."""

import functools
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

import fastnet as fn
from command import Run, start
from fastnet.cli import info, main
from fastnet.support.interrupts import InterruptHandler, interrupts_held

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals as POSIX has them")

STATUS = {"SIGINT": 130, "SIGTERM": 143, "SIGHUP": 129}
ENDING = [name for name in STATUS if name != "SIGINT"]


def training(folder: Path, *arguments: object, **options: Any) -> "subprocess.Popen[str]":
    """Start a training without end, and return when it is in its first epochs."""
    process = start("train", "--epochs", 10**6, *arguments, cwd=folder, **options)
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith("epoch"))
    return process


@pytest.mark.parametrize("name", ENDING)
def test_a_training_that_is_told_to_end_leaves_a_checkpoint_its_model_and_one_line(name: str, tmp_path: Path) -> None:
    process = training(tmp_path, "--checkpoint", "c", "--every", "1h", "--out", "m.safetensors")
    process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (STATUS[name], "")
    assert "Traceback" not in err
    line = err.splitlines()[-1]
    assert line.startswith("fastnet: interrupted in epoch ")
    assert line.endswith(
        "; the same command with --resume continues from here; the best weights so far are in m.safetensors"
    )
    assert len(list((tmp_path / "c").iterdir())) == 1
    assert fn.load_model(tmp_path / "m.safetensors").built


def test_a_training_without_checkpoints_keeps_what_it_has_learned(tmp_path: Path) -> None:
    process = training(tmp_path, "--run-dir", "run")
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == STATUS["SIGTERM"]
    assert "the best weights so far are in" in err.splitlines()[-1]
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("config.json", "history.csv", "history.json", "model.safetensors"),
    }


def test_a_job_in_the_background_that_ignores_ctrl_c_hears_sigterm(tmp_path: Path) -> None:
    ignoring = functools.partial(signal.signal, signal.SIGINT, signal.SIG_IGN)
    process = training(tmp_path, "--checkpoint", "c", "--every", "1h", preexec_fn=ignoring)
    process.send_signal(signal.SIGINT)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == STATUS["SIGTERM"]
    assert list((tmp_path / "c").iterdir())


def test_under_nohup_a_training_goes_on(tmp_path: Path) -> None:
    ignoring = functools.partial(signal.signal, signal.SIGHUP, signal.SIG_IGN)
    process = start("train", "--epochs", 20, cwd=tmp_path, preexec_fn=ignoring)
    assert process.stderr is not None
    next(line for line in process.stderr if line.startswith("epoch"))
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert out.startswith("Held-out accuracy: ")


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_a_training_whose_terminal_is_closed_leaves_a_checkpoint_and_its_model(term: str, tmp_path: Path) -> None:
    fcntl, pty, termios = (pytest.importorskip(name) for name in ("fcntl", "pty", "termios"))
    master, slave = pty.openpty()
    arguments = ("--checkpoint", "c", "--every", "1h", "--out", "m.safetensors")
    streams = dict.fromkeys(["stdin", "stdout", "stderr"], slave)
    owning: dict[str, Any] = {
        "start_new_session": True,
        "preexec_fn": functools.partial(fcntl.ioctl, 0, termios.TIOCSCTTY, 0),
        "env": {**os.environ, "TERM": term},
    }
    process = start("train", "--epochs", 10**6, *arguments, cwd=tmp_path, **streams, **owning)
    os.close(slave)
    shown = b""
    while b"epoch" not in shown:
        shown += os.read(master, 4096)
    os.close(master)  # the system sends SIGHUP, and whatever is written is an error
    assert process.wait(timeout=60) == STATUS["SIGHUP"]
    assert list((tmp_path / "c").iterdir())
    assert fn.load_model(tmp_path / "m.safetensors").built


@pytest.mark.parametrize("name", STATUS)
def test_every_command_ends_with_the_status_of_the_signal(name: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(info, "run", lambda arguments: signal.raise_signal(getattr(signal, name)))
    done = run("info", "m")
    assert (done.status, done.out, done.err) == (STATUS[name], "", "fastnet: interrupted\n")
    assert {number: signal.getsignal(number) for number in handlers} == handlers


def test_handlers_of_a_program_that_runs_a_command_are_left_to_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        monkeypatch.setattr(info, "run", lambda arguments: signal.raise_signal(signal.SIGTERM) or 0)
        assert main(["info", "m"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    assert heard == [signal.SIGTERM]


@pytest.mark.parametrize("handler", [signal.default_int_handler, InterruptHandler()], ids=["Python's", "fastnet's"])
def test_a_signal_that_is_held_is_noted_once_and_the_next_interrupts(handler: InterruptHandler) -> None:
    noted: list[bool] = []
    before = signal.signal(signal.SIGTERM, handler)
    try:
        with interrupts_held(lambda: noted.append(True)):
            signal.raise_signal(signal.SIGTERM)
            assert noted == [True]
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is handler
    finally:
        signal.signal(signal.SIGTERM, before)
    assert noted == [True]
    assert getattr(handler, "received", signal.SIGTERM) == signal.SIGTERM


def test_a_program_whose_sigterm_raises_keyboard_interrupt_gets_its_checkpoint_too(tmp_path: Path) -> None:
    model = fn.Sequential([fn.Dense(1, input_shape=(2,))], seed=0)
    model.compile("sgd", "mse")
    backup = fn.callbacks.BackupAndRestore(tmp_path / "c", delete_checkpoint=False, seconds=3600.0)
    end = fn.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: signal.raise_signal(signal.SIGTERM) if epoch == 2 else None
    )
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        history = model.fit([[1.0, 2.0]], [1.0], epochs=100, verbose=0, callbacks=[end, backup])
    finally:
        signal.signal(signal.SIGTERM, before)
    assert history.interrupted
    assert [path.name for path in (tmp_path / "c").iterdir()] == ["checkpoint-000003-000000000.safetensors"]

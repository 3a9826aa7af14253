"""What a terminal gets, and what a pipe gets."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import fastnet as fn
from fastnet.cli._output import describe_seconds

pty = pytest.importorskip("pty", reason="needs pseudo terminals")
pytest.importorskip("tqdm")

Terminal = Callable[..., str]
COLOR = re.compile(r"\x1b\[\d+m")


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Run a command on a terminal and return all that it shows."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")

    def run(*arguments: str, **environment: str) -> str:
        master, slave = pty.openpty()
        command = [sys.executable, "-m", "fastnet", *arguments]
        with subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=tmp_path, env={**os.environ, **environment}
        ):
            os.close(slave)
            shown = b""
            try:
                while piece := os.read(master, 4096):
                    shown += piece
            except OSError:  # how Linux says that nobody writes any more
                pass
        os.close(master)
        return shown.decode().replace("\r\n", "\n")

    return run


def test_a_terminal_shows_a_bar_with_speed_and_remaining_time(terminal: Terminal) -> None:
    shown = terminal("train", "--epochs", "60")
    assert re.search(r"\repoch +\d+/60: +\d+%\|.+\| +[\d.]+k samples/s, \d\d:\d\d left, val_accuracy 0\.\d+", shown)
    assert "\x1b[1mHeld-out accuracy: " in shown


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_nothing_is_colored_where_colors_are_not_wanted(environment: dict[str, str], terminal: Terminal) -> None:
    assert not COLOR.search(terminal("train", "--epochs", "1", **environment))
    assert terminal("info", "m", **environment) == "fastnet: error: m: No such file or directory\n"


def test_an_error_is_red_on_a_terminal(terminal: Terminal) -> None:
    assert terminal("info", "m") == "fastnet: \x1b[31merror:\x1b[0m m: No such file or directory\n"


def test_a_terminal_that_cannot_go_back_gets_lines(terminal: Terminal) -> None:
    shown = terminal("train", "--epochs", "2", TERM="dumb")
    assert "\r" not in shown
    assert re.search(r"^epoch 1/2  loss .+  [\d,]+ samples/s, \d+ s left$", shown, re.MULTILINE)
    assert re.search(r"^epoch 2/2  loss .+ samples/s$", shown, re.MULTILINE)


def test_quiet_shows_the_result_only_on_a_terminal_too(terminal: Terminal) -> None:
    shown = terminal("train", "--epochs", "20", "--quiet", NO_COLOR="1")
    assert shown.startswith("Held-out accuracy: ")
    assert "\r" not in shown


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.01, "1 s"), (59.5, "1 min 0 s"), (125, "2 min 5 s"), (7260, "2 h 1 min")]
)
def test_a_time_is_told_in_two_units(seconds: float, text: str) -> None:
    assert describe_seconds(seconds) == text


def test_predictions_that_are_written_to_a_terminal_by_its_name_have_no_control_characters(
    terminal: Terminal, tmp_path: Path
) -> None:
    model = fn.Sequential([fn.Dense(2, "softmax", input_shape=(2,))], seed=0)
    model.class_names = ["\x1b[31ma", "\x1b[31mb"]
    model.save(tmp_path / "m.safetensors")
    (tmp_path / "data.csv").write_text("x,y\n1,2\n3,4\n")
    shown = terminal("predict", "m.safetensors", "data.csv", "--out", "/dev/stdout", NO_COLOR="1")
    assert shown.count("\\u001b[31m") == 2
    assert "\x1b" not in shown

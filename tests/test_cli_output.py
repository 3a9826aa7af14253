"""Where output goes and how wide it is: `--out -`, `--quiet`, and the confusion matrix on a terminal."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from command import Run, start
from fastnet.cli import _report

# ---- --out - --------------------------------------------------------------------------------------------------------


def piped(*arguments: object, cwd: Path) -> tuple[bytes, str]:
    """Return the bytes of standard output, and the text of standard error."""
    command = [sys.executable, "-m", "fastnet", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, check=True, cwd=cwd)
    return done.stdout, done.stderr.decode()


def test_a_model_may_go_to_standard_output(flowers: Path, tmp_path: Path) -> None:
    out, err = piped("train", flowers, "--epochs", 1, "--out", "-", cwd=tmp_path)
    (tmp_path / "piped.safetensors").write_bytes(out)
    assert fn.load_model(tmp_path / "piped.safetensors").class_names == ["lily", "rose", "tulip, red"]
    assert "Held-out accuracy: " in err
    assert "written to standard output" in err
    assert not (tmp_path / "-").exists()


def test_an_exported_model_may_too(model: Path, tmp_path: Path) -> None:
    out, err = piped("export", model, "--to", "c", "--out", "-", cwd=tmp_path)
    assert out.startswith(b"/*\n * A neural network in C99")
    assert err.startswith("standard output: ")


@pytest.mark.skipif(os.name != "posix", reason="sends a signal as POSIX has it")
def test_ctrl_c_leaves_the_best_weights_on_standard_output(tmp_path: Path) -> None:
    with (tmp_path / "m.safetensors").open("wb") as file:
        process = start("train", "--epochs", 10**6, "--out", "-", cwd=tmp_path, stdout=file)
        assert process.stderr is not None
        next(line for line in process.stderr if line.startswith("epoch"))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1].endswith("; the best weights so far are in standard output")
    assert fn.load_model(tmp_path / "m.safetensors").built


@pytest.mark.parametrize("command", [["train"], ["export", "m", "--to", "c"]])
def test_json_needs_standard_output_for_itself(command: list[str], run: Run) -> None:
    done = run(*command, "--out", "-", "--json")
    assert done.status == 2
    assert "argument --json: needs --out FILE, as standard output has the " in done.err


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_terminal_gets_no_model(tmp_path: Path) -> None:
    import pty

    ours, theirs = pty.openpty()
    process = start("train", "--epochs", 1, "--out", "-", cwd=tmp_path, stdout=theirs)
    _, err = process.communicate(timeout=60)
    os.close(theirs)
    os.close(ours)
    assert process.returncode == 1
    assert "--out - writes to standard output, which is a terminal: redirect it, or name a file" in err


# ---- --quiet --------------------------------------------------------------------------------------------------------


def test_quiet_leaves_one_line(run: Run, flowers: Path) -> None:
    trained = run("train", flowers, "--quiet", "--out", "m")
    evaluated = run("evaluate", "m", flowers, "--quiet")
    for done in (trained, evaluated):
        assert done.err == ""
        assert done.out.count("\n") == 1
        assert "ccuracy: 100.00% (" in done.out


def test_quiet_shows_no_warnings(run: Run, flowers: Path, tmp_path: Path) -> None:
    head, *rows = flowers.read_text().splitlines()
    numbered = "\n".join([f",{head}", *(f"{number},{row}" for number, row in enumerate(rows))])
    (tmp_path / "index.csv").write_text(numbered + "\n")
    assert "an index that pandas wrote" in run("train", "index.csv", "--epochs", 1).err
    assert run("train", "index.csv", "--epochs", 1, "--quiet").err == ""


# ---- Width ----------------------------------------------------------------------------------------------------------

MANY = _report.Result(np.diag(np.arange(1, 31)), [f"class {code}" for code in range(30)])


def test_a_matrix_has_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    for columns, fits in ((400, True), (80, False)):
        monkeypatch.setenv("COLUMNS", str(columns))
        lines = _report.format_confusion_matrix(MANY).splitlines()
        assert (len(lines) == 32) == fits
        assert all(len(line) <= columns for line in lines[: -1 if not fits else None])
    assert lines[-1].endswith(" columns: it is in the output of --json and in reports")


def test_elsewhere_it_may_have_120_columns() -> None:
    ten = _report.Result(np.diag(np.arange(1, 11)), [f"class {code}" for code in range(10)])
    assert len(_report.format_confusion_matrix(ten).splitlines()) == 12
    assert "takes " in _report.format_confusion_matrix(MANY)

"""The command line in tests: running it, data and a model for it."""

import functools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from fastnet.cli import main


class Done(NamedTuple):
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_main(*arguments: object) -> Done:
        capsys.readouterr()
        status = main([str(argument) for argument in arguments])
        return Done(status, *capsys.readouterr())

    return run_main


def start(*arguments: object, program: Sequence[str] = ("-m", "fastnet"), **options: Any) -> subprocess.Popen[str]:
    """Start a command in a process of its own, which hears Ctrl-C even if the tests run in the background."""
    command = [sys.executable, *program, *map(str, arguments)]
    if os.name == "posix":  # a shell's background jobs and their children ignore SIGINT
        options.setdefault("preexec_fn", functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL))
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, **{**pipes, **options})


@contextmanager
def serving(*arguments: object, **options: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a server on a free port; yields the process and its address."""
    process = start("serve", *arguments, "--port", 0, "--threads", 1, **options)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, line.split()[-1]
    finally:
        process.kill()
        process.communicate()


def write_flowers(path: Path, *, rows: int = 60, header: str = "width,height,label", labels: bool = True) -> Path:
    """Write a table of three kinds of flowers that are easy to tell apart."""
    rng = np.random.default_rng(0)
    lines = [header] if header else []
    for row in range(rows):
        kind = row % 3
        values = [f"{value:.3f}" for value in rng.normal([[1, 5], [5, 1], [9, 9]][kind], 0.3)]
        lines.append(",".join([*values, *([["rose", '"tulip, red"', "lily"][kind]] if labels else [])]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    return write_flowers(tmp_path / "flowers.csv")


@pytest.fixture
def model(run: Run, flowers: Path, tmp_path: Path) -> Path:
    """A model that tells the flowers apart."""
    path = tmp_path / "flowers.safetensors"
    assert run("train", flowers, "--quiet", "--out", path).status == 0
    return path

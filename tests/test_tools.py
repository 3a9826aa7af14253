"""The scripts behind `make test-all`, `make test-arm64` and `make test-levels`."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import emulation
import interpreters
import pytest
import pythons

if os.name == "nt":
    pytest.skip("the Makefile's scripts are for Unix", allow_module_level=True)

# ---- Finding interpreters -------------------------------------------------------------------------------------------


def add(
    folder: Path,
    name: str,
    version: tuple[int, int, int],
    *,
    free_threaded: bool = False,
    wanting: tuple[str, ...] = (),
    implementation: str = "cpython",
) -> None:
    """Write a program that answers as an interpreter does."""
    folder.mkdir(parents=True, exist_ok=True)
    answer = json.dumps([implementation, version, free_threaded, str(folder / name), wanting])
    (folder / name).write_text(f"#!/bin/sh\necho '{answer}'\n", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Python: folders to add interpreters to are `bin` and `pyenv/versions/<version>/bin`."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path


def found() -> list[tuple[str, str]]:
    return [(one.name, one.release) for one in interpreters.interpreters()]


def test_interpreters_come_from_the_path_and_from_pyenv_and_the_oldest_first(machine: Path) -> None:
    add(machine / "bin", "python3.14", (3, 14, 1))
    add(machine / "pyenv" / "versions" / "3.9.1" / "bin", "python3", (3, 9, 1))
    add(machine / "pyenv" / "versions" / "3.11.7" / "bin", "python3", (3, 11, 7))
    assert found() == [("3.11", "3.11.7"), ("3.14", "3.14.1")]


def test_a_free_threaded_interpreter_is_a_version_of_its_own(machine: Path) -> None:
    add(machine / "bin", "python3.14", (3, 14, 1))
    add(machine / "bin", "python3.14t", (3, 14, 1), free_threaded=True)
    assert found() == [("3.14", "3.14.1"), ("3.14t", "3.14.1t")]


def test_the_newest_release_that_can_build_is_chosen(machine: Path) -> None:
    versions = machine / "pyenv" / "versions"
    for release, wanting in ((4, ()), (10, ()), (12, ("Python.h",))):
        add(versions / f"3.12.{release}" / "bin", "python3.12", (3, 12, release), wanting=wanting)
    assert found() == [("3.12", "3.12.10")]


def test_what_is_not_cpython_or_does_not_run_is_left_out(machine: Path) -> None:
    add(machine / "bin", "python3.11", (3, 11, 1), implementation="pypy")
    (machine / "bin" / "python3.12").write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    (machine / "bin" / "python3.12").chmod(0o755)
    (machine / "bin" / "python3.13").write_text("", encoding="utf-8")
    add(machine / "bin", "python3.14-config", (3, 14, 1))
    assert found() == []


def test_a_real_interpreter_answers() -> None:
    interpreter = interpreters.probed(Path(sys.executable))
    assert interpreter is not None
    assert interpreter.version == sys.version_info[:3]


def test_the_counts_are_those_of_the_report(tmp_path: Path) -> None:
    suite = '<testsuite tests="10" failures="1" errors="2" skipped="3"/>'
    (tmp_path / "report.xml").write_text(f"<testsuites>{suite}</testsuites>", encoding="utf-8")
    assert pythons.counts(tmp_path / "report.xml") == (4, 3, 3)


# ---- Emulators ------------------------------------------------------------------------------------------------------


def test_an_emulated_interpreter_starts_itself_again(tmp_path: Path) -> None:
    """Bash stands for QEMU: it runs a program under the name that comes after -0."""
    emulator = ["bash", "-c", 'shift; exec -a "$@"', "qemu"]
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    interpreter = Path(sys.base_prefix) / "bin" / version
    if not interpreter.exists():
        pytest.skip(f"needs {interpreter}")
    python = emulation.emulated_environment(tmp_path / "venv", emulator, interpreter, None)
    (tmp_path / "venv" / "lib" / version / "site-packages" / "only_there.py").touch()
    inner = "import only_there, sys; print(sys.executable)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    done = subprocess.run([python, "-c", outer], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(python)


def test_missing_programs_are_named_with_their_packages() -> None:
    programs: dict[str, Any] = {"qemu-nothing": "qemu-user", "qemu-nowhere": "qemu-user", "sh": "dash"}
    with pytest.raises(SystemExit) as error:
        emulation.require(programs, "make test-levels")
    expected = "make test-levels needs qemu-nothing, qemu-nowhere; on Debian and Ubuntu: apt-get install qemu-user"
    assert str(error.value) == expected

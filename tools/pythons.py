"""Run the tests on every Python that is at hand, from 3.11 up: `make test-all`.

Each version has a virtual environment in build/pythons and a build folder. The core does not depend on Python, so with
ccache its object files are compiled once for all of them. A package of the tests that has no wheel for a version is
left out there, and tests/absent.py skips what needs it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import NamedTuple

from interpreters import Interpreter, interpreters

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "pythons"
# Modules of the distributions whose name is not the module's.
MODULES = {
    "scikit-learn": "sklearn",
    "dask": "dask distributed",
    "axe-playwright-python": "axe_playwright_python",
    "prometheus-client": "prometheus_client",
}


class Row(NamedTuple):
    """A line of the table."""

    release: str
    numpy: str = ""
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    remark: str = ""


# ---- One of them ----------------------------------------------------------------------------------------------------


def cmake_folder(interpreter: Interpreter) -> Path:
    """Return the build folder, as far from the sources as that of `make build`: ccache may take paths as relative ones."""
    return ROOT / "build" / f"cmake-python{interpreter.name}"


def made(interpreter: Interpreter, *targets: str) -> bool:
    """Tell whether make reaches targets of the environment of an interpreter."""
    folder = FOLDER / interpreter.name
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS")}
    environment["PIP_ONLY_BINARY"] = ":all:"  # the newest NumPy that has a wheel for it
    if shutil.which("ccache"):
        environment.setdefault("CMAKE_CXX_COMPILER_LAUNCHER", "ccache")
    variables = [f"VENV={folder / 'venv'}", f"BUILD={cmake_folder(interpreter)}", f"PYTHON={interpreter.executable}"]
    names = [f"{folder / 'venv'}/{target}" for target in targets]
    command = ["make", "--no-print-directory", *variables, *names]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def forget_another_release(interpreter: Interpreter) -> None:
    """Remove an environment that was made of another release or of another place."""
    folder = FOLDER / interpreter.name
    stamp = folder / "interpreter"
    mark = f"{interpreter.release} {interpreter.executable}\n"
    if not stamp.is_file() or stamp.read_text() != mark:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(cmake_folder(interpreter), ignore_errors=True)
        folder.mkdir(parents=True)
        stamp.write_text(mark)


def install_tests(folder: Path, python: Path) -> list[str]:
    """Install what the tests need, as far as there are wheels; return the distributions without one."""
    stamp, pyproject = folder / "absent", ROOT / "pyproject.toml"
    if stamp.is_file() and stamp.stat().st_mtime > pyproject.stat().st_mtime:
        return stamp.read_text(encoding="utf-8").split()
    pip = [python, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    absent = []
    if subprocess.run([*pip, "--group", "test"], cwd=ROOT, stderr=subprocess.DEVNULL, check=False).returncode:
        for requirement in tomllib.loads(pyproject.read_text(encoding="utf-8"))["dependency-groups"]["test"]:
            if subprocess.run([*pip, requirement], stderr=subprocess.DEVNULL, check=False).returncode:
                absent.append(re.match(r"[\w.-]+", requirement)[0])  # type: ignore[index]
    stamp.write_text(" ".join(absent), encoding="utf-8")
    return absent


def tested(interpreter: Interpreter, arguments: list[str]) -> Row:
    """Build the package for an interpreter, install it, and run its tests."""
    if interpreter.wanting:
        return Row(interpreter.release, remark=f"left out: it has no {' and no '.join(interpreter.wanting)}")
    print(f"\n==== Python {interpreter.release}: {interpreter.executable}", flush=True)
    forget_another_release(interpreter)
    if not made(interpreter, ".installed"):
        return Row(interpreter.release, failed=1, remark="not built")
    folder = FOLDER / interpreter.name
    python = folder / "venv" / "bin" / "python"
    absent = install_tests(folder, python)
    return run_pytest(interpreter, python, absent, arguments)


def run_pytest(interpreter: Interpreter, python: Path, absent: list[str], arguments: list[str]) -> Row:
    """Run the tests in an environment that has all but the absent distributions."""
    report = FOLDER / interpreter.name / "report.xml"
    report.unlink(missing_ok=True)
    environment = {**os.environ, "FASTNET_ABSENT": " ".join(MODULES.get(name, name) for name in absent)}
    if interpreter.free_threaded:
        environment["PYTHON_GIL"] = "0"  # although a module may ask for it
    processes = ["-n", "logical", "--maxprocesses", "4", "--dist", "worksteal"]
    start = time.monotonic()
    command = [python, "-m", "pytest", *processes, f"--junitxml={report}", *arguments]
    status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    seconds = time.monotonic() - start
    numpy = subprocess.check_output([python, "-c", "import numpy; print(numpy.__version__)"], text=True).strip()
    passed, failed, skipped = counts(report) if report.exists() else (0, 0, 0)
    remark = f"without {', '.join(absent)}" if absent else ""
    if status and not failed:
        failed, remark = 1, f"pytest ended with status {status}"
    return Row(interpreter.release, numpy, passed, failed, skipped, seconds, remark)


def counts(report: Path) -> tuple[int, int, int]:
    """Return how many tests passed, failed and were skipped."""
    suite = ET.parse(report).getroot().find("testsuite")
    assert suite is not None
    tests, failures, errors, skipped = (int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped"))
    return tests - failures - errors - skipped, failures + errors, skipped


# ---- All of them ----------------------------------------------------------------------------------------------------


def print_table(rows: list[Row]) -> None:
    print(f"\n{'Python':<10} {'NumPy':<8} {'passed':>7} {'failed':>7} {'skipped':>8} {'seconds':>8}")
    for row in rows:
        figures = f"{row.passed:>7} {row.failed:>7} {row.skipped:>8} {row.seconds:>8.0f}"
        print(f"{row.release:<10} {row.numpy:<8} {figures}  {row.remark}".rstrip())


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the tests on every Python that is at hand, from 3.11 up.")
    parser.add_argument("--only", nargs="*", metavar="VERSION", help="as 3.12 or 3.13t; without it, all")
    parser.add_argument("arguments", nargs="*", help="of pytest, after --")
    options = parser.parse_args()
    found = interpreters()
    if options.only:
        missing = {*options.only} - {one.name for one in found}
        if missing:
            parser.error(f"no Python {', '.join(sorted(missing))} here; found: {', '.join(one.name for one in found)}")
        found = [one for one in found if one.name in options.only]
    print("Found:", ", ".join(f"{one.release} ({one.executable})" for one in found), flush=True)
    rows = [tested(one, options.arguments) for one in found]
    print_table(rows)
    return int(any(row.failed for row in rows) or not any(row.passed for row in rows))


if __name__ == "__main__":
    sys.exit(main())

"""The programs in examples/ run as they stand and reach what they say."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
# What each program is run with, and what every run of it must reach on the test images.
RUNS = [
    ("mnist_98.py", ["--recipe", "lecture", "--seeds", "2"], 98.0),
    ("mnist_98.py", ["--recipe", "fast", "--seeds", "2"], 97.9),
]

pytestmark = pytest.mark.slow


def test_every_example_is_run() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {name for name, _, _ in RUNS}


@pytest.mark.usefixtures("mnist_dir")
@pytest.mark.parametrize(("name", "arguments", "percent"), RUNS)
def test_example_reaches_its_accuracy(name: str, arguments: list[str], percent: float, tmp_path: Path) -> None:
    program = [sys.executable, str(EXAMPLES / name), *arguments]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    reached = [float(found) for found in re.findall(r"seed \d+: (\d+\.\d+)%", done.stdout)]
    assert len(reached) == 2
    assert min(reached) >= percent

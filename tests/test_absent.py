"""Tests are skipped where a package that a Python cannot have is named, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FILES = {
    "test_imports.py": "import nowhere\n\ndef test_one():\n    pass\n",
    "test_functions.py": """
import pytest

@pytest.fixture
def thing():
    import nowhere.inside

def test_of_a_fixture(thing):
    pass

def test_of_an_error_with_advice():
    try:
        import nowhere
    except ImportError as error:
        raise RuntimeError("pip install nowhere") from error

def test_that_passes():
    pass
""",
}


def outcome(folder: Path, absent: str) -> tuple[int, str]:
    """Return the exit status and the last line of pytest."""
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "absent", "-p", "no:cacheprovider", "-p", "no:schemathesis"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), "FASTNET_ABSENT": absent},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip().splitlines()[-1]


def test_whatever_imports_an_absent_module_is_skipped(tmp_path: Path) -> None:
    status, line = outcome(tmp_path, "elsewhere nowhere")
    assert status == 0
    assert line.startswith("1 passed, 3 skipped")


@pytest.mark.parametrize("absent", ["", "now"])
def test_a_module_that_is_not_named_fails_the_tests(tmp_path: Path, absent: str) -> None:
    status, line = outcome(tmp_path, absent)
    assert status != 0
    assert "error" in line

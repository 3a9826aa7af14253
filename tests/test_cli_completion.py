"""`fastnet completion`: what a shell completes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from command import Run
from fastnet.cli._arguments import COMMANDS

pytest.importorskip("shtab")

COMPLETE = """
source "$1"; shift
COMP_WORDS=(fastnet "$@"); COMP_CWORD=$#
function_name=$(complete -p fastnet | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
$function_name
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(run: Run, tmp_path: Path) -> Callable[..., list[str]]:
    """Complete the last word of a command in bash."""
    if os.name != "posix" or not (bash := shutil.which("bash")):  # on Windows it is that of another system
        pytest.skip("needs bash")
    (tmp_path / "fastnet.bash").write_text(run("completion", "bash").out)

    def words(*typed: str) -> list[str]:
        command = [bash, "-c", COMPLETE, "bash", "fastnet.bash", *typed]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
        assert done.stderr == ""
        return done.stdout.split()

    return words


def test_bash_completes_commands_options_choices_data_and_files(
    complete: Callable[..., list[str]], tmp_path: Path
) -> None:
    (tmp_path / "my.csv").touch()
    (tmp_path / "runs").mkdir()
    assert complete("") == list(COMMANDS)
    assert complete("e") == ["evaluate", "export"]
    assert complete("train", "--opt") == ["--optimizer"]
    assert complete("verify", "--sep") == ["--separator"]
    assert complete("predict", "--decimal", "") == [".", ","]
    assert complete("train", "--optimizer", "ada") == ["adam", "adamw", "adamax", "adagrad"]
    assert complete("train", "m") == ["mnist", "my.csv"]
    assert complete("evaluate", "my.csv", "fash") == ["fashion_mnist"]
    assert "my.csv" in complete("info", "m")
    assert complete("train", "--run-dir", "r") == ["runs"]
    assert complete("datasets", "d") == ["digits"]
    assert complete("train", "--no-") == []


@pytest.mark.parametrize("shell", ["zsh", "fish", "tcsh"])
def test_other_shells_get_a_script(shell: str, run: Run) -> None:
    done = run("completion", shell)
    assert done.status == 0
    assert "datasets" in done.out
    assert ("_fastnet_complete_data" in done.out) == (shell != "tcsh")
    assert run("completion", shell, "--json").json["script"] == done.out.removesuffix("\n")


def test_a_missing_package_is_named_with_its_extra(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert run("completion", "bash").err == (
        'fastnet: error: completion needs shtab: pip install "fastnet-nn[completion]"\n'
    )

"""The settings of the project agree with each other: versions of tools, of Python, extras, and the commands of each task runner."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
GROUPS = PYPROJECT["dependency-groups"]
HOOKS = {  # the repository of pre-commit's hooks, and the package of the same versions
    "ruff-pre-commit": "ruff",
    "mirrors-mypy": "mypy",
    "mirrors-clang-format": "clang-format",
    "codespell": "codespell",
    "rumdl-pre-commit": "rumdl",
    "zizmor-pre-commit": "zizmor",
    "validate-pyproject": "validate-pyproject",
}


def name_of(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert found, requirement
    return found[0]


@pytest.mark.parametrize(("repository", "package"), HOOKS.items(), ids=HOOKS)
def test_hooks_have_the_versions_of_make_lint(repository: str, package: str) -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    revision = re.search(rf"repo: https://github\.com/[^/\n]+/{repository}\n +rev: v(\S+)\n", text)
    (pinned,) = [one.partition("==")[2] for one in GROUPS["lint"] if name_of(one) == package]
    assert revision
    assert revision[1] == pinned


def test_nox_runs_the_commands_of_make_lint() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    commands = [
        re.sub(r"^PYTHONPATH=python |\$\(BIN\)/|\$\(\w+\)", "", line.strip()).split() for line in recipe.splitlines()
    ]
    tree = ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8"))
    (lint,) = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "lint"]
    calls = [
        [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        for node in ast.walk(lint)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "session.run"
    ]
    assert sorted(calls) == sorted(commands)


def test_classifiers_name_each_python_from_the_oldest() -> None:
    versions = [
        (int(found[1]), int(found[2]))
        for classifier in PROJECT["classifiers"]
        if (found := re.fullmatch(r"Programming Language :: Python :: (\d+)\.(\d+)", classifier))
    ]
    oldest = versions[0]
    assert PROJECT["requires-python"] == f">={oldest[0]}.{oldest[1]}"
    assert versions == [(3, minor) for minor in range(oldest[1], oldest[1] + len(versions))]


def test_the_build_group_is_what_the_build_needs() -> None:
    assert set(PYPROJECT["build-system"]["requires"]) <= set(GROUPS["build"])


def test_numpy_is_the_only_dependency() -> None:
    assert [name_of(requirement) for requirement in PROJECT["dependencies"]] == ["numpy"]


def test_the_extra_all_is_every_extra_but_mpi() -> None:
    extras = PROJECT["optional-dependencies"]
    (everything,) = extras["all"]
    assert set(everything.partition("[")[2].rstrip("]").split(",")) == set(extras) - {"all", "mpi"}


def test_each_wheel_is_finished() -> None:
    settings = PYPROJECT["tool"]["cibuildwheel"]
    commands = [settings[system]["repair-wheel-command"] for system in ("linux", "macos", "windows")]
    assert all(command.endswith("python {project}/tools/finish_wheel.py {dest_dir}") for command in commands)
    before = [
        settings[system].get("before-build", settings["before-build"]) for system in ("linux", "macos", "windows")
    ]
    assert all("zopfli" in command for command in before)


def test_make_names_its_targets() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documented = re.findall(r"^([a-z0-9-]+):.*## ", makefile, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (help .*)$", makefile, re.MULTILINE)
    assert phony
    assert sorted(phony[1].split()) == sorted(documented)
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [name for name in documented if name != "help" and f"`make {name}`" not in text] == []

"""The examples in the docstrings run and print what they say."""

import doctest
import importlib
import pkgutil
from pathlib import Path

import pytest

import fastnet

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(fastnet.__path__, "fastnet.")
    if module.name not in {"fastnet._core", "fastnet.__main__"}
)


@pytest.mark.parametrize("name", ["fastnet", *MODULES])
def test_examples_in_docstrings_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples may write files: they run in an empty folder."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    failures, _ = doctest.testmod(module, optionflags=flags)
    assert failures == 0

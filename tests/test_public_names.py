"""The check that public names keep working sees every one of them, and finds each kind of change that breaks a caller."""

import inspect
import re
import shutil
import subprocess
from pathlib import Path

import api_check
import griffe
import public_names
import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = public_names.public_modules()


@pytest.fixture(scope="module")
def package() -> griffe.Module:
    return api_check.load(ROOT)


# ---- What griffe sees is what Python has ----------------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_is_public_to_the_check(module: object, package: griffe.Module) -> None:
    path = module.__name__.removeprefix("fastnet").removeprefix(".")
    seen = package[path] if path else package
    assert [name for name in module.__all__ if name != "__version__" and not seen.members[name].is_public] == []


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_check_sees_the_parameters_that_python_has(module: object, package: griffe.Module) -> None:
    for name, member in public_names.members(module):
        seen = package[f"{module.__name__}.{name}".removeprefix("fastnet.")]
        if seen.is_attribute or member.__module__ == "fastnet.exceptions":
            continue  # another name for a member that has its own entry
        parameters = [parameter.name for parameter in seen.parameters if parameter.name != "self"]
        if parameters or not issubclass(type(member), type):  # a base class without an __init__ takes anything
            assert parameters == [*inspect.signature(member).parameters], name


def test_the_page_lists_every_public_name_with_its_parameters() -> None:
    page = public_names.page()
    for module in MODULES:
        section = page.partition(f"\n## [{module.__name__}](")[2].partition("\n## ")[0]
        assert set(re.findall(r"^- \[?`(\w+)`", section, re.MULTILINE)) == set(module.__all__)
    assert "`(units, activation=None, use_bias=True, " in page


# ---- Changes --------------------------------------------------------------------------------------------------------


CHANGES = [
    ("layers/__init__.py", '    "AvgPool1D",\n', "", "fastnet.layers.AvgPool1D: Public object was removed"),
    ("__init__.pyi", "from fastnet.layers import Dense as Dense\n", "", "fastnet.Dense: Public object was removed"),
    (
        "functional/activations/sigmoids.py",
        '    "hard_tanh",\n',
        "",
        "fastnet.functional.hard_tanh: Public object was removed",
    ),
    ("layers/core.py", "use_bias: bool", "bias: bool", "fastnet.layers.Dense(use_bias): Parameter was removed"),
    (
        "training/trainer.py",
        "        batch_size: int | None = None,\n        epochs: int = 1,\n",
        "        epochs: int = 1,\n        batch_size: int | None = None,\n",
        "fastnet.training.trainer.Trainer.fit(batch_size): Positional parameter was moved",
    ),
    (
        "optimizers/adam.py",
        "beta_1: float = 0.9",
        "beta_1: float = 0.8",
        "fastnet.optimizers.Adam(beta_1): Parameter default was changed",
    ),
    ("utils.py", "def to_categorical(", "def to_one_hot(", "fastnet.utils.to_categorical: Public object was removed"),
]


def test_every_kind_of_change_that_breaks_a_caller_is_found(tmp_path: Path, package: griffe.Module) -> None:
    changed = tmp_path / "python" / "fastnet"
    shutil.copytree(ROOT / "python" / "fastnet", changed, ignore=shutil.ignore_patterns("__pycache__", "*.npz"))
    (changed / "support" / "text.py").write_text('"""Empty."""\n', encoding="utf-8")  # a private room may change
    for file, old, new, _ in CHANGES:
        source = (changed / file).read_text(encoding="utf-8")
        assert old in source
        (changed / file).write_text(source.replace(old, new), encoding="utf-8")
    found = {f"{place}: {change}" for place, change in api_check.breakages(package, api_check.load(tmp_path))}
    assert {message for *_, message in CHANGES} <= found
    assert not [message for message in found if "support" in message]


def test_a_package_that_did_not_change_breaks_nothing(package: griffe.Module) -> None:
    assert api_check.breakages(package, package) == []


# ---- The command, on a small repository -----------------------------------------------------------------------------


SMALL = {
    "python/fastnet/__init__.py": "__all__ = list({})\n",
    "python/fastnet/__init__.pyi": "from fastnet.utils import pad as pad\n",
    "python/fastnet/utils.py": '__all__ = ["pad"]\n\n\ndef pad(x, width=1): ...\n',
    "CHANGELOG.md": "# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n### Removed\n\n- `fastnet.utils.pad(width)`\n",
}


def git(repository: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(repository), *identity, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    for name, text in SMALL.items():
        file = tmp_path / "repository" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    git(tmp_path / "repository", "init", "--quiet")
    git(tmp_path / "repository", "add", ".")
    git(tmp_path / "repository", "commit", "--quiet", "--message", "first")
    return tmp_path / "repository"


def run(repository: Path) -> int:
    return api_check.main(["--repository", str(repository)])


def test_without_a_tag_of_a_version_there_is_nothing_to_compare_with(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "not-a-version")
    assert run(repository) == 0
    assert "no version has been tagged yet" in capsys.readouterr().out


def test_a_parameter_that_is_missing_since_the_last_tag_is_an_error(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v0.1.0")
    assert run(repository) == 0
    assert "Public names work as in v0.1.0\n" in capsys.readouterr().out
    (repository / "python/fastnet/utils.py").write_text('__all__ = ["pad"]\n\n\ndef pad(x): ...\n', encoding="utf-8")
    assert run(repository) == 1  # that the changelog of the tagged version names it does not count
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "fastnet.utils.pad(width): Parameter was removed"
    assert lines[1].startswith("Callers of v0.1.0 break.")


@pytest.mark.parametrize(("section", "status"), [("Removed", 0), ("Changed", 0), ("Added", 1)])
def test_a_change_that_the_changelog_names_is_accepted(
    section: str, status: int, repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v0.1.0")
    (repository / "python/fastnet/utils.py").write_text('__all__ = ["pad"]\n\n\ndef pad(x): ...\n', encoding="utf-8")
    text = SMALL["CHANGELOG.md"].replace(
        "## [Unreleased]\n", f"## [Unreleased]\n\n### {section}\n\n- `fastnet.utils.pad(width)`\n"
    )
    (repository / "CHANGELOG.md").write_text(text, encoding="utf-8")
    assert run(repository) == status
    assert ("but for 1 changes" in capsys.readouterr().out) == (status == 0)


def test_a_public_name_that_is_missing_since_the_last_tag_is_an_error(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repository, "tag", "v0.1.0")
    (repository / "python/fastnet/__init__.pyi").write_text("", encoding="utf-8")
    assert run(repository) == 1
    assert "fastnet.pad: Public object was removed" in capsys.readouterr().err

"""Every program in README.md and docs/ runs as it stands and prints what the page says."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from matplotlib import pyplot as plt

from fastnet.datasets import mnist

ROOT = Path(__file__).resolve().parents[1]
TOOLS = ROOT / "docs" / "tools"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SLOW = {
    "README.md",
    "how-to/command-line.md",
    "reports.md",
    "tutorial/from-numpy.md",
    "tutorial/kaggle.md",
}  # pages of many commands, or of programs that take seconds
RUN = {"python", "sh"}
SHOWN = {"text", "mermaid"}
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")


def load(name: str) -> ModuleType:
    """Import a module of docs/tools, which is no package."""
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


programs = load("programs")
accessible = load("accessible")


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix().removeprefix("docs/")


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def with_programs() -> list[Any]:
    pages = [page for page in PAGES if any(block.language in RUN for block in programs.blocks(text_of(page)))]
    marks = dict.fromkeys(SLOW, pytest.mark.slow)
    return [pytest.param(page, id=name_of(page), marks=marks.get(name_of(page), ())) for page in pages]


@pytest.mark.parametrize("page", with_programs())
def test_the_programs_of_a_page_run_and_print_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    if page.name == "kaggle.md":
        request.getfixturevalue("mnist_dir")
        write_kaggle_files()
    plt.switch_backend("agg")  # which closes the figures of the page before
    if shutil.which("bash") is None and any(block.language == "sh" for block in programs.blocks(text_of(page))):
        pytest.skip("needs bash for the commands of the page")
    for block, printed in programs.run_page(text_of(page), str(page)):
        if block.output is not None:
            assert about(printed, block.output, 0.3 if block.about else 0.05), (
                f"{page.name}, line {block.line}, prints:\n{printed}"
            )
    drawn = {name for name in programs.pictures(text_of(page)) if not (page.parent / name).exists()}
    assert [name for name in sorted(drawn) if not (tmp_path / name).exists()] == []


def write_kaggle_files() -> None:
    """Write MNIST into the current folder in the form of Kaggle's digit recognizer."""
    csv, table = pytest.importorskip("pyarrow.csv"), pytest.importorskip("pyarrow").table
    (x, y), (test_x, _) = mnist.load_data()
    for name, images, labels in (("train.csv", x[:42_000], {"label": y[:42_000]}), ("test.csv", test_x, {})):
        pixels = images.reshape(len(images), 784)
        columns = labels | {f"pixel{number}": pixels[:, number] for number in range(784)}
        csv.write_csv(table(columns), name, csv.WriteOptions(quoting_header="none"))


def about(printed: str, stated: str, tolerance: float = 0.05) -> bool:
    """Whether a text is the stated one, up to rounding, which depends on the instruction set.

    Decimals may differ by a share of their value; whole numbers, many of which count samples, by 3, or by that share.
    """
    if NUMBER.sub("#", printed).split() != NUMBER.sub("#", stated).split():
        return False
    return all(
        abs(value(one) - value(other)) <= max(tolerance * abs(value(other)), 0 if "." in other else 3)
        for one, other in zip(NUMBER.findall(printed), NUMBER.findall(stated), strict=True)
    )


def value(number: str) -> float:
    return float(number.replace(",", ""))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_is_run_or_says_why_not(page: Path) -> None:
    for block in programs.blocks(text_of(page)):
        assert not block.tested or block.language in RUN | SHOWN or block.is_file, (
            f"line {block.line}: give the block a language that is run, the name of a file, or a reason: "
            'title="not tested: needs ..."'
        )


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_has_at_most_150_lines(page: Path) -> None:
    assert text_of(page).count("\n") <= 150


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "design").glob("*.md")), ids=name_of)
def test_a_page_of_the_design_begins_with_a_picture(page: Path) -> None:
    assert re.match(r"# .+\n\n```mermaid\n", text_of(page))


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("accuracy 97.5% of 360\n", True),
        ("accuracy 90.0% of 360\n", False),
        ("accuracy 97.5% of 390\n", False),
        ("loss 97.5% of 360\n", False),
        ("accuracy 97.5% of 360 of 1\n", False),
    ],
)
def test_outputs_are_compared_up_to_their_last_digits(printed: str, same: bool) -> None:
    assert about(printed, "accuracy 97.2% of 359\n") is same


def test_a_wrong_program_is_reported_at_its_line_of_the_page() -> None:
    page = "```python\nx = 1\nprint(x)\n```\n\n```text\n1\n```\n\n```python\nprint(x)\nraise ValueError\n```\n"
    runs = programs.run_page(page, "page.md")
    block, printed = next(runs)
    assert (block.output, printed) == ("1\n", "1\n")
    with pytest.raises(ValueError, match=r"^$") as failure:
        next(runs)
    assert failure.traceback[-1].lineno == 12 - 1  # counted from 0


def test_a_block_with_the_name_of_a_file_is_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = '```toml title="run.toml"\n[train]\n```\n\n```sh\ncat run.toml\n```\n\n```text\n[train]\n```\n'
    assert [printed for _, printed in programs.run_page(page, "page.md")] == ["[train]\n"]


def test_commands_that_fail_are_reported() -> None:
    with pytest.raises(RuntimeError, match="line 1 ended with 2"):
        list(programs.run_page("```sh\nfastnet no-such-command\necho not reached\n```\n", "page.md"))


def test_the_example_of_the_readme_reaches_the_accuracy_of_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = re.sub(r"```sh\n.*?```", "", text_of(ROOT / "README.md"), flags=re.DOTALL)
    ((_, printed),) = programs.run_page(page, "README.md")
    accuracy = re.match(r"(\d+\.\d)%", printed)
    assert accuracy is not None
    assert float(accuracy[1]) >= 97.0


def test_readers_do_not_see_what_is_said_to_the_tests() -> None:
    page = '```sh title="not tested: needs a server"\ncurl\n```\n  ```text title="about"\n1\n  ```\n```toml title="run.toml"\n```\n'
    shown = programs.without_notes(page)
    assert shown == '```sh\ncurl\n```\n  ```text\n1\n  ```\n```toml title="run.toml"\n```\n'


def test_the_search_and_the_sections_of_the_navigation_have_names() -> None:
    section = (
        '<nav class="md-nav" aria-labelledby="__nav_2_label" aria-expanded="false">\n<label class="md-nav__title" for="__nav_2">\n'
        '<span class="md-nav__icon md-icon"></span>\n Tutorial\n </label>'
    )
    named = accessible.named(f'<div class="md-search" role="dialog">{section}<th></th><th style="x"></th><th>a</th>')
    assert '<div class="md-search" role="dialog" aria-label="Search">' in named
    assert '<nav class="md-nav" aria-label="Tutorial" aria-expanded="false">' in named
    assert named.endswith('<td></td><td style="x"></td><th>a</th>')

"""README.md: what the page on PyPI makes of it, and figures that are those of the benchmark."""

import importlib.metadata
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")
LINK = re.compile(r"\[[^\]]+\]\(([^)]+)\)")


@pytest.fixture
def on_pypi() -> str:
    """The description in the metadata of the installed package."""
    text = importlib.metadata.metadata("fastnet-nn").get_payload()
    assert isinstance(text, str)
    return text


def test_the_page_on_pypi_has_no_link_that_needs_the_repository(on_pypi: str) -> None:
    assert [target for target in LINK.findall(on_pypi) if ":" not in target] == []
    assert "docs/assets" not in on_pypi


def test_the_page_on_pypi_keeps_the_words(on_pypi: str) -> None:
    words = re.sub(r"(?s)<picture>.*?</picture>", "", LINK.sub(lambda link: link[0].partition("]")[0][1:], README))
    assert on_pypi.split() == words.split()
    assert len(LINK.findall(README)) > 10


def test_the_first_screen_shows_a_picture_the_installation_and_a_program() -> None:
    first = README.splitlines()[:35]
    assert [line for line in first if "pip install fastnet-nn" in line]
    program = "\n".join(first).partition("```python\n")[2].partition("```")[0]
    assert 5 <= len([line for line in program.splitlines() if line]) <= 11
    for picture in re.findall(r'src(?:set)?="([^"]+)"', "\n".join(first)):
        assert (ROOT / picture).is_file()


# ---- The table of speed ---------------------------------------------------------------------------------------------


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]


def summary(processor: str) -> tuple[str, dict[str, tuple[str, str]]]:
    """Return the date of a section of the results, and by workload the ratio of each side's best and fastnet's time."""
    section = RESULTS.partition(f"\n## {processor} (")[2].partition("\n## ")[0]
    (date,) = re.findall(r"^- date: (\S+)$", section, re.MULTILINE)
    table = rows(section.partition("### Summary\n")[2].partition("\n### ")[0])
    return date, {row[0]: (row[5].partition(" ")[0], row[1]) for row in table[2:]}


def workload(row: str) -> str:
    """Return the name in the results of a row of the table."""
    return row.partition(": ")[2]


def test_the_table_of_speed_has_the_figures_of_the_benchmark() -> None:
    table = rows(README.partition("## Speed\n")[2].partition("\n## ")[0])
    head, _, *body = table
    assert len(head) == 4
    for column, title in enumerate(head[1:], 1):
        processor, *_, date = title.split(", ")
        measured_on, figures = summary(processor)
        assert date == measured_on
        before = ""
        for row in body:
            name = workload(row[0]) or f"{before}<br>*beside it: zeros skipped*"
            before = workload(row[0])
            ratio, time = figures[name]
            assert row[column] == f"{ratio} ({time})", f"{name} on {processor}"


def test_the_table_of_speed_has_rows_that_fastnet_loses() -> None:
    table = rows(README.partition("## Speed\n")[2].partition("\n## ")[0])
    for column in (1, 2, 3):
        assert [row for row in table[2:] if float(row[column].partition(" ")[0]) < 0.9]

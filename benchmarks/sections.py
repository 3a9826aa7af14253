"""RESULTS.md: a section for each kind of processor, and at the top the rows of their summaries side by side.

The table at the top is read from the sections, those that a run leaves as they are included, so the two never disagree.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from .tables import heading, note, table

SIDE_BY_SIDE = "Side by side"
SUMMARY = "Summary"
LEGEND = (
    "Ratios to the best peer, from the summaries of the sections: with the most threads / with each side's best number of "
    "threads. **Bold**: the section's goal is reached; for matrix products, the number of shapes that reach it. "
    "Rows without a ratio show fastnet's own figure."
)


class Cell(NamedTuple):
    """What the table at the top shows of a row of a summary."""

    text: str
    goal: str


@dataclass(frozen=True)
class Section:
    kind: str
    body: str  # what follows the heading

    @property
    def date(self) -> str:
        found = re.search(r"^- date: (\S+)", self.body, re.MULTILINE)
        return found[1] if found else ""

    @property
    def text(self) -> str:
        return f"## {self.kind}\n\n{self.body.strip()}\n"

    def summary(self) -> dict[str, Cell]:
        """Return the rows of the section's summary by their names."""
        _, _, after = self.body.partition(f"### {SUMMARY}\n")
        lines = [line for line in after.partition("\n### ")[0].splitlines() if line.startswith("|")]
        if len(lines) < 3:
            return {}
        header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        best = header.index("best of each")
        return {row[0]: shown(row[best - 1], row[best], row[header.index("fastnet")], row[-1]) for row in rows}


def shown(most_threads: str, best: str, own: str, aim: str) -> Cell:
    """Put a row of a summary into a cell."""
    found = re.fullmatch(r"(.+?) (reached|missed)(?: by (\d+) of (\d+))?", aim)
    goal, verdict, reached, of = found.groups() if found else (aim, "", None, None)
    ratio = best.split(" (", maxsplit=1)[0]  # without the middle half
    text = " / ".join(cell for cell in (most_threads, ratio) if cell) if ratio else own
    if of:
        text += f", {reached} of {of}"
    return Cell(f"**{text}**" if verdict == "reached" and reached == of else text, goal)


def split(page: str) -> list[Section]:
    """Return the sections of a page; a page from before there were sections is one of its own."""
    if page and f"## {SIDE_BY_SIDE}" not in page:
        return [without_sections(page)] if f"\n## {SUMMARY}\n" in page else []
    _, *parts = re.split(r"^## ", page, flags=re.MULTILINE)
    pairs = (part.partition("\n") for part in parts)
    return [Section(kind, body.strip()) for kind, _, body in pairs if kind != SIDE_BY_SIDE]


def without_sections(page: str) -> Section:
    """Such a page names its processor, not the kind: the kernels that it ran help to tell it."""
    start = re.search(rf"^(?:- date:|## {SUMMARY}$)", page, re.MULTILINE)
    body = re.sub(r"^#", "##", page[start.start() if start else 0 :], flags=re.MULTILINE)
    processor = re.search(r"^- processor: (.+?)(?:, \d+ processors)?$", body, re.MULTILINE)
    kernels = re.search(r"^- fastnet .*?\((\w+) kernels", body, re.MULTILINE)
    return Section(f"{processor[1] if processor else 'unknown'}{f' ({kernels[1]})' if kernels else ''}", body)


def merge(page: str, new: Section) -> list[Section]:
    """Return the sections of the page and the new one, of each kind that of the latest date, in the order of the names."""
    newest = {section.kind: section for section in sorted([*split(page), new], key=lambda section: section.date)}
    return [newest[kind] for kind in sorted(newest)]


def write(opening: Iterable[str], sections: list[Section]) -> str:
    lines = ["# Results", "", *note(*opening), *side_by_side(sections)]
    return "\n".join(lines).rstrip() + "\n\n" + "\n".join(section.text for section in sections)


def side_by_side(sections: list[Section]) -> list[str]:
    """Rows in the order of the newest section, goals from the newest that has the row."""
    newest = sorted(sections, key=lambda section: section.date, reverse=True)
    summaries = {section.kind: section.summary() for section in newest}
    goals: dict[str, str] = {}
    for summary in summaries.values():
        for name, row in summary.items():
            goals.setdefault(name, row.goal)
    rows = [
        [name, *(cell.text if (cell := summaries[section.kind].get(name)) else "" for section in sections), goal]
        for name, goal in goals.items()
    ]
    header = ["workload", *(f"{section.kind}<br>{section.date}" for section in sections), "goal"]
    return heading(SIDE_BY_SIDE, 2) + note(LEGEND) + table(header, rows)

"""The rows of the summaries by commit and kind of processor: recorded, drawn, and compared with the run before.

usage: python -m benchmarks.history [--out FOLDER] [JSON ...]    records what `make bench` left in build/benchmarks

benchmarks/history has a file for each kind of processor, with a line of JSON for each run. What a row is, is read from the
section of a report, so that old reports can be recorded, too.
"""

import argparse
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import NamedTuple

from . import report
from .data import FOLDER
from .results import WIN, Results
from .runner import ROOT
from .sections import SUMMARY, Section

HISTORY = ROOT / "benchmarks" / "history"
DRIFT = 1.3  # machines drift by as much from minute to minute, so that a smaller change of a time is noise
SHAPES = "each with its best number of threads"
UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


class Figure(NamedTuple):
    """A row of a summary: fastnet's own time in seconds, the ratio to the best peer, and the middle half of the ratios."""

    seconds: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    def changed(self, before: "Figure") -> float | None:
        """Return by what factor this is better than before, if that is more than noise.

        A ratio is taken between units of the same round, so the drift of the machine is not in it. Only rows that have none
        are compared by their times.
        """
        if self.ratio and before.ratio:
            factor, noise = self.ratio / before.ratio, WIN
            apart = None in (self.low, self.high, before.low, before.high) or not self._overlaps(before)
        elif self.seconds and before.seconds:
            factor, noise, apart = before.seconds / self.seconds, DRIFT, True
        else:
            return None
        return factor if apart and max(factor, 1 / factor) >= noise else None

    def _overlaps(self, other: "Figure") -> bool:
        return max(self.low or 0, other.low or 0) <= min(self.high or math.inf, other.high or math.inf)


@dataclass
class Run:
    """The rows of a run; `versions` are the lines of the report that name libraries."""

    date: str
    commit: str
    versions: list[str]
    rows: dict[str, Figure] = field(default_factory=dict)

    def line(self) -> str:
        rows = {name: [*figure] for name, figure in self.rows.items()}
        return json.dumps({"date": self.date, "commit": self.commit, "versions": self.versions, "rows": rows})

    @classmethod
    def parse(cls, line: str) -> "Run":
        raw = json.loads(line)
        return cls(**raw | {"rows": {name: Figure(*figure) for name, figure in raw["rows"].items()}})


# ---- Rows of a section ----------------------------------------------------------------------------------------------


def run_of(section: Section, commit: str = "") -> Run:
    """Return the rows of a section's summary, and the shapes of matrix products."""
    facts = re.findall(r"^- (.+)$", section.body.partition("### ")[0], re.MULTILINE)
    versions = [fact for fact in facts if re.match(r"[\w/ -]+ \d+\.\d", fact) and ":" not in fact]
    named = re.search(r"^- commit: (.+)$", section.body, re.MULTILINE)
    return Run(section.date, named[1] if named else commit, versions, dict(_rows(section)))


def _rows(section: Section) -> Iterator[tuple[str, Figure]]:
    for cells in _table(section.body, f"### {SUMMARY}\n"):
        name, seconds, ratio = cells["workload"], cells["fastnet"], cells["best of each"]
        if figure := _figure(seconds, ratio):
            yield name.replace("<br>*beside it: ", ", ").removesuffix("*"), figure
    for cells in _table(section.body, f"| {SHAPES} |"):
        if figure := _figure("", cells["ratio"]):
            yield f"matrix product {cells[SHAPES]}", figure


def _table(text: str, start: str) -> Iterator[dict[str, str]]:
    """Give the rows of the first table that begins in or after a text, by the names of its columns."""
    at = text.find(start)
    lines = re.search(r"(?:^\|.*\n?)+", text[at:], re.MULTILINE) if at >= 0 else None
    if not lines:
        return
    header, _, *rows = ([cell.strip() for cell in line.strip("| ").split(" |")] for line in lines[0].splitlines())
    for row in rows:
        yield dict(zip(header, row, strict=False))


def _figure(seconds: str, ratio: str) -> Figure | None:
    time = re.fullmatch(r"([\d,.]+) (s|ms|us)", seconds)
    ratios = [float(number) for number in re.findall(r"[\d.]+", ratio)]
    if not time and not ratios:
        return None
    own = float(f"{float(time[1].replace(',', '')) * UNITS[time[2]]:.4g}") if time else None
    return Figure(own, *ratios[:3])


# ---- The files ------------------------------------------------------------------------------------------------------


def slug(kind: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", kind.lower()).strip("-")


def read(file: Path) -> tuple[str, list[Run]]:
    """Return the kind of processor and the runs of a file, the latest last."""
    kind, *lines = file.read_text(encoding="utf-8").splitlines()
    return json.loads(kind)["kind"], [Run.parse(line) for line in lines]


def record(kind: str, run: Run, folder: Path = HISTORY) -> Path:
    """Add a run to the file of its kind; it replaces rows of an earlier run of the same commit."""
    file = folder / f"{slug(kind)}.jsonl"
    runs = read(file)[1] if file.exists() else []
    same = next((old for old in runs if old.commit == run.commit), None)
    if same:
        run = Run(run.date, run.commit, run.versions, same.rows | run.rows)
    runs = sorted([*(old for old in runs if old is not same), run], key=lambda each: each.date)
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"kind": kind}), *(each.line() for each in runs)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def refusal(results: Results, runs: list[Run]) -> str | None:
    """Return why results are not recorded: a ratio to the best peer needs all of them."""
    if results.quick:
        return "a quick run is a rough look"
    if "commit" not in results.machine:
        return "it does not say which commit it measured"
    peers = {version.split()[0] for run in runs[-1:] for version in run.versions}
    missing = peers - {version.split()[0] for version in results.versions.values()}
    return f"the run before had {', '.join(sorted(missing))}, too" if missing else None


# ---- What changed ---------------------------------------------------------------------------------------------------


def changes(runs: list[Run]) -> list[str]:
    """Return a line for each row that the last run changed by more than noise, the worst first."""
    if not runs:
        return []
    found = []
    for name, now in runs[-1].rows.items():
        before = next((run.rows[name] for run in reversed(runs[:-1]) if name in run.rows), None)
        factor = now.changed(before) if before else None
        if before and factor:
            found.append((factor, f"{_text(before)} to {_text(now)}: {name}"))
    return [
        f"{'better' if factor > 1 else 'worse'} by {max(factor, 1 / factor):.2f}: {text}"
        for factor, text in sorted(found)
    ]


def _text(figure: Figure) -> str:
    return f"{figure.ratio:.2f}" if figure.ratio else f"{1e3 * (figure.seconds or 0):.3g} ms"


def summary(kind: str, runs: list[Run]) -> list[str]:
    """Return what the last run of a kind of processor changed, as lines of text."""
    last = runs[-1]
    lines = [f"{kind}: run {len(runs)}, of {last.date} ({last.commit}), {len(last.rows)} rows"]
    if len(runs) > 1:
        swapped = sorted({*last.versions} ^ {*runs[-2].versions})
        lines += [f"  versions differ: {', '.join(swapped)}"] if swapped else []
        lines += [f"  {line}" for line in changes(runs)] or ["  no row changed by more than noise"]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.history", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, nargs="*", metavar="JSON", help="results, build/benchmarks/results.json")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the pictures, build/benchmarks")
    arguments = parser.parse_args()
    files = arguments.results or [file for file in [FOLDER / "results.json"] if file.exists()]
    if files:
        results: Results = reduce(Results.joined, map(Results.load, files))
        earlier = HISTORY / f"{slug(results.kind)}.jsonl"
        if reason := refusal(results, read(earlier)[1] if earlier.exists() else []):
            print(f"Not recorded: {reason}", file=sys.stderr)
        else:
            run = run_of(Section(results.kind, report.body(results, ())))
            print(f"Recorded in {record(results.kind, run).relative_to(ROOT)}")
    from . import history_plots

    arguments.out.mkdir(parents=True, exist_ok=True)
    for file in sorted(HISTORY.glob("*.jsonl")):
        kind, runs = read(file)
        print("\n".join(summary(kind, runs)))
        print(f"  drawn in {os.path.relpath(history_plots.write(kind, runs, arguments.out))}")


if __name__ == "__main__":
    main()

"""Measure fastnet.sklearn's MLPClassifier beside scikit-learn's, and compare their scores.

usage: python -m benchmarks.estimators [--rounds 7] [--cases mnist64,table] [--scores] [--write]

Each library has a process for each number of threads; they take turns, in another order in every round. A figure is the
median of the rounds, a ratio that of the medians, each library with the number of threads that suits it. Before the
timing both must come to the same loss or the same predictions. `--scores` cross-validates both on scikit-learn's own data
sets; `--write` writes ESTIMATORS.md, which takes all cases.
"""

import argparse
import math
import os
import random
import statistics
import sys
from pathlib import Path
from typing import Any

from .data import FOLDER
from .estimator_cases import CASES, MODULES
from .machine import describe, prepare_mnist
from .runner import Process, pause

PAGE = Path(__file__).with_name("ESTIMATORS.md")


def agree(ours: dict[str, Any], theirs: dict[str, Any], tolerance: float) -> bool:
    """Whether two sides came to the same, numbers up to a relative difference."""
    return ours.keys() == theirs.keys() and all(
        math.isclose(ours[key], theirs[key], rel_tol=tolerance)
        if isinstance(ours[key], float)
        else ours[key] == theirs[key]
        for key in ours
    )


def measure(name: str, processes: list[Process], rounds: int, busy: list[float]) -> dict[Process, list[float]]:
    """Return the seconds of every round for those that the case concerns; note how busy others kept the processors."""
    case = CASES[name]
    chosen = [process for process in processes if process.threads == 1 or not case.by_jobs]
    found = {process: process.ask(prepare=name) for process in chosen}
    first, *others = found.values()
    for other in others:
        if not agree(first, other, case.tolerance):
            sides = ", ".join(f"{process.name}, {threads(process)}: {facts}" for process, facts in found.items())
            raise SystemExit(f"{name}: the libraries disagree: {sides}")
    times: dict[Process, list[float]] = {process: [] for process in chosen}
    for number in range(rounds):
        random.Random(number).shuffle(chosen)
        for process in chosen:
            if (share := pause()) is not None:
                busy.append(share)
            times[process].append(process.ask(measure=number)["seconds"])
    return times


def line(name: str, times: dict[Process, list[float]]) -> str:
    """Return the row of the report: medians, each at its best number of threads, and the ratio of the medians."""
    best = {
        peer: min((p for p in times if p.name == peer), key=lambda process: statistics.median(times[process]))
        for peer in MODULES
    }
    ours, theirs = times[best["fastnet"]], times[best["sklearn"]]
    low, _, high = statistics.quantiles([other / own for own, other in zip(ours, theirs, strict=True)], n=4)
    ratio = statistics.median(theirs) / statistics.median(ours)
    aim = CASES[name].aim
    return (
        f"| {CASES[name].title} | {duration(ours)}, {threads(best['fastnet'])} | {duration(theirs)}, "
        f"{threads(best['sklearn'])} | {ratio:.1f} ({low:.1f} to {high:.1f}) | {aim:g} {'reached' if ratio >= aim else 'missed'} |"
    )


def duration(times: list[float]) -> str:
    seconds = statistics.median(times)
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"


def threads(process: Process) -> str:
    return "1 thread" if process.threads == 1 else f"{process.threads} threads"


def heading(processes: list[Process], rounds: int) -> str:
    versions = sorted({process.version for process in processes})
    facts = "".join(f"- {key}: {value}\n" for key, value in describe().items())
    return (
        "# Estimators beside scikit-learn's\n\nMade by `python -m benchmarks.estimators --write`; "
        "[README.md](README.md) says how. `MLPClassifier` has its default parameters, but for `max_iter` where it says "
        f"an epoch. Medians of {rounds} rounds; in brackets the middle half of the ratios within a round.\n\n"
        f"{facts}- {', '.join(versions)}\n\n| | fastnet | scikit-learn | times as fast | aim |\n| --- | ---: | ---: | ---: | --- |\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="7 by default, at least 2")
    parser.add_argument("--cases", default=",".join(CASES), help="some of " + ", ".join(CASES) + "; none: ''")
    parser.add_argument("--scores", action="store_true")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    names = [name for name in arguments.cases.split(",") if name]
    FOLDER.mkdir(parents=True, exist_ok=True)
    if any(name.startswith("mnist") for name in names) and (missing := prepare_mnist()):
        sys.exit(missing)
    counts = sorted({1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1})
    processes = (
        [Process(peer, count, "benchmarks.estimator_cases") for peer in MODULES for count in counts] if names else []
    )
    for process in processes:
        process.introduce()
    text = heading(processes, arguments.rounds)
    print(text, end="", flush=True)
    busy: list[float] = []
    for name in names:
        row = line(name, measure(name, processes, arguments.rounds, busy))
        print(row, flush=True)
        text += row + "\n"
    if busy:
        text += (
            note
            := f"\nOther programs kept {max(0.0, statistics.mean(busy)):.0%} of the processors busy in the pauses.\n"
        )
        print(note, end="")
    for process in processes:
        process.end()
    if arguments.scores or arguments.write:
        from .estimator_scores import report

        text += (scores := report())
        print(scores, end="")
    if arguments.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The sections on fastnet alone: the cost as the work grows, imports, memory, the compiled kernels."""

from itertools import pairwise

from . import report_kernels
from .cases import Training
from .results import Record, Results
from .tables import duration, heading, note, number, spread, table, threads_text
from .workloads import WORKLOADS


def growth(results: Results) -> list[str]:
    lines: list[str] = []
    for name in ("batches", "widths", "depths", "samples"):
        if name in results.records:
            lines += series(results, results.records[name])
    opening = (
        "What an epoch costs a sample, and how fast the matrix products in it run, as one size grows and others stay."
    )
    return heading("Cost as the work grows") + note(opening) + lines if lines else []


def series(results: Results, record: Record) -> list[str]:
    cases = [
        case for case in results.cases(record.name) if isinstance(case, Training) and record.find(case.key, "fastnet")
    ]
    rows = []
    rates: dict[int, list[float]] = {threads: [] for threads in results.threads}
    for case in cases:
        cells = []
        for threads in results.threads:
            row = record.find(case.key, "fastnet", threads)
            seconds = row.median() if row else float("nan")
            rates[threads].append(case.operations / seconds / 1e9)
            cells += [f"{number(1e6 * seconds / case.samples)} us", number(rates[threads][-1])]
        rows.append([case.name, "-".join(map(str, case.sizes)), *cells])
    falls = ", ".join(f"{largest_fall(rates[t]):.0%} on {threads_text(t)}" for t in results.threads)
    header = ["", "network", *(text for t in results.threads for text in (f"{threads_text(t)}, a sample", "GFLOP/s"))]
    return (
        heading(WORKLOADS[record.name].title, 4)
        + table(header, rows)
        + note(f"Largest fall of GFLOP/s to the next row: {falls}.")
    )


def largest_fall(rates: list[float]) -> float:
    return max((1 - b / a for a, b in pairwise(rates)), default=0.0)


def narrow(results: Results) -> list[str]:
    """Layers of 32 to 64 units, alone and beside a busy process."""
    records = [(name, results.records[name]) for name in ("narrow", "narrow_busy") if name in results.records]
    if not records:
        return []
    peers = [peer for peer in ("fastnet", "torch") if any(peer in record.peers() for _, record in records)]
    columns = [
        (peer, name, record, threads) for peer in peers for name, record in records for threads in results.threads
    ]
    header = ["us a step", *(f"{p}, {threads_text(t)}{', busy' * WORKLOADS[n].busy}" for p, n, _, t in columns)]
    rows = []
    for case in results.cases(records[0][0]):
        assert isinstance(case, Training)
        found = [record.find(case.key, peer, threads) for peer, _, record, threads in columns]
        rows.append([case.name, *(number(1e6 * row.median() / case.steps) if row else "" for row in found)])
    text = "ReLU, Adam, batch 128; columns named busy were measured while another process kept a core busy."
    return heading("Narrow layers") + note(text) + table(header, rows)


def fresh(results: Results) -> list[str]:
    lines = []
    if "imports" in results.records:
        rows = [
            [results.title(row.peer), duration(row.median()), spread(row)]
            for row in sorted(results.records["imports"].rows, key=lambda row: row.median())
        ]
        lines += heading("Import") + note("Beyond NumPy's own import, in a fresh process.")
        lines += table(["import", "median", "low to high"], rows)
    if "memory" in results.records:
        row = results.records["memory"].rows[0]
        lines += heading("Memory") + note(
            "Peak memory of a process that loads 60,000 uint8 images and trains 784-256-10 on them for an epoch, over that of "
            f"the import: {row.median('training'):.0f} MiB, of which the images take {row.median('images'):.0f} MiB."
        )
    return lines


SECTIONS = (growth, narrow, fresh, report_kernels.kernels)

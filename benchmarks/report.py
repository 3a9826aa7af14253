"""The report, in Markdown: a summary of the ratios, then the figures behind it."""

import statistics
from collections.abc import Iterator
from dataclasses import replace

from . import checks, report_growth
from .results import WIN, Ratio, Record, Results, Row
from .tables import call_time, duration, heading, note, rate, spread, table, threads_text, times
from .workloads import WORKLOADS, ZEROS_SKIPPED, Gemm, Prediction, Training

METHOD = (
    "Every peer runs in processes of its own, one for each number of threads, bound to as many processors. Units of work "
    "take turns, with a pause before each; a figure is the median over the rounds. A ratio is the peer's time over "
    "fastnet's in the same round, each with the number of threads that suits it: the median over the rounds and, in brackets, "
    f"the middle half of them. From {WIN} on it is called a win, below 1 / {WIN} a loss, between them even; unclear, if the "
    "middle half has 1 in it."
)


def write(results: Results) -> str:
    lines = ["# Results", "", *note(opening(results), METHOD)]
    lines += [f"- {name}: {value}" for name, value in results.machine.items()]
    lines += [f"- {version}" for peer, version in results.versions.items() if peer != "peak"]
    lines += [
        f"- {text}" for text in (*peaks(results), *disturbance(results), *results.notes, *checks.disagreements(results))
    ]
    for section in (summary, products, trainings, predictions, *report_growth.SECTIONS):
        lines += section(results)
    return "\n".join(lines).rstrip().replace("\n\n\n", "\n\n") + "\n"


def opening(results: Results) -> str:
    run = "Made by a quick run, a rough look at small cases" if results.quick else "Made by `make bench`"
    return f"{run}; [README.md](README.md) says what is measured and how to read it."


def peaks(results: Results) -> list[str]:
    rows = [
        row for name in ("gemm", "gemm_large") if name in results.records for row in peak_rows(results.records[name])
    ]
    figures = {row.threads: f"{row.median('gflops'):.0f} GFLOP/s on {threads_text(row.threads)}" for row in rows}
    return [f"peak of fused multiply-adds in float32, measured: {', '.join(figures.values())}"] if figures else []


def disturbance(results: Results) -> list[str]:
    """How much other programs were at work."""
    shares = {name: r.disturbance for name, r in results.records.items() if r.disturbance is not None}
    if not shares:
        return []
    worst = max(shares, key=lambda name: shares[name])
    mean = statistics.mean(shares.values())
    return [f"busy with other work in the pauses: {mean:.0%} of the processors, at most {shares[worst]:.0%} ({worst})"]


def peak_rows(record: Record) -> list[Row]:
    return [row for row in record.rows if row.peer == "peak"]


def compared(results: Results, kind: type) -> Iterator[tuple[Record, Gemm | Training | Prediction]]:
    """The cases of a kind on which fastnet is compared with others, without those that are shown beside another."""
    for name, record in results.records.items():
        if name in WORKLOADS and WORKLOADS[name].peers is None:
            yield from ((record, case) for case in results.cases(name) if isinstance(case, kind) and not case.form)


def verdict(results: Results, best: tuple[str, Ratio] | None) -> list[str]:
    """The columns `best`, `ratio` and what it is called."""
    return [results.title(best[0]), times(best[1]), best[1].verdict] if best else ["", "", ""]


# ---- Summary --------------------------------------------------------------------------------------------------------


def summary(results: Results) -> list[str]:
    rows = [gemm_summary(results, low, high) for low, high in ((0, 63), (64, 511), (512, 10**6))]
    for kind in (Training, Prediction):
        for record, case in compared(results, kind):
            rows.append(case_summary(results, record, case))
            if record.find(f"{case.key}, {ZEROS_SKIPPED}", "fastnet"):
                rows.append(case_summary(results, record, case, ZEROS_SKIPPED))
    header = ["workload", "fastnet", "best peer", *map(threads_text, results.threads), "best of each", "", "aim"]
    lines = table(header, [row for row in rows if row])
    return heading("Summary") + note("Ratios to the best peer.") + lines if lines else []


def case_summary(results: Results, record: Record, case: Training | Prediction, form: str = "") -> list[str] | None:
    """One line for a case, or for a form of it that stands beside: the best peer computes the plain one."""
    key = f"{case.key}, {form}" if form else case.key
    mine, best = record.find(key, "fastnet"), record.best_peer(case.key, against=key)
    if mine is None:
        return [case.name, "does not take part", "", *[""] * len(results.threads), "", "", ""]
    if best is None:
        return None
    peer, ratio = best
    theirs = record.find(case.key, peer)
    assert theirs is not None
    steps = case.epochs * case.steps if isinstance(case, Training) and case.batch == 1 else 1
    singles = [record.best_peer(case.key, threads, key) for threads in results.threads]
    aim = f"{case.target:.2f} {'reached' if ratio.median >= case.target else 'missed'}" if case.target else ""
    if form:  # what has an aim is the plain case
        aim = ""
    return [
        case.name + (f"<br>*beside it: {form}*" if form else ""),
        duration(mine.median() / steps),
        f"{results.title(peer)} {duration(theirs.median() / steps)}",
        *(f"{single[1].median:.2f}" if single else "" for single in singles),
        times(ratio),
        ratio.verdict,
        aim,
    ]


def gemm_summary(results: Results, low: int, high: int) -> list[str] | None:
    """One line for the products whose middle dimension, of the three by size, is in a range."""
    cases = [(r, c) for r, c in compared(results, Gemm) if low <= sorted((c.m, c.n, c.k))[1] <= high]

    def ratios(threads: int | None) -> list[Ratio]:
        return [best[1] for record, case in cases if (best := record.best_peer(case.key, threads))]

    def mean(threads: int | None) -> str:
        return f"{statistics.geometric_mean([ratio.median for ratio in ratios(threads)]):.2f}"

    best = ratios(None)
    if not best:
        return None
    verdicts = [ratio.verdict for ratio in best]
    counts = ", ".join(f"{verdicts.count(word)} {word}" for word in ("win", "even", "loss", "unclear"))
    size = f"up to {high}" if low == 0 else f"from {low} on" if high == 10**6 else f"{low} to {high}"
    reached = f"1.00 reached by {sum(ratio.median >= 1 for ratio in best)}"
    name = f"matrix product, middle dimension {size}: {len(best)} shapes, geometric means"
    return [name, "", "", *(mean(threads) for threads in results.threads), mean(None), counts, reached]


# ---- Matrix products ------------------------------------------------------------------------------------------------


def products(results: Results) -> list[str]:
    cases = list(compared(results, Gemm))
    if not cases:
        return []
    lines = heading("Matrix product") + note(
        "GFLOP/s in float32; m x n x k, and which factor is stored transposed (T). The ratio is to the best peer.",
        "![GFLOP/s over the size of square matrices](gemm.svg)",
    )
    others = [
        p for p in dict.fromkeys(p for record, _ in cases for p in record.peers()) if p not in ("fastnet", "peak")
    ]
    rows = [[case.name, *verdict(results, record.best_peer(case.key))] for record, case in cases]
    lines += table(["each with its best number of threads", "best", "ratio", ""], rows)
    for threads in results.threads:
        header = [threads_text(threads), "fastnet", "of peak", *map(results.title, others), "best", "ratio", ""]
        lines += table(header, [product(results, record, case, others, threads) for record, case in cases])
    return lines


def product(results: Results, record: Record, case: Gemm, others: list[str], threads: int) -> list[str]:
    mine, *theirs = (record.find(case.key, peer, threads) for peer in ("fastnet", *others))
    rates = [rate(row, case.operations) for row in theirs]
    best = verdict(results, record.best_peer(case.key, threads))
    return [case.name, rate(mine, case.operations), of_peak(record, mine, case), *rates, *best]


def of_peak(record: Record, row: Row | None, case: Gemm) -> str:
    """The fraction of the peak that was measured in the same round."""
    peak = next((peak for peak in peak_rows(record) if row and peak.threads == row.threads), None)
    if row is None or peak is None:
        return ""
    pairs = zip(row.series(), peak.series("gflops"), strict=True)
    return f"{statistics.median(case.operations / 1e9 / seconds / gflops for seconds, gflops in pairs):.0%}"


# ---- Training -------------------------------------------------------------------------------------------------------


def trainings(results: Results) -> list[str]:
    lines = [line for record, case in compared(results, Training) for line in training(results, record, case)]
    return heading("Training") + note("![Microseconds a step](steps.svg)") + lines if lines else []


def training(results: Results, record: Record, case: Training) -> list[str]:
    """One table: a row for each peer and form, the fastest first."""
    pairs = dict.fromkeys((row.peer, row.case) for row in record.rows if row.case.startswith(case.key))
    best = sorted((row for peer, key in pairs if (row := record.find(key, peer))), key=Row.median)
    unit = f"{case.epochs} epochs" if case.epochs > 1 else "an epoch"
    header = [
        unit,
        *map(threads_text, results.threads),
        "low to high",
        "a step",
        "GFLOP/s",
        "ratio",
        "loss",
        "accuracy",
    ]
    count = f"{case.samples:,} samples, {case.steps:,} step{'s' * (case.steps > 1)} an epoch"
    return (
        heading(f"{WORKLOADS[record.name].title}: {case.name}", 3)
        + note(f"{count}. Loss and accuracy on test samples {checks.explain(case)}.")
        + table(header, [training_row(results, record, case, row) for row in best])
    )


def training_row(results: Results, record: Record, case: Training, row: Row) -> list[str]:
    form = row.case.removeprefix(case.key).removeprefix(", ")
    singles = [record.find(row.case, row.peer, threads) for threads in results.threads]
    ratio = record.ratio(row.case, row.peer, against=case.key)
    is_base = row.peer == "fastnet" and not form
    return [
        results.title(row.peer) + (f"<br>*beside the others: {form}*" if form else ""),
        *(duration(single.median()) if single else "" for single in singles),
        spread(row),
        duration(row.median() / case.epochs / case.steps),
        "" if replace(case, form=form).skips_zeros else rate(row, case.operations * case.epochs),
        times(ratio) if ratio and not is_base else "",
        *checks.cells(record, row),
    ]


# ---- Predictions ----------------------------------------------------------------------------------------------------


def predictions(results: Results) -> list[str]:
    cases = list(compared(results, Prediction))
    if not cases:
        return []
    others = [peer for peer in cases[0][0].peers() if peer != "fastnet"]
    lines = heading("Prediction") + note(
        "ReLU, softmax. For one sample, the median of single calls and, after the stroke, their 99th percentile."
    )
    for threads in results.threads:
        rows = [
            [
                case.name,
                *(call_time(record.find(case.key, peer, threads)) for peer in ("fastnet", *others)),
                *verdict(results, record.best_peer(case.key, threads)),
            ]
            for record, case in cases
        ]
        lines += table([threads_text(threads), "fastnet", *map(results.title, others), "best", "ratio", ""], rows)
    return lines

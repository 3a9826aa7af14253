"""The report, in Markdown: a section for the kind of processor with a summary of the ratios and the figures behind it."""

import re
import statistics
from dataclasses import replace

from . import checks, report_growth, report_summary, report_users, sections
from .cases import INTEGERS, Gemm, Prediction, Training
from .image_cases import ImagePrediction
from .report_summary import verdict
from .results import WIN, Record, Results, Row
from .tables import call_time, duration, heading, note, rate, spread, table, threads_text, times
from .workloads import WORKLOADS

METHOD = (
    "Every peer runs in processes of its own, one for each number of threads, bound to as many processors. Units of work "
    "take turns, with a pause before each; a figure is the median over the rounds. A ratio is the peer's time over "
    "fastnet's in the same round, each with the number of threads that suits it: the median over the rounds and, in brackets, "
    f"the middle half of them. From {WIN} on it is called a win, below 1 / {WIN} a loss, between them even; unclear, if the "
    "middle half has 1 in it."
)


OPENING = (
    "Made by `make bench`; [README.md](README.md) says what is measured and how to read it. A section for each kind of "
    "processor: the newest run on it."
)


def write(results: Results, page: str = "", pictures: tuple[str, ...] = ()) -> str:
    """Return the page with these results as the section of their kind; `pictures` are the plots that there are of it."""
    section = sections.Section(results.kind, body(results, pictures))
    return sections.write((OPENING, METHOD), sections.merge(page, section))


def body(results: Results, pictures: tuple[str, ...]) -> str:
    lines = [f"- {name}: {value}" for name, value in results.machine.items()]
    lines += ["- a quick run, a rough look at small cases"] if results.quick else []
    lines += [f"- {version}" for peer, version in results.versions.items() if peer != "peak"]
    lines += [
        f"- {text}" for text in (*peaks(results), *disturbance(results), *results.notes, *checks.disagreements(results))
    ]
    lines += report_summary.summary(results)
    lines += products(results, pictures) + trainings(results, pictures) + predictions(results)
    for section in (*report_users.SECTIONS, *report_growth.SECTIONS):
        lines += section(results)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def peaks(results: Results) -> list[str]:
    rows = [row for name in ("gemm", "gemm_large") if name in results.records for row in results.records[name].peaks()]
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


def picture(text: str, name: str, pictures: tuple[str, ...]) -> list[str]:
    """Draw the plot whose file's name begins so, if there is one."""
    return [f"![{text}]({file})" for file in pictures if file.startswith(name)]


# ---- Matrix products ------------------------------------------------------------------------------------------------


def products(results: Results, pictures: tuple[str, ...]) -> list[str]:
    cases = list(results.compared(Gemm))
    if not cases:
        return []
    lines = heading("Matrix product") + note(
        "GFLOP/s in float32; m x n x k, and which factor is stored transposed (T). The ratio is to the best peer.",
        *picture("GFLOP/s over the size of square matrices", "gemm", pictures),
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
    peak = next((peak for peak in record.peaks() if row and peak.threads == row.threads), None)
    if row is None or peak is None:
        return ""
    pairs = zip(row.series(), peak.series("gflops"), strict=True)
    return f"{statistics.median(case.operations / 1e9 / seconds / gflops for seconds, gflops in pairs):.0%}"


# ---- Training -------------------------------------------------------------------------------------------------------


def trainings(results: Results, pictures: tuple[str, ...]) -> list[str]:
    lines = [line for record, case in results.compared(Training) for line in training(results, record, case)]
    plot = picture("Microseconds a step", "steps", pictures)
    return heading("Training") + note(*plot) + lines if lines else []


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
        heading(f"{WORKLOADS[record.name].title}: {case.name}", 4)
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
    """A table for float32, for each form and for images, with a column for every peer that takes part."""
    lines: list[str] = []
    for kind, form in ((Prediction, ""), (Prediction, INTEGERS), (ImagePrediction, "")):
        found = [(r, replace(c, form=form)) for r, c in results.compared(Prediction) if type(c) is kind]
        cases = [(record, case) for record, case in found if record.find(case.key, "fastnet")]
        for threads in results.threads if cases else ():
            lines += prediction_table(results, cases, threads)
    text = "ReLU, softmax; images are float32. For one sample, the median of single calls and, after the stroke, their 99th percentile."
    return heading("Prediction") + note(text) + lines if lines else []


def prediction_table(results: Results, cases: list[tuple[Record, Prediction]], threads: int) -> list[str]:
    peers = dict.fromkeys(row.peer for record, case in cases for row in record.rows if row.case == case.key)
    others = [peer for peer in peers if peer != "fastnet"]
    rows = [
        [
            case.name,
            *(call_time(record.find(case.key, peer, threads)) for peer in ("fastnet", *others)),
            *verdict(results, record.best_peer(case.key, threads)),
        ]
        for record, case in cases
    ]
    corner = ", ".join(text for text in (threads_text(threads), cases[0][1].form) if text)
    return table([corner, "fastnet", *map(results.title, others), "best", "ratio", ""], rows)

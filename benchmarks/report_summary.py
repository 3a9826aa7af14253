"""The summary of a section: a row for each workload, with fastnet's ratio to the best peer and the aim.

The table at the top of RESULTS.md is read from it, see sections.py.
"""

import statistics

from .cases import ZEROS_SKIPPED, Gemm, Prediction, Training
from .estimator_cases import Estimator
from .report_kernels import xsmm_summary
from .results import Ratio, Record, Results
from .sections import SUMMARY
from .table_cases import AS_READ, CONTIGUOUS, FULL_BATCH, PANDAS_ARRAY, UNITS, Table, Unit
from .tables import duration, heading, note, table, threads_text, times

IMPORT_AIM = 0.015  # seconds beyond NumPy's


def summary(results: Results) -> list[str]:
    rows = [gemm_summary(results, low, high) for low, high in ((0, 63), (64, 511), (512, 10**6))]
    rows.append(xsmm_summary(results))
    for kind in (Training, Prediction):
        for record, case in results.compared(kind):
            rows.append(case_summary(results, record, case))
            rows += [case_summary(results, record, form) for form in results.forms(record, case) if form.target]
    if "estimators" in results.records:
        record = results.records["estimators"]
        cases = [case for case in results.cases("estimators") if isinstance(case, Estimator)]
        rows += [case_summary(results, record, case) for case in cases]
    rows += as_read_summary(results)
    rows.append(import_summary(results))
    header = ["workload", "fastnet", "best peer", *map(threads_text, results.threads), "best of each", "", "aim"]
    lines = table(header, [row for row in rows if row])
    return heading(SUMMARY) + note("Ratios to the best peer.") + lines if lines else []


def verdict(results: Results, best: tuple[str, Ratio] | None) -> list[str]:
    """The columns `best`, `ratio` and what it is called."""
    return [results.title(best[0]), times(best[1]), best[1].verdict] if best else ["", "", ""]


def aim(ratio: float, target: float | None) -> str:
    return f"{target:.2f} {'reached' if ratio >= target else 'missed'}" if target else ""


def aims(ratios: list[float], target: float) -> str:
    """The aim of several figures in one row; it is reached by all or missed."""
    reached = sum(ratio >= target for ratio in ratios)
    return f"{target:.2f} reached by {reached} of {len(ratios)}"


def case_summary(results: Results, record: Record, case: Training | Prediction | Estimator) -> list[str] | None:
    """One line for a case. A form is compared with the best peer's same form, but where it is not for others to leave out
    zeros with their plain case.
    """
    mine = record.find(case.key, "fastnet")
    if mine is None:
        return None if case.form else [case.name, "does not take part", "", *[""] * len(results.threads), "", "", ""]
    theirs_key = case.name if case.form == ZEROS_SKIPPED else case.key
    best = record.best_peer(theirs_key, against=case.key)
    if best is None:
        return None
    peer, ratio = best
    theirs = record.find(theirs_key, peer)
    assert theirs is not None
    steps = case.epochs * case.steps if isinstance(case, Training) and case.by_step else 1
    singles = [record.best_peer(theirs_key, threads, case.key) for threads in results.threads]
    return [
        case.name + (f"<br>*beside it: {case.form}*" if case.form else ""),
        duration(mine.median() / steps),
        f"{results.title(peer)} {duration(theirs.median() / steps)}",
        *(f"{single[1].median:.2f}" if single else "" for single in singles),
        times(ratio),
        ratio.verdict,
        aim(ratio.median, case.target),
    ]


def gemm_summary(results: Results, low: int, high: int) -> list[str] | None:
    """One line for the products whose middle dimension, of the three by size, is in a range."""
    cases = [(r, c) for r, c in results.compared(Gemm) if low <= sorted((c.m, c.n, c.k))[1] <= high]

    def ratios(threads: int | None) -> list[Ratio]:
        return [best[1] for record, case in cases if (best := record.best_peer(case.key, threads))]

    def mean(threads: int | None) -> str:
        return f"{statistics.geometric_mean([ratio.median for ratio in ratios(threads)]):.2f}"

    best = ratios(None)
    if not best:
        return None
    size = f"up to {high}" if low == 0 else f"from {low} on" if high == 10**6 else f"{low} to {high}"
    name = f"matrix product, middle dimension {size}: {len(best)} shapes, geometric means"
    singles = (mean(threads) for threads in results.threads)
    return [name, "", "", *singles, mean(None), counts(best), aims([ratio.median for ratio in best], 1.0)]


def counts(ratios: list[Ratio]) -> str:
    verdicts = [ratio.verdict for ratio in ratios]
    return ", ".join(f"{verdicts.count(word)} {word}" for word in ("win", "even", "loss", "unclear"))


# ---- Data as people have them, and the import ------------------------------------------------------------------------


def as_read_summary(results: Results) -> list[list[str]]:
    """A row for each unit that has an aim: the slowest data; and one beside the notebook's NumPy."""
    record = results.records.get("as_read")
    if record is None:
        return []
    rows = [as_read_worst(results, record, unit) for unit in UNITS if unit.target]
    case = Table(PANDAS_ARRAY, FULL_BATCH)
    mine, theirs, ratio = (
        record.find(case.key, "fastnet"),
        record.find(case.key, "numpy"),
        record.ratio(case.key, "numpy"),
    )
    if mine and theirs and ratio:
        singles = [record.ratio(case.key, "numpy", threads) for threads in results.threads]
        rows.append([
            f"784-10-10, {FULL_BATCH.name}, {PANDAS_ARRAY}",
            duration(mine.median()),
            f"a notebook's NumPy {duration(theirs.median())}",
            *(f"{single.median:.2f}" if single else "" for single in singles),
            times(ratio),
            ratio.verdict,
            "",
        ])  # fmt: skip
    return [row for row in rows if row]


def as_read_worst(results: Results, record: Record, unit: Unit) -> list[str] | None:
    base = Table(CONTIGUOUS, unit)

    def ratio(data: str, threads: int | None = None) -> Ratio | None:
        """The time of contiguous uint8 over that of these data."""
        key = Table(data, unit).key
        mine, theirs = record.find(key, "fastnet", threads), record.find(base.key, "fastnet", threads)
        return theirs.over(mine) if mine and theirs else None

    found = {data: known for data in AS_READ if (known := ratio(data))}
    if not found:
        return None
    worst = min(found, key=lambda data: found[data].median)
    slowest, plain = record.find(Table(worst, unit).key, "fastnet"), record.find(base.key, "fastnet")
    assert slowest is not None
    assert plain is not None
    assert unit.target is not None
    singles = [[known.median for data in found if (known := ratio(data, threads))] for threads in results.threads]
    return [
        f"784-10-10, {unit.name}, data as people have them: the slowest",
        duration(slowest.median()),
        f"{CONTIGUOUS} {duration(plain.median())}",
        *(f"{min(single):.2f}" if single else "" for single in singles),
        times(found[worst]),
        "",
        aims([known.median for known in found.values()], unit.target),
    ]


def import_summary(results: Results) -> list[str] | None:
    row = results.records["imports"].find("import", "fastnet") if "imports" in results.records else None
    if row is None:
        return None
    verdict = "reached" if row.median() <= IMPORT_AIM else "missed"
    blank = [""] * (len(results.threads) + 3)
    return ["`import fastnet`, beyond NumPy's", duration(row.median()), *blank, f"{duration(IMPORT_AIM)} {verdict}"]

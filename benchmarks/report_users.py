"""The sections on what people have at hand: scikit-learn's estimators, and data as a CSV is read."""

from .estimator_cases import Estimator
from .report_summary import verdict
from .results import Record, Results
from .table_cases import AS_READ, CONTIGUOUS, FULL_BATCH, PANDAS_ARRAY, UNITS, WITHIN, Table, Unit
from .tables import duration, heading, note, table, threads_text


def estimators(results: Results) -> list[str]:
    record = results.records.get("estimators")
    if record is None:
        return []
    cases = [case for case in results.cases(record.name) if isinstance(case, Estimator)]
    others = [peer for peer in record.peers() if peer != "fastnet"]
    header = [
        "default parameters",
        *(f"{results.title(peer)}, {threads_text(t)}" for peer in ("fastnet", *others) for t in results.threads),
        "best",
        "ratio",
        "",
    ]
    rows = []
    for case in cases:
        found = [record.find(case.key, peer, t) for peer in ("fastnet", *others) for t in results.threads]
        cells = [duration(row.median()) if row else "" for row in found]
        rows.append([case.name, *cells, *verdict(results, record.best_peer(case.key))])
    text = (
        "`fastnet.sklearn` beside scikit-learn: the same loss, number of epochs, predictions or choice, up to rounding. "
        "[ESTIMATORS.md](ESTIMATORS.md) has scores of both."
    )
    return heading("Estimators") + note(text) + table(header, rows)


def as_read(results: Results) -> list[str]:
    """A table for each number of threads: a row for each way to read the data, a column for each unit."""
    record = results.records.get("as_read")
    if record is None:
        return []
    units = [unit for unit in UNITS if record.find(Table(CONTIGUOUS, unit).key, "fastnet")]
    text = (
        "784-10-10, momentum, 41,000 rows of MNIST's pixels from a CSV in Kaggle's layout (42,000 rows, written to "
        "build/benchmarks) as libraries read it. Milliseconds an epoch, the first one included; in brackets the ratio to "
        f"{CONTIGUOUS} within a round: the aim is {WITHIN} at most. The last row is a full-batch step as notebooks write "
        f"it in NumPy, in float64 with all data divided by 255 beforehand, for {PANDAS_ARRAY}."
    )
    lines = heading("Data as people have them") + note(text)
    for threads in results.threads:
        rows = [[data, *(cell(record, data, unit, threads) for unit in units)] for data in (CONTIGUOUS, *AS_READ)]
        rows = [row for row in rows if any(row[1:])]
        if notebook := record.find(Table(PANDAS_ARRAY, FULL_BATCH).key, "numpy", threads):
            own = [f"{1e3 * notebook.median():.1f}" if unit is FULL_BATCH else "" for unit in units]
            rows.append(["a notebook's NumPy", *own])
        lines += table([threads_text(threads), *(unit.name for unit in units)], rows)
    return lines


def cell(record: Record, data: str, unit: Unit, threads: int) -> str:
    row = record.find(Table(data, unit).key, "fastnet", threads)
    plain = record.find(Table(CONTIGUOUS, unit).key, "fastnet", threads)
    if row is None or plain is None:
        return ""
    return f"{1e3 * row.median():.1f} ({row.over(plain).median:.2f})"


SECTIONS = (estimators, as_read)

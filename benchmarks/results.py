"""What was measured, as JSON keeps it, and how it is compared: ratios of figures of the same round."""

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from .workloads import WORKLOADS, Case

C = TypeVar("C", bound=Case)

WIN = 1.15  # a smaller ratio is not called a difference
EARLIER = "measured in earlier runs"


class Ratio(NamedTuple):
    """The median of the ratios of the rounds, and the bounds of their middle half."""

    median: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """A win or a loss is clear in the median and in the whole middle half of the rounds."""
        if self.median >= WIN:
            return "win" if self.low > 1 else "unclear"
        if self.median <= 1 / WIN:
            return "loss" if self.high < 1 else "unclear"
        return "even"


@dataclass
class Row:
    """One case of one peer with a number of threads; `values` has an entry for every round."""

    peer: str
    threads: int
    case: str
    values: list[dict[str, float]] = field(default_factory=list)

    def series(self, quantity: str = "seconds") -> list[float]:
        return [values[quantity] for values in self.values]

    def median(self, quantity: str = "seconds") -> float:
        return statistics.median(self.series(quantity))

    def over(self, other: "Row", quantity: str = "seconds") -> Ratio:
        ratios = [a / b for a, b in zip(self.series(quantity), other.series(quantity), strict=True)]
        if len(ratios) == 1:
            return Ratio(*3 * ratios)
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return Ratio(median, low, high)


@dataclass
class Record:
    """The rows of a workload; `checks` has, for each peer and case, what the same work led to: how good a network is.

    `disturbance` is the share of the processors that was busy in the pauses, when nothing here works.
    """

    name: str
    rows: list[Row] = field(default_factory=list)
    checks: dict[str, dict[str, dict[str, list[dict[str, Any]]]]] = field(default_factory=dict)
    disturbance: float | None = None

    def find(self, case: str, peer: str, threads: int | None = None) -> Row | None:
        """Return the row with so many threads, or with those that were fastest."""
        rows = [row for row in self.rows if (row.case, row.peer) == (case, peer) and threads in (None, row.threads)]
        return min(rows, key=Row.median, default=None)

    def ratio(self, case: str, peer: str, threads: int | None = None, against: str | None = None) -> Ratio | None:
        """Return the peer's time over fastnet's time of the same case, or of the case `against`."""
        row, base = self.find(case, peer, threads), self.find(against or case, "fastnet", threads)
        return row.over(base) if row and base else None

    def peers(self) -> list[str]:
        return list(dict.fromkeys(row.peer for row in self.rows))

    def peaks(self) -> list[Row]:
        """The machine's peak of multiply-adds, for each number of threads."""
        return [row for row in self.rows if row.peer == "peak"]

    def best_peer(self, case: str, threads: int | None = None, against: str | None = None) -> tuple[str, Ratio] | None:
        """Return the peer with the least time, and its ratio to fastnet, on the same case or the case `against`."""
        peers = [peer for peer in self.peers() if peer not in ("fastnet", "peak")]
        ratios = [(peer, self.ratio(case, peer, threads, against)) for peer in peers]
        known = [(peer, ratio) for peer, ratio in ratios if ratio]
        return min(known, key=lambda item: item[1].median, default=None)


@dataclass
class Results:
    machine: dict[str, str]
    threads: list[int]
    versions: dict[str, str]
    notes: list[str]
    quick: bool
    records: dict[str, Record] = field(default_factory=dict)
    kernels: list[dict[str, Any]] = field(default_factory=list)  # what the compiled benchmark printed
    kind: str = "unknown processor"  # see processors.py

    def cases(self, name: str) -> tuple[Case, ...]:
        """The cases of a workload as they were measured."""
        return WORKLOADS[name].quick().cases if self.quick else WORKLOADS[name].cases

    def compared(self, kind: type[C]) -> Iterator[tuple[Record, C]]:
        """The cases of a kind on which fastnet is compared with others, without those that are shown beside another."""
        for name, record in self.records.items():
            if name in WORKLOADS and WORKLOADS[name].peers is None:
                yield from ((record, case) for case in self.cases(name) if isinstance(case, kind) and not case.form)

    def forms(self, record: Record, case: C) -> Iterator[C]:
        """The cases that are shown beside this one."""
        for other in self.cases(record.name):
            if isinstance(other, type(case)) and other.form and other.name == case.name:
                yield other

    def title(self, peer: str) -> str:
        """The name that a peer gives itself before its version."""
        return self.versions[peer].split()[0]

    def joined(self, later: "Results") -> "Results":
        """Return the results of two runs; those of the later one replace earlier ones.

        Raises
        ------
        ValueError
            The runs are not of the same kind of processor, threads and size of cases.
        """
        for name in ("kind", "threads", "quick"):
            if getattr(self, name) != getattr(later, name):
                raise ValueError(f"runs differ in {name}: {getattr(self, name)} and {getattr(later, name)}")
        records = self.records | later.records
        kept = ", ".join(name for name in self.records if name not in later.records)
        notes = [text for text in self.notes if not text.startswith(EARLIER)] + later.notes
        return replace(
            later,
            versions=self.versions | later.versions,
            notes=[*dict.fromkeys(notes), *([f"{EARLIER} of {self.machine['date']}: {kept}"] if kept else [])],
            records={name: records[name] for name in sorted(records, key=[*WORKLOADS, *records].index)},
            kernels=later.kernels or self.kernels,
        )

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Results":
        raw = json.loads(path.read_text(encoding="utf-8"))
        records = {
            name: Record(**(record | {"rows": [Row(**row) for row in record["rows"]]}))
            for name, record in raw.pop("records").items()
        }
        return cls(**raw, records=records)

"""Findings of the doctor, the report, and the table of checks."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastnet.diagnostics.doctor.case import Case


@dataclass(frozen=True)
class Finding:
    """A problem, or a likely problem.

    Attributes
    ----------
    code : str
        The code, such as "FN102": see docs/doctor.md.
    severity : {"error", "warning", "advice", "note"}
        Whether training cannot work, will probably work badly, or only takes longer than necessary. A note is a fact that
        may need no action.
    message : str
        The problem, with figures.
    advice : str
        The remedy.
    """

    code: str
    severity: str
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.code} {self.severity}: {self.message}. {self.advice}."


class Report(Sequence[Finding]):
    """The findings of `fastnet.doctor`, in the order of their codes; false if there are none.

    Attributes
    ----------
    codes : list of str
        The codes of the findings.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self._findings = tuple(sorted(findings, key=lambda finding: finding.code))

    @property
    def codes(self) -> list[str]:
        """The codes of the findings."""
        return [finding.code for finding in self._findings]

    def __len__(self) -> int:
        return len(self._findings)

    def __getitem__(self, index):  # type: ignore[no-untyped-def]
        return self._findings[index]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._findings)

    def __str__(self) -> str:
        return "\n".join(map(str, self._findings)) or "no findings"

    def __repr__(self) -> str:
        return f"<Report: {', '.join(self.codes) or 'no findings'}>\n{self}" if self else "<Report: no findings>"


@dataclass(frozen=True)
class Check:
    """A check of a case.

    A check that `needs_training` runs batches; it is run if the model is compiled and there is no error. A check is
    skipped after a finding with one of the codes in `unless`, of which its own would be a consequence.
    """

    code: str
    severity: str
    title: str
    advice: str
    question: "Callable[[Case], str | None]"
    unless: tuple[str, ...]
    needs_training: bool
    every_epoch: bool

    def findings(self, case: "Case") -> list[Finding]:
        """Return the finding, or none."""
        message = self.question(case)
        return [] if message is None else [Finding(self.code, self.severity, message, self.advice)]


CHECKS: dict[str, Check] = {}


def check(
    code: str,
    severity: str,
    title: str,
    advice: str,
    *,
    unless: tuple[str, ...] = (),
    needs_training: bool = False,
    every_epoch: bool = False,
) -> "Callable[[Callable[[Case], str | None]], Callable[[Case], str | None]]":
    """Register a function that returns the message of a finding, or None."""

    def add(question: "Callable[[Case], str | None]") -> "Callable[[Case], str | None]":
        assert code not in CHECKS
        CHECKS[code] = Check(code, severity, title, advice, question, unless, needs_training, every_epoch)
        return question

    return add

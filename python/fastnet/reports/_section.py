"""The building blocks of a report, and the format of its numbers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fastnet.reports._pictures import Picture


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes
    ----------
    caption : str
        The caption.
    headers : sequence of str
        The headings of the columns; none for a table of facts, a name and a value in each row.
    rows : sequence of sequence of str
        The cells; the first one of a row is its heading.
    notes : sequence of str
        Lines below the table.
    words : int
        The number of columns, from the first on, that hold words; the others hold numbers.
    """

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    words: int = 1


class Figure(NamedTuple):
    """A key figure, its name and a remark."""

    value: str
    name: str
    note: str


class Sample(NamedTuple):
    """A sample as an image, with the lines below it and the alternative text."""

    image: str
    caption: str
    detail: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A section of a report with a heading."""

    heading: str
    text: str = ""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    samples: Sequence[Sample] = ()

    @property
    def anchor(self) -> str:
        """The name that links to the section have."""
        return self.heading.lower().replace(" ", "-")


def percent(share: float, digits: int = 1) -> str:
    """Return a fraction as a percentage; a dash for NaN."""
    return "\N{EN DASH}" if math.isnan(share) else f"{share:.{digits}%}"


def number(value: float) -> str:
    """Return a number with four significant digits; a dash for NaN."""
    return "\N{EN DASH}" if math.isnan(value) else f"{value:.4g}"


def fixed(score: float) -> str:
    """Return a score from 0 to 1 with four decimals; a dash for NaN."""
    return "\N{EN DASH}" if math.isnan(score) else f"{score:.4f}"


def count(items: int, what: str) -> str:
    """Return a number of items with the noun in singular or plural."""
    return f"{items:,} {what}{'' if items == 1 else 's'}"

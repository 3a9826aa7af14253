"""The parts of a report, which its template writes one below the other, and how numbers are written."""

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
        What the table shows.
    headers : sequence of str
        The headings of the columns; none for a table of facts, a name and a value in each row.
    rows : sequence of sequence of str
        The cells; the first one of a row is its heading.
    notes : sequence of str
        What stands below it.
    words : int
        The number of columns, from the first on, that hold words; the others hold numbers.
    """

    caption: str
    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    words: int = 1


class Figure(NamedTuple):
    """A number that stands out, what it is, and what to know about it."""

    value: str
    name: str
    note: str


class Sample(NamedTuple):
    """A sample as an image, what stands below it, and what it shows in words."""

    image: str
    caption: str
    detail: str
    alt: str


@dataclass(frozen=True)
class Section:
    """A part of a report with a heading."""

    heading: str
    text: str = ""
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    samples: Sequence[Sample] = ()


def percent(share: float, digits: int = 1) -> str:
    """Return a share as a percentage; a dash where there is none."""
    return "\N{EN DASH}" if math.isnan(share) else f"{share:.{digits}%}"


def number(value: float) -> str:
    """Return a number with four significant digits; a dash where there is none."""
    return "\N{EN DASH}" if math.isnan(value) else f"{value:.4g}"


def count(items: int, what: str) -> str:
    """Return how many there are of something."""
    return f"{items:,} {what}{'' if items == 1 else 's'}"

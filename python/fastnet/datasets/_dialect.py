"""The dialect of a text file: the separator of its cells and the decimal sign of its numbers."""

import csv
import re
from typing import NamedTuple

import numpy as np

from fastnet.support.validation import check_choice

__all__ = [
    "NO_VALUE",
    "TO_FILL",
    "Dialect",
    "Remembered",
    "advice",
    "check_dialect",
    "how_to_read",
    "refuse_other",
    "short",
]

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "'|'", " ": "spaces"}
NO_VALUE = {"na", "n/a", "nan", "null", "none", "nil", "?", "-", "--", "."}  # lowercase, as tables mark missing values
TO_FILL = "fill it, or remove the row"
DECIMALS = (".", ",")
TYPED = {"\t": "tab"}  # spelling on a command line
DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+([eE][+-]?\d+)?\s*", re.ASCII)


class Remembered(str):
    """A separator or a decimal sign from the training of a model. Unlike an option, it is checked against the file."""

    __slots__ = ()


class Dialect(NamedTuple):
    """Dialect of a text table."""

    separator: str = ","
    """The character between two cells; a space means any run of white space."""
    decimal: str = "."
    """The decimal sign."""

    def split(self, line: str) -> list[str]:
        """Return the cells of a line."""
        line = " ".join(line.split()) if self.separator == " " else line.rstrip("\r\n")
        try:
            return next(csv.reader([line], delimiter=self.separator))
        except csv.Error:  # a cell of more than 131,072 characters
            cells: list[str] = np.loadtxt(
                [line],
                object,
                comments=None,
                delimiter=self.separator,
                converters=str,
                ndmin=1,
                encoding=None,
                quotechar='"',
            ).tolist()
            return cells

    def number(self, cell: str) -> float:
        """Return the number in a cell: Python's notation, in ASCII, without underscores, with this decimal sign.

        Raises ValueError if it is not a number.
        """
        if "_" in cell or not cell.isascii() or (self.decimal == "," and "." in cell):
            raise ValueError(f"{short(cell)} is not a number")
        return float(cell if self.decimal == "." else cell.replace(",", ".", 1))

    def is_number(self, cell: str) -> bool:
        """Whether there is a number in a cell."""
        try:
            self.number(cell)
        except ValueError:
            return False
        return True

    def hint(self, cell: str) -> str:
        """Return a hint for a cell that is only a number with the other decimal sign, or nothing."""
        expected, others, other = ("points", "commas", ",") if self.decimal == "." else ("commas", "points", ".")
        if not self._replace(decimal=other).is_number(cell):
            return ""
        option = "" if self.separator == other else f"; {advice(decimal=other)} reads decimal {others}"
        return f"; expected decimal {expected}, and nothing between thousands{option}"


# ---- Cells that are not numbers --------------------------------------------------------------------------------------


def how_to_read(cell: str, column: str | None) -> str:
    """Return the end of a message about text in a column of numbers: what to do with it."""
    if cell.strip().lower() in NO_VALUE:
        return f"; {TO_FILL}"
    if column is None:
        return ""
    return f"; encode the column as numbers, or, if it only names the rows, ignore=[{column!r}] (--id {column}) leaves it out"


# ---- Options --------------------------------------------------------------------------------------------------------


def check_dialect(separator: str | None, decimal: str) -> None:
    """Raise ValueError for options that are not accepted, alone or together."""
    if separator is not None:
        check_choice("separator", separator, SEPARATORS)
    check_choice("decimal", decimal, DECIMALS)
    if separator == decimal:
        others = ", ".join(repr(one) for one in SEPARATORS if one != decimal)
        raise ValueError(
            f"commas cannot both separate cells and be decimal; give a separator that is one of {others}, or "
            f"{advice(decimal='.')}"
        )


def advice(**options: str) -> str:
    """Return how to write options in Python and on the command line."""
    named = ", ".join(f"{name}={value!r}" for name, value in options.items())
    typed = " ".join(f"--{name} {TYPED.get(value, repr(value))}" for name, value in options.items())
    return f"{named} ({typed})"


# ---- First lines ----------------------------------------------------------------------------------------------------


class _Reading:
    """The first lines of a file, split by a separator."""

    def __init__(self, lines: list[str], separator: str) -> None:
        self.separator = separator
        self._rows = [Dialect(separator).split(line) for line in lines]
        self.width = len(self._rows[0])
        rows = [row for row in self._rows[1:] if len(row) == self.width] or self._rows[
            :1
        ]  # the first line may be a header
        self.numbers = sum(all(map(self._is_number, column)) for column in zip(*rows, strict=True))
        """The number of columns that contain only numbers."""

    def _is_number(self, cell: str) -> bool:
        return Dialect().is_number(cell) or (self.separator != "," and DECIMAL_COMMA.fullmatch(cell) is not None)

    def is_table(self, lines: int | None = None) -> bool:
        """Whether all lines, or a minimum number of them, have the same number of cells."""
        return all(len(row) == self.width for row in self._rows[:lines])

    def has_decimal_commas_only(self) -> bool:
        """Whether commas occur only in numbers."""
        return all(self._is_number(cell) for row in self._rows for cell in row if "," in cell)

    def decimal(self) -> str:
        """Return the decimal sign."""
        cells = [cell for row in self._rows for cell in row]
        points = any("." in cell and self._is_number(cell) for cell in cells)
        return "," if any(map(DECIMAL_COMMA.fullmatch, cells)) and not points else "."


def refuse_other(lines: list[str], separator: str, where: str) -> None:
    """Raise ValueError, with suitable options, if lines seem to have another separator."""
    other = _other(lines, separator)
    if other is None:
        return
    decimal = other.decimal()
    options = {"separator": other.separator} | ({} if decimal == "." else {"decimal": decimal})
    commas = "" if decimal == "." else ", and the numbers to have decimal commas"
    raise ValueError(
        f"{where}: the cells seem to be separated by {SEPARATORS[other.separator]}, not by {SEPARATORS[separator]}{commas}"
        f"; give {advice(**options)}"
    )


def _other(lines: list[str], separator: str) -> _Reading | None:
    """Return a better dialect for lines that do not seem to have this separator, or None.

    Text may contain any separator. Lines that commas split into numbers and a label are accepted, unless with another
    separator all commas are decimal: ``7,4;5``. Spaces are common in text, and must result in more numbers.
    """
    own = _Reading(lines, separator)
    is_table = own.is_table()
    if (is_table and own.numbers == own.width) or (separator != "," and own.width > 1):
        return None
    readable = is_table and own.numbers == own.width - 1 > 0

    def is_likely(other: _Reading) -> bool:
        if other.width < 2 or not other.is_table(None if readable else 2):
            return False
        in_text = other.separator == " "
        if (readable or in_text) and not other.has_decimal_commas_only():
            return False
        return other.numbers >= max(own.numbers + in_text, 1)

    others = (_Reading(lines, one) for one in SEPARATORS if one != separator)
    return max(filter(is_likely, others), key=lambda other: other.numbers, default=None)


def short(cell: str) -> str:
    """Return a cell for a message."""
    return repr(cell if len(cell) <= 30 else cell[:30] + "...")

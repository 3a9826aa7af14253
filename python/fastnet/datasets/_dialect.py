"""How the cells of a text file are separated and its numbers are written, as its first lines show."""

import csv
import re
from typing import NamedTuple

import numpy as np

__all__ = ["Dialect", "find_dialect", "short"]

SEPARATORS = {",": "','", ";": "';'", "\t": "a tab", "|": "'|'", " ": "spaces"}
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+")


class Dialect(NamedTuple):
    """How a table is written as text."""

    separator: str = ","
    """A character between two cells; a space stands for any run of white space."""
    decimal: str = "."
    """What stands before the fraction of a number."""

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

        Raises ValueError for what is not a number.
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


def find_dialect(lines: list[str], where: str) -> Dialect:
    """Return how the first lines of a file are written.

    Cells are separated by what the first line has between them and gives every line the same number of cells. Where that
    holds for several separators, such as in ``7,4;5``, it is the one with more numbers. Decimal commas are read where
    commas do not separate the cells.

    Raises
    ------
    ValueError
        Several separators are equally likely; there are both decimal points and commas; or commas may stand before
        thousands.
    """
    separator = _separator(lines, where)
    if separator == ",":
        return Dialect()
    point, comma = Dialect(separator), Dialect(separator, ",")
    cells = [cell for line in lines for cell in point.split(line)]
    with_comma = [cell for cell in cells if "," in cell and comma.is_number(cell)]
    with_point = [cell for cell in cells if "." in cell and point.is_number(cell)]
    if not with_comma:
        return point
    if with_point:
        raise ValueError(
            f"{where}: {short(with_comma[0])} has a decimal comma and {short(with_point[0])} a decimal point; expected one of "
            "them in all numbers, and no signs between thousands"
        )
    if all(THOUSANDS.fullmatch(cell.strip()) for cell in with_comma):
        raise ValueError(
            f"{where}: the comma in {short(with_comma[0])} may stand before a fraction or between thousands; write decimal "
            "points, and thousands without a sign"
        )
    return comma


def _separator(lines: list[str], where: str) -> str:
    def cells(line: str, separator: str) -> list[str]:
        return Dialect(separator).split(line)

    def is_number(cell: str, separator: str) -> bool:
        return Dialect(separator).is_number(cell) or (separator != "," and Dialect(separator, ",").is_number(cell))

    columns = {separator: len(cells(lines[0], separator)) for separator in SEPARATORS}
    fits = {one: all(len(cells(line, one)) == columns[one] for line in lines) for one in SEPARATORS if columns[one] > 1}
    found = [separator for separator in fits if separator != " "]
    # Spaces are usual in names and in text: they separate where nothing else does, or numbers.
    if fits.get(" ") and (not found or any(is_number(cell, " ") for cell in cells(lines[0], " "))):
        found.append(" ")
    if len(found) > 1:
        found = [separator for separator in found if fits[separator]] or found
        row = lines[min(1, len(lines) - 1)]
        odd = {one: sum(not is_number(cell, one) for cell in cells(row, one)) for one in found}
        found = [separator for separator in found if odd[separator] == min(odd.values())]
        if len(found) > 1 and " " in found:
            found.remove(" ")
    if len(found) > 1:
        likely = " or ".join(SEPARATORS[separator] for separator in found)
        raise ValueError(f"{where}: the cells may be separated by {likely}; put text that has one of them in quotes")
    return found[0] if found else ","


def short(cell: str) -> str:
    """Return a cell for a message."""
    return repr(cell if len(cell) <= 30 else cell[:30] + "...")

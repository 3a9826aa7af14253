"""The first lines of a CSV file: whether it has a header, where the label is, and which columns are not features."""

import io
import itertools
import re
import string
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fastnet.datasets._dialect import SEPARATORS, Dialect, Remembered, check_dialect, refuse_other, short
from fastnet.datasets._label_column import Columns, Rule
from fastnet.datasets._streams import is_named_tsv, open_data
from fastnet.exceptions import DataFileWarning

__all__ = ["Layout", "Lines", "left_out", "sniff", "warn_of"]

MOST_LINES, MOST_CHARACTERS = 100, 1 << 20  # of the beginning of a file, for the detection
LONGEST_LINE = 1 << 26  # characters; a file with longer lines is not a table
NO_NAME = re.compile(r"|Unnamed: \d+(\.\d+)*")  # the name of an index as written, and as read, by pandas


@dataclass(frozen=True)
class Layout:
    """The layout of a CSV file, determined from its first lines."""

    columns: Columns
    label: int | None
    """The label column, None without one."""
    body: int
    """Number of bytes before the first row."""
    first_line: int
    """Number of the line on which the rows begin, from 1."""
    first_row: list[str]
    dialect: Dialect
    notes: list[str]
    """Notes for the user on how the first lines are read."""

    @property
    def bytes_likely(self) -> bool:
        """Whether all numbers in the first row are whole and from 0 to 255."""
        others = {*self.columns.index, self.label}
        numbers = (cell for column, cell in enumerate(self.first_row) if column not in others)
        return all(cell.isascii() and cell.isdigit() and len(cell) < 4 and int(cell) < 256 for cell in numbers)

    @property
    def features(self) -> list[int]:
        """The columns of numbers."""
        return [column for column in self.columns.data if column != self.label]

    @property
    def feature_names(self) -> list[str] | None:
        """The names of the features, None without a header."""
        names = self.columns.names
        return None if names is None else [names[column] for column in self.features]

    def column(self, index: int) -> str:
        """Return the description of a column in messages."""
        name = "" if self.columns.names is None else self.columns.names[index]
        return f"column {name!r}" if name else f"column {index + 1}"


class Lines(Iterator[str]):
    """The lines of a CSV file that are not blank, with their numbers and positions.

    A quoted cell ends on the line where it begins.
    """

    def __init__(self, path: Path, stream: Any, *, first_line: int = 1, skip: int = 0, separator: str = ",") -> None:
        stream.seek(skip)
        self._path = path
        self._text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
        self._blank = string.whitespace.replace("\t", "") if separator == "\t" else string.whitespace
        self.number = first_line - 1
        self.start = self.end = skip

    def __next__(self) -> str:
        line = ""
        while not line.strip(self._blank):
            try:
                line = self._text.readline(LONGEST_LINE)
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{self._path} is not text in UTF-8, near line {self.number + 1}; save it in this encoding"
                ) from error
            if not line:
                raise StopIteration
            self.number += 1
            if len(line) == LONGEST_LINE:
                raise ValueError(f"{self._path}, line {self.number}: the line has over {LONGEST_LINE - 1:,} characters")
            self.start = self.end
            if self.start == 0 and line.startswith("\ufeff"):  # the byte order mark that Excel writes
                line = line[1:]
                self.start = 3
            self.end = self.start + len(line.encode("utf-8"))
        if '"' in line and line.count('"') % 2:
            raise ValueError(f"{self._path}, line {self.number}: a quote is opened and not closed on the line")
        return line


def sniff(path: Path, rule: Rule, separator: str | None, decimal: str) -> Layout:
    """Determine the dialect of a file, its header, its label column and where its rows begin.

    By default the separator is a comma, or a tab if the name of the file ends in .tsv. It is not detected from the
    lines. Lines that seem to have another separator than this, or than that of a model's training, are refused.
    """
    with open_data(path) as stream:
        expected = str(separator or ("\t" if is_named_tsv(stream) else ","))
        lines = Lines(path, stream, separator=expected)
        first = next(lines, None)
        if first is None:
            raise ValueError(f"{path} is empty")
        body, first_line = lines.start, lines.number
        texts = [first, *_some_more(lines)]
    if separator is None or isinstance(separator, Remembered):
        refuse_other(texts, expected, str(path))
    check_dialect(expected, decimal)
    dialect = Dialect(expected, decimal)
    cells, *rows = map(dialect.split, texts)
    head = _Head(dialect, cells, rows, rule, path, first_line)
    columns, is_header = head.columns()
    if is_header:
        if not rows:
            raise ValueError(f"{path} has a header and no rows")
        cells, body, first_line = rows[0], body + len(first.encode("utf-8")), first_line + 1
    written_by_pandas = columns.index
    columns = rule.without_ignored(columns, str(path))
    label = rule.find(columns, str(path))
    layout = Layout(
        replace(columns, index=columns.index - {label}), label, body, first_line, cells, dialect, head.notes
    )
    if not layout.features:
        raise ValueError(f"{path} has a label column and no features, with {SEPARATORS[expected]} between the cells")
    if index := written_by_pandas - {label}:
        layout.notes.append(left_out([layout.column(column) for column in sorted(index)]))
    return layout


def left_out(columns: list[str]) -> str:
    """Return a note about index columns, which a model must not learn from."""
    return f"{', '.join(columns)}: an index that pandas wrote, not a feature; left out"


def warn_of(path: Path, notes: list[str]) -> None:
    """Warn with the notes on how a file was read."""
    for note in notes:
        warnings.warn(f"{path.name}: {note}", DataFileWarning, stacklevel=2)


def _some_more(lines: Lines) -> list[str]:
    """Return the following lines up to an invalid one, which the reading of rows will report."""
    more: list[str] = []
    characters = 0
    try:
        for line in itertools.islice(lines, MOST_LINES - 1):
            more.append(line)
            characters += len(line)
            if characters > MOST_CHARACTERS:
                break
    except ValueError:
        if not more:
            raise
    return more


@dataclass(frozen=True)
class _Head:
    """The first line of a file, which is a header or a row."""

    dialect: Dialect
    cells: list[str]
    rows: list[list[str]]
    """The following lines."""
    rule: Rule
    path: Path
    line: int
    notes: list[str] = field(default_factory=list)

    def columns(self) -> tuple[Columns, bool]:
        """Return the columns, and whether the line is a header.

        A line in which every cell is a number is a row, unless it counts the columns. A line of names, or with the name
        of the label column, is the header; its first columns without a name are an index.
        """
        names = [cell.strip() for cell in self.cells]
        index = frozenset(range(sum(1 for _ in itertools.takewhile(NO_NAME.fullmatch, names))))
        columns = Columns(names, len(names), index)
        if empty := [column for column in columns.data if not names[column]]:
            raise self._empty(empty[0])
        label = self.rule.cell(columns)
        others = [names[column] for column in columns.data if column != label]
        text = [name for name in others if not self.dialect.is_number(name)]
        if self.rule.is_header(names):
            return columns, True
        if text and self.dialect.separator != "," and all(map(self.dialect.hint, text)):
            raise ValueError(
                f"{self.path}, line {self.line}: {short(text[0])} is not a number{self.dialect.hint(text[0])}"
            )
        if text and len(text) == len(others):
            return columns, True
        if text:
            raise ValueError(
                f"{self.path}, line {self.line}: {short(text[0])} is not a number, so this is not a row of "
                f"numbers; it is not a header either, because it has no column {self.rule.wanted!r}"
            )
        if label is not None and not self.dialect.is_number(names[label]):
            if self._other_labels_are_numbers(label) or self._numbers_columns(others, bool(index)):
                self._note("is read as a header")
                return columns, True
        elif self._numbers_columns([names[column] for column in columns.data], bool(index)):
            self._note("counts the columns: it is not read as a row")
            return replace(columns, names=None), True
        if index and not names[0]:
            raise self._empty(0)
        if index:
            raise ValueError(
                f"{self.path}, line {self.line}: {short(names[0])} is not a number, so this is not a row of numbers"
            )
        if self._repeats_names(names, label):
            self._note("has repeated numbers with .1, .2, ..., as pandas makes names unique: it is not read as a row")
            return replace(columns, names=None), True
        first = [row[0] for row in (self.cells, *self._complete_rows())]
        if len(first) > 9 and first[0] in ("0", "1") and _counts_up(first):
            self.notes.append("column 1 counts the rows; if it is an index, remove it")
        return replace(columns, names=None), False

    def _empty(self, column: int) -> ValueError:
        expected = "expected the name of a column or a number"
        return ValueError(f"{self.path}, line {self.line}, column {column + 1}: the cell is empty; {expected}")

    def _complete_rows(self) -> list[list[str]]:
        return [row for row in self.rows if len(row) == len(self.cells)]

    def _other_labels_are_numbers(self, label: int) -> bool:
        """Return whether all labels but the first are numbers, in enough rows to be certain."""
        labels = [row[label] for row in self._complete_rows()]
        return len(labels) > 2 and all(map(self.dialect.is_number, labels))

    def _numbers_columns(self, cells: list[str], certain: bool) -> bool:
        """Return whether the cells count the columns, as pandas does without names: 0, 1, 2, ... or 1, 2, 3, 4, ...

        0, 1 and 1, 2, 3 are a header only if it is `certain` that there is one, or if a column of the rows has
        fractions.
        """
        if not cells or cells[0] not in ("0", "1") or not _counts_up(cells):
            return False
        rows = self._complete_rows()
        if certain:
            return len(cells) > 1
        if self.cells in rows or (rows and _counts_up(rows[0])):  # one of several rows that happen to count
            return False
        if len(cells) != 2 + int(cells[0]):
            return len(cells) > 2 + int(cells[0])
        if len(rows) < 3:
            return False
        if any(not any(map(_is_whole, column)) for column in zip(*rows, strict=True)):
            return True
        if cells == self.cells:
            self._note("is read as a row; if it counts the columns, remove it")
        return False

    def _repeats_names(self, names: list[str], label: int | None) -> bool:
        """Return whether the line was a row that pandas took as names and made unique: 0, 0.1, 0.2, ..."""
        seen: Counter[str] = Counter()
        for name in names:
            first, _, _ = name.partition(".")
            if name != (f"{first}.{seen[first]}" if seen[first] else first):
                return False
            seen[first] += 1
        whole = (_is_whole(cell) for row in self.rows for column, cell in enumerate(row) if column != label)
        return len(seen) < len(names) and bool(self.rows) and all(whole)

    def _note(self, what: str) -> None:
        shown = ", ".join(self.cells if len(self.cells) <= 6 else [*self.cells[:5], "..."])
        self.notes.append(f"the first line, {shown}, {what}")


def _counts_up(cells: list[str]) -> bool:
    """Return whether every cell is one more than the previous one."""
    return all(map(_is_whole, cells)) and all(int(right) == int(left) + 1 for left, right in itertools.pairwise(cells))


def _is_whole(cell: str) -> bool:
    """Return whether a cell is written as a whole number."""
    return re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", cell) is not None

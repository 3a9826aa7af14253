"""The result of a classifier, as text and as JSON."""

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.cli._terminal import styled
from fastnet.support.text import visible

__all__ = ["Result", "aligned", "format_confusion_matrix"]

MOST_CONFUSIONS = 10
WIDTH_ELSEWHERE = 120  # of output that does not go to a terminal
LONGEST_NAME = 12


@dataclass(frozen=True)
class Result:
    """Result of a classifier on labeled rows.

    Attributes
    ----------
    matrix : ndarray of shape (k, k), int64
        The confusion matrix: rows are true classes, columns predicted classes.
    class_names : list of str
        The name of each class.
    """

    matrix: NDArray[np.int64]
    class_names: list[str]

    @property
    def rows(self) -> int:
        """Number of rows that were classified."""
        return int(self.matrix.sum())

    @property
    def correct(self) -> int:
        """Number of correctly classified rows."""
        return int(self.matrix.trace())

    @property
    def accuracy(self) -> float:
        """Fraction of correctly classified rows."""
        return self.correct / self.rows

    @property
    def score(self) -> float:
        """The figure that tells good models from bad ones."""
        return self.accuracy

    score_name = "accuracy"

    def figures(self) -> dict[str, Any]:
        """Return the figures that a model file keeps."""
        return {"accuracy": self.accuracy, "correct": self.correct}

    def headline(self, where: str) -> tuple[str, str]:
        """Return the most important figure, and the others; `where` is for "Held-out" or nothing."""
        name = f"{where} accuracy".strip()
        return f"{name[0].upper()}{name[1:]}: {self.accuracy:.2%}", f"{self.correct:,} of {self.rows:,} rows"

    def details(self) -> str:
        """Return the confusion matrix."""
        return format_confusion_matrix(self)

    def as_json(self) -> dict[str, Any]:
        """Return the result as a JSON-serializable dictionary."""
        return {
            "task": "classification",
            "rows": self.rows,
            "correct": self.correct,
            "accuracy": self.accuracy,
            "classes": self.class_names,
            "confusion_matrix": self.matrix.tolist(),
        }


def format_confusion_matrix(result: Result, width: int | None = None) -> str:
    """Return the confusion matrix as aligned text, or the most frequent confusions if it is too wide.

    Parameters
    ----------
    result : Result
        The result with the matrix and the class names.
    width : int, optional
        The maximum width of the text; by default that of the terminal, and 120 where the output is not one.

    Examples
    --------
    >>> import numpy as np
    >>> print(format_confusion_matrix(Result(np.array([[5, 1], [0, 4]]), ["cat", "dog"])))
    Confusion matrix (rows: true class, columns: predicted class)
         cat  dog  recall
    cat    5    1   83.3%
    dog    .    4  100.0%
    """
    names = [
        name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 3] + "..."
        for name in map(visible, result.class_names)
    ]
    totals = result.matrix.sum(axis=1)
    table = [["", *names, "recall"]]
    for index, (name, row) in enumerate(zip(names, result.matrix.tolist(), strict=True)):
        recall = f"{row[index] / totals[index]:.1%}" if totals[index] else "-"
        table.append([name, *(str(count) if count else "." for count in row), recall])
    if width is None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDTH_ELSEWHERE
    needed = max(map(len, aligned(table).splitlines()))
    if needed > width:
        too_wide = f"The confusion matrix takes {needed} columns: it is in the output of --json and in reports"
        return f"{_format_confusions(result)}\n\n{too_wide}"
    wrong = _confusions(result)
    frequent = 2 * wrong >= max(wrong.max(), 1)  # half as often as the most frequent confusion, or more

    def paint(row: int, column: int, cell: str) -> str:
        is_count = row > 0 and 0 < column <= len(wrong)
        return styled(cell, "red", sys.stdout) if is_count and frequent[row - 1, column - 1] else cell

    return f"Confusion matrix (rows: true class, columns: predicted class)\n{aligned(table, paint=paint)}"


def _confusions(result: Result) -> NDArray[np.int64]:
    """Return the confusion matrix with a zero diagonal."""
    wrong = result.matrix.copy()
    np.fill_diagonal(wrong, 0)
    return wrong


def _format_confusions(result: Result) -> str:
    wrong = _confusions(result)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    cells = [divmod(int(cell), len(wrong)) for cell in order]
    names = result.class_names
    rows = [[names[cell[0]], names[cell[1]], str(wrong[cell])] for cell in cells if wrong[cell]]
    if not rows:
        return "No row was confused."
    return "Most frequent confusions\n" + aligned([["true", "predicted", "rows"], *rows], left=2)


def aligned(table: Sequence[Sequence[str]], left: int = 1, paint: Callable[[int, int, str], str] | None = None) -> str:
    """Return the cells of a table in aligned columns: the first `left` ones to the left, the others to the right.

    `paint` returns the padded cell of a row and a column with its color.
    """
    table = [[visible(cell) for cell in row] for row in table]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for number, row in enumerate(table):
        cells = [
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        if paint is not None:
            cells = [paint(number, column, cell) for column, cell in enumerate(cells)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)

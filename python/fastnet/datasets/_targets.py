"""Targets that are numbers, for a regression, and how they are told from the labels of classes."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._dialect import NO_VALUE, Dialect, short
from fastnet.datasets._labels import label_text, number_in

__all__ = ["are_class_numbers", "are_numbers", "as_numbers", "refuse_spoiled_names", "refuse_spoiled_numbers"]

AS_CLASSES = "encode=True (--task classification)"
FEW_CLASSES = 20
ROWS_PER_CLASS = 5


def are_numbers(targets: NDArray[Any], decimal: str = ".") -> bool:
    """Return whether targets seem to be the numbers of a regression, not labels.

    Text, bools and one-hot rows are labels, numbers with a fraction are not. Whole numbers are labels by the rule of
    `are_class_numbers`.

    Parameters
    ----------
    targets : ndarray of shape (n,), (n, 1) or (n, k)
        Numbers, or text as in a file.
    decimal : {".", ","}, default "."
        The decimal sign of numbers in text.
    """
    if targets.ndim > 1 and targets.shape[1:] != (1,):
        return targets.dtype.kind in "uif" and not np.isin(targets, (0, 1)).all()
    targets = targets.reshape(-1)
    if targets.dtype.kind in "OUST":
        distinct_texts = {str(target).strip() for target in targets.tolist()}
        return _are_numbers_in_text(distinct_texts, len(targets), Dialect(decimal=decimal))
    if targets.dtype.kind not in "uif":
        return False
    distinct = np.unique(targets)
    if targets.dtype.kind == "f" and not (distinct == np.floor(distinct)).all():
        return True
    return not are_class_numbers([int(number) for number in distinct.tolist()], len(targets))


def _are_numbers_in_text(distinct: set[str], rows: int, dialect: Dialect) -> bool:
    if not all(map(dialect.is_number, distinct)):
        return False
    if not all(dialect.number(text).is_integer() for text in distinct):
        return True
    whole = [number_in(text.replace(dialect.decimal, ".")) for text in distinct]
    codes = [int(number) for number in whole if number is not None]
    return len(codes) == len(whole) and not are_class_numbers(sorted(set(codes)), rows)


def are_class_numbers(distinct: list[int], rows: int) -> bool:
    """Return whether whole numbers seem to be labels: at least two of three properties hold.

    There are at most 20 of them, each occurs five times on average, and they count from 0 or 1 without gaps. A single
    number is a label.
    """
    few = len(distinct) <= FEW_CLASSES
    repeated = rows >= ROWS_PER_CLASS * len(distinct)
    counting = bool(distinct) and distinct[0] in (0, 1) and distinct[-1] - distinct[0] + 1 == len(distinct)
    return len(distinct) == 1 or few + repeated + counting >= 2


def refuse_spoiled_numbers(
    targets: NDArray[Any], where: str, decimal: str = ".", line_of: Callable[[int], int] | None = None
) -> None:
    """Refuse text that would become classes although it seems to be numbers for a regression, but for a few cells.

    Parameters
    ----------
    targets : ndarray of shape (n,)
        The cells of a table.
    where : str
        A description of the targets, for messages.
    decimal : {".", ","}, default "."
        The decimal sign.
    line_of : callable, optional
        The line of a row in a text file, for messages.

    Raises
    ------
    ValueError
        Text is among numbers, and at least half of the distinct cells are numbers with a fraction, or the text only
        marks missing values of a regression. Or more than half of over 20 cells are distinct.
    """
    if targets.dtype.kind not in "OUST":
        return
    texts = list(map(label_text, targets.tolist()))
    rows = {text: row for row, text in reversed(list(enumerate(texts)))}
    place = (lambda row: f" in row {row}") if line_of is None else (lambda row: f" in line {line_of(row)}")
    refuse_spoiled_names(rows, len(texts), where, decimal, place)


def refuse_spoiled_names(
    first_rows: Mapping[str, int],
    count: int,
    where: str,
    decimal: str = ".",
    place: Callable[[int], str] = lambda row: "",  # noqa: ARG005
) -> None:
    """Check distinct texts of `count` rows as `refuse_spoiled_numbers` does; `place` describes the first row of one."""
    dialect = Dialect(decimal=decimal)
    numbers = [text for text in first_rows if dialect.is_number(text)]
    others = sorted(set(first_rows) - set(numbers), key=lambda text: first_rows[text])
    if not others or "" in others:  # a missing label has an error of its own
        return
    many = count > FEW_CLASSES and 2 * len(first_rows) > count
    values = map(dialect.number, numbers)
    fractions = sum(math.isfinite(value) and not value.is_integer() for value in values)
    gaps = {other.lower() for other in others} <= NO_VALUE and _are_numbers_in_text(set(numbers), count, dialect)
    example = f"{short(others[0])}{place(first_rows[others[0]])}"
    if 2 * fractions >= len(first_rows) or gaps or (many and 2 * len(numbers) >= len(first_rows)):
        raise ValueError(f"{where} are numbers but for {example}: give rows with numbers only, or {AS_CLASSES}")
    if many:
        raise ValueError(
            f"{where} are {len(first_rows):,} different texts in {count:,} rows, such as {example}: give another column, "
            f"numbers without other characters, or {AS_CLASSES}"
        )


def as_numbers(targets: NDArray[Any], where: str, decimal: str = ".") -> NDArray[np.float64]:
    """Return the targets of a regression as numbers.

    Parameters
    ----------
    targets : ndarray of shape (n,), (n, 1) or (n, k)
        Numbers, or text as in a file.
    where : str
        A description of the targets, for messages.
    decimal : {".", ","}, default "."
        The decimal sign of numbers in text.

    Returns
    -------
    ndarray of shape (n,) or (n, k), float64

    Raises
    ------
    ValueError
        If a target is not a finite number, or `targets` has another shape.
    """
    if targets.ndim not in (1, 2) or 0 in targets.shape[1:]:
        raise ValueError(f"{where} have shape {targets.shape}; expected (samples,) or (samples, outputs)")
    if targets.shape[1:] == (1,):
        targets = targets.reshape(-1)
    if targets.dtype.kind in "OUST":
        numbers = _from_cells(targets, where, Dialect(decimal=decimal))
    elif targets.dtype.kind in "buif":
        numbers = targets.astype(np.float64)
    else:
        raise ValueError(f"{where} have dtype {targets.dtype}; expected numbers")
    if not (finite := np.isfinite(numbers)).all():
        row = int(np.argwhere(~finite)[0, 0])
        raise ValueError(f"{where} must be finite numbers; got {targets[row]} in row {row}")
    return numbers


def _from_cells(cells: NDArray[Any], where: str, dialect: Dialect) -> NDArray[np.float64]:
    numbers = np.empty(cells.shape, np.float64)
    for place, cell in zip(np.ndindex(cells.shape), cells.reshape(-1).tolist(), strict=True):
        text = "" if cell is None else cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)
        try:
            numbers[place] = dialect.number(text)
        except ValueError:
            got = short(text) if text.strip() else "nothing"
            raise ValueError(
                f"{where} must be numbers for a regression; got {got} in row {place[0]}{dialect.hint(text)}"
            ) from None
    return numbers

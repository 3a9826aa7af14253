"""Targets that are numbers, for a regression, and how they are told from the labels of classes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.datasets._dialect import Dialect, short
from fastnet.datasets._labels import number_in

__all__ = ["are_class_numbers", "are_numbers", "as_numbers"]

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
        return _are_numbers_in_text([str(target).strip() for target in targets.tolist()], Dialect(decimal=decimal))
    if targets.dtype.kind not in "uif":
        return False
    distinct = np.unique(targets)
    if targets.dtype.kind == "f" and not (distinct == np.floor(distinct)).all():
        return True
    return not are_class_numbers([int(number) for number in distinct.tolist()], len(targets))


def _are_numbers_in_text(texts: list[str], dialect: Dialect) -> bool:
    distinct = set(texts)
    if not all(map(dialect.is_number, distinct)):
        return False
    if not all(dialect.number(text).is_integer() for text in distinct):
        return True
    whole = [number_in(text.replace(dialect.decimal, ".")) for text in distinct]
    codes = [int(number) for number in whole if number is not None]
    return len(codes) == len(whole) and not are_class_numbers(sorted(set(codes)), len(texts))


def are_class_numbers(distinct: list[int], rows: int) -> bool:
    """Return whether whole numbers seem to be labels: at least two of three properties hold.

    There are at most 20 of them, each occurs five times on average, and they count from 0 or 1 without gaps. A single
    number is a label.
    """
    few = len(distinct) <= FEW_CLASSES
    repeated = rows >= ROWS_PER_CLASS * len(distinct)
    counting = bool(distinct) and distinct[0] in (0, 1) and distinct[-1] - distinct[0] + 1 == len(distinct)
    return len(distinct) == 1 or few + repeated + counting >= 2


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

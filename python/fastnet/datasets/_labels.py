"""Encoding of labels as codes from 0 to the number of classes - 1."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FOR_REGRESSION", "encode", "label_text", "number_in"]

FOR_REGRESSION = "targets that are numbers, for a regression, need encode=False (--task regression)"
MOST_DIGITS = 4000  # of a label that is a number; the limit of Python's conversion


def encode(
    labels: NDArray[Any], where: str, rows: Sequence[int] | None = None
) -> tuple[NDArray[np.int64], list[str] | None]:
    """Return integer codes for labels, and the text of each code.

    Parameters
    ----------
    labels : ndarray of shape (n,), (n, 1) or (n, k)
        Whole numbers, text, or one-hot rows. Text that is a whole number in every row counts as numbers: 1, 1.0 and +1
        are one class. Text with leading zeros or an exponent, such as 007 and 1E5, is a code, and then all labels stay
        text.
    where : str
        A description of the labels, for messages.
    rows : sequence of int, optional
        The numbers of the rows for messages; by default they count from 0.

    Returns
    -------
    codes : ndarray of shape (n,), int64
        The index of each label among the distinct labels, sorted as by `numpy.unique`.
    classes : list of str or None
        The distinct labels as text; None if they are the numbers from 0 to k - 1, which are their own codes.

    Raises
    ------
    ValueError
        If a label is missing, NaN or a number with a fraction, or if `labels` has another shape.
    """
    if labels.ndim == 2 and labels.shape[1] > 1:
        return _from_one_hot(labels, where)
    rows = range(len(labels)) if rows is None else rows
    if labels.ndim not in (1, 2):
        raise ValueError(f"{where} have shape {labels.shape}; expected (samples,) or one-hot rows (samples, classes)")
    labels = labels.reshape(-1)
    if labels.dtype.kind in "OUST":
        return _from_text(labels, where, rows)
    if labels.dtype.kind in "buif":
        return _from_numbers(labels, where, rows)
    raise ValueError(f"{where} have dtype {labels.dtype}; expected integers or text")


def _from_one_hot(rows: NDArray[Any], where: str) -> tuple[NDArray[np.int64], list[str] | None]:
    if rows.dtype.kind not in "buif" or not (((rows == 0) | (rows == 1)).all() and (rows.sum(axis=1) == 1).all()):
        raise ValueError(f"{where} have shape {rows.shape}, but are not one-hot rows: a single 1 and zeros in each")
    return rows.argmax(axis=1).astype(np.int64), None


def _from_numbers(numbers: NDArray[Any], where: str, rows: Sequence[int]) -> tuple[NDArray[np.int64], list[str] | None]:
    if numbers.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            wrong = ~np.isfinite(numbers) | (numbers != np.floor(numbers)) | (np.abs(numbers) >= 2.0**63)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise _not_a_label(where, float(numbers[row]), rows[row])
        numbers = numbers.astype(np.int64)
    distinct, codes = np.unique(numbers, return_inverse=True)
    own_codes = np.array_equal(distinct, np.arange(len(distinct)))
    return codes.astype(np.int64), None if own_codes else [str(int(number)) for number in distinct]


def _from_text(labels: NDArray[Any], where: str, rows: Sequence[int]) -> tuple[NDArray[np.int64], list[str] | None]:
    first_rows: dict[str, int] = {}
    texts = []
    for row, label in zip(rows, labels.tolist(), strict=True):
        text = label_text(label)
        if not text:
            raise ValueError(f"{where}: the label in row {row} is missing")
        texts.append(text)
        first_rows.setdefault(text, row)
    numbers = {text: number for text in first_rows if (number := number_in(text)) is not None}
    if len(numbers) == len(first_rows):
        return _from_numbers_in_text(texts, numbers, first_rows, where)
    return _places(texts, sorted(first_rows))


def _from_numbers_in_text(
    texts: list[str], numbers: dict[str, int | float], first_rows: dict[str, int], where: str
) -> tuple[NDArray[np.int64], list[str] | None]:
    """Return the codes of whole numbers of any size, given as text."""
    for text, number in numbers.items():
        if not (isinstance(number, int) or (abs(number) < 2.0**63 and number.is_integer())):
            raise _not_a_label(where, number, first_rows[text])
    whole = {text: int(number) for text, number in numbers.items()}
    codes, classes = _places([whole[text] for text in texts], sorted(set(whole.values())))
    return codes, None if classes == [str(code) for code in range(len(classes))] else classes


def _not_a_label(where: str, number: float, row: int) -> ValueError:
    hint = f"; {FOR_REGRESSION}" if math.isfinite(number) else ""
    return ValueError(f"{where} must be whole numbers or text; got {number:g} in row {row}{hint}")


def _places(labels: list[Any], distinct: list[Any]) -> tuple[NDArray[np.int64], list[str]]:
    """Return the index of each label among the distinct ones, and these as text."""
    place = {label: code for code, label in enumerate(distinct)}
    return np.array([place[label] for label in labels], dtype=np.int64), [str(label) for label in distinct]


def label_text(label: Any) -> str:
    """Return a label as text, without spaces around it; a missing one is empty."""
    if label is None or (isinstance(label, float) and math.isnan(label)):
        return ""
    return (label.decode("utf-8", "backslashreplace") if isinstance(label, bytes) else str(label)).strip()


def number_in(text: str) -> int | float | None:
    """Return the number in a text, in the notation of numpy.loadtxt: no underscores, ASCII only.

    None for codes that are not just a number: 007, 1E5.
    """
    if "_" in text or not text.isascii() or re.match(r"[+-]?0\d", text):
        return None
    if whole := re.fullmatch(r"([+-]?\d+)(\.0*)?", text):
        return int(whole[1]) if len(whole[1]) <= MOST_DIGITS else None
    try:
        number = float(text)
    except ValueError:
        return None
    return None if "e" in text.lower() and number.is_integer() and abs(number) < 2.0**63 else number

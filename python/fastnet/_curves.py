"""The figures of every epoch, wherever they are kept: in a history, a dictionary, a CSV or a JSON file."""

import csv
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fastnet._validation import describe


class Curve(NamedTuple):
    """A figure over the epochs, which count from 1."""

    epochs: list[int]
    values: list[float]


def curves_of(history: Any) -> dict[str, Curve]:
    """Return the curve of every figure of a training.

    Parameters
    ----------
    history : History, dict or path
        What `fit` returned; or a dictionary from names to the values of all epochs, as its attribute `history` is; or a
        file of `CSVLogger` or a JSON file with such a dictionary. "epoch" there is the number of each epoch, from 0.

    Raises
    ------
    TypeError
        `history` is none of these.
    ValueError
        It holds something else than numbers, or no epoch.
    """
    if isinstance(history, str | os.PathLike):
        history = _read(Path(history))
    if callable(getattr(history, "curves", None)):
        curves: dict[str, Curve] = history.curves()
    elif isinstance(history, Mapping):
        curves = _from_mapping(history)
    else:
        raise TypeError(f"history must be a History, a dictionary or a path; got {describe(history)}")
    if not any(curve.values for curve in curves.values()):
        raise ValueError("the history has no epochs")
    return curves


def _from_mapping(columns: Mapping[str, Any]) -> dict[str, Curve]:
    if isinstance(columns.get("history"), Mapping):
        columns = {"epoch": columns.get("epoch"), **columns["history"]}
    epochs = columns.get("epoch")
    curves = {}
    for name, values in columns.items():
        if name == "epoch":
            continue
        if not isinstance(values, Iterable) or isinstance(values, str | Mapping):
            raise ValueError(f"{name} of the history must be a list of numbers; got {describe(values)}")
        numbers = [_number(name, value) for value in values]
        first = range(len(numbers)) if epochs is None else epochs
        if len(first) != len(numbers):
            raise ValueError(f"{name} of the history must have {len(first)} values, one an epoch; got {len(numbers)}")
        pairs = [(int(epoch) + 1, number) for epoch, number in zip(first, numbers, strict=True) if number is not None]
        curves[str(name)] = Curve([epoch for epoch, _ in pairs], [number for _, number in pairs])
    return curves


def _number(name: str, value: Any) -> float | None:
    """Return a value of a curve; None where an epoch has none."""
    if value is None or value in ("", "NA"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} of the history must hold numbers; got {describe(value)}") from None


def _read(path: Path) -> Mapping[str, Any]:
    """Return the columns of a CSV or JSON file."""
    text = path.read_text(encoding="utf-8")
    try:
        if text.lstrip()[:1] in ("{", "["):
            found = json.loads(text)
            if not isinstance(found, Mapping):
                raise ValueError("it is no JSON object")
            return found
        rows = list(csv.DictReader(text.splitlines()))
        names = list(rows[0]) if rows else []
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("its rows differ in length")
        return {name: [row[name] for row in rows] for name in names}
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} is not a history in CSV or JSON: {error}") from None

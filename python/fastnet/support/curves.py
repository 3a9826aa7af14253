"""Learning curves from a history, a dictionary, a CSV or a JSON file."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fastnet.support.validation import describe


class Curve(NamedTuple):
    """A figure over the epochs, counted from 1."""

    epochs: list[int]
    values: list[float]


def curves_of(history: Any) -> dict[str, Curve]:
    """Return the curve of every figure of a training run.

    Parameters
    ----------
    history : History, dict or path
        The result of `fit`; or a dictionary from names to the values of all epochs, like its attribute `history`; or a
        file of `CSVLogger`, or a JSON file with such a dictionary, with "epoch" as the numbers of the epochs, from 0 or
        1.

    Raises
    ------
    TypeError
        `history` is none of these.
    ValueError
        It holds values that are not numbers, or no epoch.
    """
    if isinstance(history, str | os.PathLike):
        history = _read(history)
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
    epochs, epochs_of = columns.get("epoch"), columns.get("epochs_of", {})
    nested = columns.get("history")
    if isinstance(nested, Mapping):  # the form of `History.as_dict`
        figures, first = nested, 0
    else:
        figures = {name: values for name, values in columns.items() if name != "epoch"}
        first = 0 if epochs is not None and _numbers("epoch", epochs)[:1] == [0.0] else 1
    return {str(name): _curve(name, values, epochs_of.get(name, epochs), first) for name, values in figures.items()}


def _curve(name: str, values: Any, epochs: Any, first: int) -> Curve:
    """Return the curve of a figure; `first` is the number of the first of all epochs."""
    numbers = _numbers(name, values)
    of = range(first, first + len(numbers)) if epochs is None else _numbers("epoch", epochs)
    if len(of) != len(numbers):
        raise ValueError(f"{name} of the history must have {len(of)} values, one per epoch; got {len(numbers)}")
    curve = Curve([], [])
    for epoch, number in zip(of, numbers, strict=True):
        if epoch is not None and number is not None:
            curve.epochs.append(int(epoch) + 1 - first)
            curve.values.append(number)
    return curve


def _numbers(name: str, values: Any) -> list[float | None]:
    """Return the values of a figure, with None for epochs without one."""
    if not isinstance(values, Iterable) or isinstance(values, str | Mapping):
        raise ValueError(f"{name} of the history must be a list of numbers; got {describe(values)}")
    return [_number(name, value) for value in values]


def _number(name: str, value: Any) -> float | None:
    if value is None or value in ("", "NA"):
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} of the history must hold numbers; got {describe(value)}") from None


def _read(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """Return the columns of a CSV or JSON file."""
    import csv  # not at the top: they would slow down `import fastnet`
    from pathlib import Path

    from fastnet.support.json_values import parse_bounded

    text = Path(path).read_text(encoding="utf-8")
    try:
        if text.lstrip()[:1] in ("{", "["):
            found = parse_bounded(text)
            if not isinstance(found, Mapping):
                raise ValueError("it is not a JSON object")
            return found
        rows = list(csv.DictReader(text.splitlines()))
        names = list(rows[0]) if rows else []
        if any(None in row or None in row.values() for row in rows):
            raise ValueError("its rows differ in length")
        return {name: [row[name] for row in rows] for name in names}
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path} is not a history in CSV or JSON: {error}") from None

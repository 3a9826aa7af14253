"""Predictions of a model, made as they are written, and their layouts: CSV, a submission to a contest, JSON."""

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.cli._output import as_document

__all__ = ["WRITERS", "Part", "Predictions", "Row", "Submission"]

ROWS_AT_ONCE = 4096  # as objects of Python


class Part(NamedTuple):
    """Predictions for some rows: of a classifier, or of a regression."""

    codes: NDArray[np.int64] | None
    """The class of each row; None for a regression."""
    values: NDArray[Any]
    """The probability of that class, shape (rows,), or the outputs of a regression, shape (rows, outputs)."""
    probabilities: NDArray[Any] | None = None
    """The probabilities of all classes, if requested: shape (rows, classes)."""

    def ordered(self, order: Sequence[int]) -> "Part":
        """Return the predictions for these rows, in this order."""
        codes = None if self.codes is None else self.codes[order]
        return Part(codes, self.values[order], None if self.probabilities is None else self.probabilities[order])

    @classmethod
    def joined(cls, parts: Iterable["Part"]) -> "Part":
        """Return the predictions of several parts as one."""
        codes, values, probabilities = zip(*parts, strict=True)
        return cls(
            None if codes[0] is None else np.concatenate(codes),
            np.concatenate(values),
            None if probabilities[0] is None else np.concatenate(probabilities),
        )


class Row(NamedTuple):
    """The prediction for one row."""

    name: str | None
    """The class; None for a regression."""
    values: list[float]
    """The probability of the class and, if requested, those of all classes, or the outputs of a regression."""

    @property
    def texts(self) -> list[str]:
        """The values as text: probabilities with six digits, other numbers with all."""
        return [repr(value) if self.name is None else f"{value:.6f}" for value in self.values]


class Submission(NamedTuple):
    """The layout of a submission to a contest.

    Attributes
    ----------
    header : list of str
        The names of the columns, the first of which names the rows.
    places : list of int
        Where in `Row.values` the values of the other columns are; empty for one column with the class.
    """

    header: list[str]
    places: list[int]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for rows; for those of data on the disk they are made as they are written.

    Attributes
    ----------
    names : list of str or None
        The classes; None for a regression.
    outputs : int
        The number of outputs of a regression.
    ids : list of str or None
        The name of each row, and the name of their column.
    """

    model: str
    data: str
    names: list[str] | None
    outputs: int
    count: int
    parts: Iterable[Part]
    with_all: bool
    """Whether the probabilities of all classes are requested."""
    id_column: str | None = None
    ids: Sequence[str] | None = None
    submission: Submission | None = None

    @property
    def columns(self) -> list[str]:
        """The names of the columns of CSV, without that of the rows."""
        if self.names is None:
            several = [f"prediction_{output}" for output in range(self.outputs)]
            return several if self.outputs > 1 else ["prediction"]
        return ["class", "probability", *(f"p_{name}" for name in (self.names if self.with_all else []))]

    def rows(self) -> Iterator[Row]:
        """Yield the prediction for each row."""
        for part in self.parts:
            for first in range(0, len(part.values), ROWS_AT_ONCE):
                yield from self._rows_of(part, slice(first, first + ROWS_AT_ONCE))

    def _rows_of(self, part: Part, rows: slice) -> Iterator[Row]:
        if part.codes is None or self.names is None:
            # By their shortest text, which gives the same number again in the dtype of the model.
            yield from (Row(None, list(map(float, texts))) for texts in part.values[rows].astype(str).tolist())
            return
        values = part.values[rows, None]
        if part.probabilities is not None:
            values = np.concatenate([values, part.probabilities[rows]], axis=1)
        for code, row in zip(part.codes[rows].tolist(), values.tolist(), strict=True):
            yield Row(self.names[code], row)

    def named(self) -> Iterator[tuple[list[str], Row]]:
        """Yield the name of each row, in a list that is empty without names, and the prediction for it."""
        ids = None if self.ids is None else iter(self.ids)
        for row in self.rows():
            yield ([] if ids is None else [next(ids)]), row


def _write_csv(file: IO[str], predictions: Predictions) -> None:
    writer = csv.writer(file, lineterminator="\n")
    head = [predictions.id_column] if predictions.ids is not None else []
    writer.writerow([*head, *predictions.columns])
    for name, row in predictions.named():
        writer.writerow([*name, *([] if row.name is None else [row.name]), *row.texts])


def _write_submission(file: IO[str], predictions: Predictions) -> None:
    """Write the name of each row, or its number from 1, and its class, its numbers or the probabilities of classes."""
    submission = predictions.submission or Submission(["ImageId", "Label"], [])
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(submission.header)
    for number, (name, row) in enumerate(predictions.named(), start=1):
        predicted: list[str] = [row.texts[place] for place in submission.places] or [row.name or row.texts[0]]
        writer.writerow([*(name or [str(number)]), *predicted])


def _write_json(file: IO[str], predictions: Predictions) -> None:
    """Write one document, its rows as they come."""
    facts: dict[str, Any] = {"model": predictions.model, "data": predictions.data, "rows": predictions.count}
    if predictions.names is not None:
        facts["classes"] = predictions.names
    head, end = json.dumps(as_document("predict", {**facts, "predictions": [0]}), indent=2).split("\n    0\n")
    encode = json.JSONEncoder(indent=2, allow_nan=False).encode
    file.write(head)
    for number, (name, row) in enumerate(predictions.named()):
        own = {"id": name[0]} if name else {}
        text = f"\n{encode({**own, **_as_json(row)})}".replace("\n", "\n    ")  # of the document's third level
        file.write(f",{text}" if number else text)
    file.write(f"\n{end}\n")


def _as_json(row: Row) -> dict[str, Any]:
    numbers = row.values
    if row.name is None:
        return {"prediction": numbers[0] if len(numbers) == 1 else numbers}
    every = {"probabilities": numbers[1:]} if len(numbers) > 1 else {}
    return {"class": row.name, "probability": numbers[0], **every}


WRITERS: dict[str, Callable[[IO[str], Predictions], None]] = {
    "csv": _write_csv,
    "kaggle": _write_submission,
    "json": _write_json,
}

"""``fastnet predict``: the class of every row, as CSV, for Kaggle or as JSON."""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from fastnet.cli._data import load_for_model, open_for_model, source_of, stays_on_disk
from fastnet.cli._output import as_document, check_output, note, print_json
from fastnet.cli._terminal import Guarded
from fastnet.datasets import Dataset, StoredDataset
from fastnet.files.atomic import atomic_write
from fastnet.files.names import format_of
from fastnet.inputs.samples import check_finite
from fastnet.inputs.windows import EVALUATION_BYTES
from fastnet.models import Sequential
from fastnet.models.classes import as_classes, class_names_of, probabilities_of
from fastnet.quantization import QuantizedModel
from fastnet.serialization import load_model
from fastnet.support.config import set_num_threads

__all__ = ["run"]


ROWS_AT_ONCE = 4096  # as objects of Python


class Part(NamedTuple):
    """Predictions for some rows."""

    codes: NDArray[np.int64]
    probability: NDArray[Any]
    probabilities: NDArray[Any] | None
    """The probabilities of all classes, if requested: shape (rows, classes)."""


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for rows; for those of data on the disk they are made as they are written."""

    model: str
    data: str
    names: list[str]
    count: int
    parts: Iterable[Part]
    with_all: bool
    """Whether the probabilities of all classes are requested."""

    def rows(self) -> Iterator[tuple[str, float, list[float]]]:
        """Yield the class of each row, its probability and, if requested, those of all classes."""
        for part in self.parts:
            for first in range(0, len(part.codes), ROWS_AT_ONCE):
                rows = slice(first, first + ROWS_AT_ONCE)
                codes, probability = part.codes[rows].tolist(), part.probability[rows].tolist()
                every = [[]] * len(codes) if part.probabilities is None else part.probabilities[rows].tolist()
                for code, one, others in zip(codes, probability, every, strict=True):
                    yield self.names[code], one, others


def run(arguments: argparse.Namespace) -> int:
    """Write the class of each row of the data and its probability."""
    to_file = arguments.out not in (None, "-")
    as_json = format_of(arguments.out) == "JSON" if to_file else arguments.json
    layout = arguments.format or ("json" if as_json else "csv")
    if to_file:
        formats = ["JSON" if layout == "json" else "CSV"]
        check_output(arguments.out, inputs=[arguments.model, arguments.data], formats=formats)
    if arguments.threads:
        set_num_threads(arguments.threads)
    predictions = _predict(arguments)
    if to_file:
        with atomic_write(arguments.out, "w") as file:
            WRITERS[layout](cast(IO[str], Guarded(file)) if file.isatty() else file, predictions)
        note(f"{predictions.count:,} predictions written to {arguments.out}", arguments.quiet)
        if arguments.json:
            facts = {"rows": predictions.count, "file": arguments.out, "format": layout}
            print_json("predict", {"model": arguments.model, "data": arguments.data, **facts})
    else:
        WRITERS[layout](sys.stdout, predictions)
    return 0


def _predict(arguments: argparse.Namespace) -> Predictions:
    model = load_model(arguments.model, compile=False)
    names = class_names_of(model)
    assert model.input_shape is not None
    data: Dataset | StoredDataset
    parts: Iterable[Part]
    if stays_on_disk(source_of(arguments.data)):
        data = stored = open_for_model(arguments, model, with_labels=False)
        spans = stored.spans(EVALUATION_BYTES)
        parts = (_stored_part(model, stored, first, last, arguments.probabilities) for first, last in spans)
    else:
        data = load_for_model(arguments, model, with_labels=False)
        # Before anything is written, so that nothing is if a row is refused.
        parts = [_part(model, data.x.reshape(-1, *model.input_shape), 0, arguments.probabilities)]
    return Predictions(arguments.model, arguments.data, names, len(data), parts, arguments.probabilities)


def _stored_part(
    model: Sequential | QuantizedModel, data: StoredDataset, first: int, last: int, with_all: bool
) -> Part:
    x = data.read_samples(first, last)
    check_finite(data.name, x, model.dtype, model.feature_names, first)
    return _part(model, x, first, with_all)


def _part(model: Sequential | QuantizedModel, x: NDArray[Any], first: int, with_all: bool) -> Part:
    outputs = model.predict(x, verbose=0)
    codes, probability = as_classes(outputs, first)
    return Part(codes, probability, probabilities_of(outputs) if with_all else None)


# ---- Layouts --------------------------------------------------------------------------------------------------------


def _write_csv(file: IO[str], predictions: Predictions) -> None:
    writer = csv.writer(file, lineterminator="\n")
    others = [f"p_{name}" for name in predictions.names] if predictions.with_all else []
    writer.writerow(["class", "probability", *others])
    writer.writerows(
        [name, *(f"{value:.6f}" for value in (probability, *every))] for name, probability, every in predictions.rows()
    )


def _write_kaggle(file: IO[str], predictions: Predictions) -> None:
    """Write a submission for Kaggle's Digit Recognizer: the number of each image, from 1, and its class."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["ImageId", "Label"])
    writer.writerows((number, name) for number, (name, *_) in enumerate(predictions.rows(), start=1))


def _write_json(file: IO[str], predictions: Predictions) -> None:
    """Write one document, its rows as they come."""
    count = predictions.count
    facts = {"model": predictions.model, "data": predictions.data, "rows": count, "classes": predictions.names}
    head, end = json.dumps(as_document("predict", {**facts, "predictions": [0]}), indent=2).split("\n    0\n")
    encode = json.JSONEncoder(indent=2, allow_nan=False).encode
    file.write(head)
    for number, (name, probability, every) in enumerate(predictions.rows()):
        row = {"class": name, "probability": probability, **({"probabilities": every} if every else {})}
        text = f"\n{encode(row)}".replace("\n", "\n    ")  # of the document's third level
        file.write(f",{text}" if number else text)
    file.write(f"\n{end}\n")


WRITERS: dict[str, Callable[[IO[str], Predictions], None]] = {
    "csv": _write_csv,
    "kaggle": _write_kaggle,
    "json": _write_json,
}

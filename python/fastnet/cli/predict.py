"""``fastnet predict``: the class of every row, as CSV, for Kaggle or as JSON."""

import argparse
import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from fastnet.cli._data import load_for_model
from fastnet.cli._output import as_document, check_output, note, print_json
from fastnet.cli._terminal import Guarded
from fastnet.files.atomic import atomic_write
from fastnet.files.names import format_of
from fastnet.models.classes import as_classes, class_names_of, probabilities_of
from fastnet.serialization import load_model
from fastnet.support.config import set_num_threads

__all__ = ["run"]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for rows."""

    model: str
    data: str
    names: list[str]
    codes: NDArray[np.int64]
    probability: NDArray[Any]
    probabilities: NDArray[Any] | None
    """The probabilities of all classes, if requested: shape (rows, classes)."""

    def rows(self) -> Iterator[tuple[str, float, list[float]]]:
        """Yield the class of each row, its probability and, if requested, those of all classes."""
        every = [[]] * len(self.codes) if self.probabilities is None else self.probabilities.tolist()
        for code, probability, others in zip(self.codes.tolist(), self.probability.tolist(), every, strict=True):
            yield self.names[code], probability, others


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
        note(f"{len(predictions.codes):,} predictions written to {arguments.out}", arguments.quiet)
        if arguments.json:
            facts = {"rows": len(predictions.codes), "file": arguments.out, "format": layout}
            print_json("predict", {"model": arguments.model, "data": arguments.data, **facts})
    else:
        WRITERS[layout](sys.stdout, predictions)
    return 0


def _predict(arguments: argparse.Namespace) -> Predictions:
    model = load_model(arguments.model, compile=False)
    names = class_names_of(model)
    assert model.input_shape is not None
    data = load_for_model(arguments, model, with_labels=False)
    outputs = model.predict(data.x.reshape(-1, *model.input_shape), verbose=0)
    codes, probability = as_classes(outputs)
    every = probabilities_of(outputs) if arguments.probabilities else None
    return Predictions(arguments.model, arguments.data, names, codes, probability, every)


# ---- Layouts --------------------------------------------------------------------------------------------------------


def _write_csv(file: IO[str], predictions: Predictions) -> None:
    writer = csv.writer(file, lineterminator="\n")
    others = [] if predictions.probabilities is None else [f"p_{name}" for name in predictions.names]
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
    rows = [
        {"class": name, "probability": probability, **({"probabilities": every} if every else {})}
        for name, probability, every in predictions.rows()
    ]
    facts = {"model": predictions.model, "data": predictions.data, "rows": len(rows), "classes": predictions.names}
    json.dump(as_document("predict", {**facts, "predictions": rows}), file, indent=2, allow_nan=False)
    file.write("\n")


WRITERS: dict[str, Callable[[IO[str], Predictions], None]] = {
    "csv": _write_csv,
    "kaggle": _write_kaggle,
    "json": _write_json,
}

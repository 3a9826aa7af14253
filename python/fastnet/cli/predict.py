"""``fastnet predict``: the class of every row, or its numbers, as CSV, as a submission to a contest or as JSON."""

import argparse
import math
import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

from numpy.typing import NDArray

from fastnet.cli._data import dialect_of, load_for_model, open_for_model, source_of, stays_on_disk
from fastnet.cli._output import check_output, note, print_json
from fastnet.cli._predictions import WRITERS, Part, Predictions, Submission
from fastnet.cli._sample_submission import Sample, read_sample
from fastnet.cli._terminal import Guarded
from fastnet.datasets import Dataset, StoredDataset
from fastnet.datasets._column import has_column, read_column
from fastnet.files.atomic import atomic_write
from fastnet.files.names import format_of
from fastnet.inputs.samples import check_finite
from fastnet.inputs.windows import EVALUATION_BYTES
from fastnet.models import Sequential
from fastnet.models.classes import as_classes, as_numbers, class_names_of, is_regression, probabilities_of
from fastnet.quantization import QuantizedModel
from fastnet.serialization import load_model
from fastnet.support.config import set_num_threads

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Write the class of each row of the data and its probability, or the outputs of a regression."""
    to_file = arguments.out not in (None, "-")
    as_json = format_of(arguments.out) == "JSON" if to_file else arguments.json
    layout = arguments.format or ("kaggle" if arguments.sample_submission else "json" if as_json else "csv")
    if to_file:
        formats = ["JSON" if layout == "json" else "CSV"]
        inputs = [arguments.model, arguments.data, *filter(None, [arguments.sample_submission])]
        check_output(arguments.out, inputs=inputs, formats=formats)
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
    names = None if is_regression(model) else class_names_of(model)
    if names is None and arguments.probabilities:
        raise ValueError(f"--probabilities is for classifiers; {arguments.model} predicts numbers")
    assert model.input_shape is not None
    assert model.output_shape is not None
    outputs = math.prod(model.output_shape)
    if arguments.format == "kaggle" and not arguments.sample_submission and names is None and outputs > 1:
        raise ValueError(
            f"--format kaggle writes one column, the model has {outputs} outputs: give --sample-submission FILE, which "
            "names a column for each"
        )
    sample = arguments.sample_submission and read_sample(arguments.sample_submission)
    submission = sample and sample.layout(names, outputs)
    with_all = arguments.probabilities or bool(submission and submission.places and names)
    make = partial(_part, model, names is None, with_all)
    data: Dataset | StoredDataset
    parts: Iterable[Part]
    if stays_on_disk(source_of(arguments.data)):
        data = stored = open_for_model(arguments, model, with_labels=False)
        parts = (make(_samples(model, stored, *span), span[0]) for span in stored.spans(EVALUATION_BYTES))
    else:
        data = load_for_model(arguments, model, with_labels=False)
        # Before anything is written, so that nothing is if a row is refused.
        parts = [make(data.x.reshape(-1, *model.input_shape), 0)]
    column, ids = _ids(arguments, model, sample, len(data))
    if sample and (order := _order_in_sample(arguments, model, sample)) is not None:
        parts = [Part.joined(parts).ordered(order)]
    if column is not None and submission is None:
        label = (model.receipt or {}).get("label") or {}
        submission = Submission([column, label.get("name") or "Label"], [])
    return Predictions(
        arguments.model, arguments.data, names, outputs, len(data), parts, with_all, column, ids, submission
    )


def _ids(
    arguments: argparse.Namespace, model: Sequential | QuantizedModel, sample: Sample | None, rows: int
) -> tuple[str | None, Sequence[str] | None]:
    """Return the column that names the rows, and their names: that of the data, else of a sample submission."""
    if arguments.id is None and sample is not None:
        if len(sample.ids) != rows:
            raise ValueError(
                f"--sample-submission {arguments.sample_submission} has {len(sample.ids):,} rows, {arguments.data} has "
                f"{rows:,}; --id COLUMN takes their names from {arguments.data}"
            )
        return sample.header[0], sample.ids
    if arguments.id is None:
        return None, None
    separator, decimal = dialect_of(arguments, (model.receipt or {}).get("dialect"))
    try:
        return arguments.id, read_column(Path(arguments.data), arguments.id, separator, decimal)
    except ValueError as error:
        raise ValueError(f"--id: {error}") from error


def _order_in_sample(
    arguments: argparse.Namespace, model: Sequential | QuantizedModel, sample: Sample
) -> list[int] | None:
    """Return the row of the data for each row of a sample submission, if the data name them; None for their own order."""
    path, name = Path(arguments.data), sample.header[0]
    separator, decimal = dialect_of(arguments, (model.receipt or {}).get("dialect"))
    if arguments.id is not None or not has_column(path, name, separator):
        return None
    order = sample.order_of(read_column(path, name, separator, decimal), arguments.data)
    if order is not None:
        note(f"the rows of {arguments.data} are put in the order of {sample.path}, by {name}", arguments.quiet)
    return order


def _samples(model: Sequential | QuantizedModel, data: StoredDataset, first: int, last: int) -> NDArray[Any]:
    x = data.read_samples(first, last)
    check_finite(data.name, x, model.dtype, model.feature_names, first)
    return x


def _part(model: Sequential | QuantizedModel, are_numbers: bool, with_all: bool, x: NDArray[Any], first: int) -> Part:
    outputs = model.predict(x, verbose=0)
    if are_numbers:
        return Part(None, as_numbers(outputs, first))
    codes, probability = as_classes(outputs, first)
    return Part(codes, probability, probabilities_of(outputs) if with_all else None)

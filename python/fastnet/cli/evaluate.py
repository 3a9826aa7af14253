"""``fastnet evaluate``: the accuracy of a classifier, or the errors of a regression, on labeled data."""

import argparse
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.cli._data import load_for_model, open_for_model, source_of, stays_on_disk
from fastnet.cli._errors import RegressionResult, Residuals
from fastnet.cli._output import check_output, note, print_json
from fastnet.cli._page import write_page
from fastnet.cli._report import Result
from fastnet.cli._run_folder import RunFolder
from fastnet.cli._terminal import styled
from fastnet.datasets import Dataset, StoredDataset
from fastnet.inputs.samples import check_finite
from fastnet.inputs.windows import EVALUATION_BYTES
from fastnet.metrics import confusion_matrix
from fastnet.models import Sequential
from fastnet.models.classes import as_classes, as_numbers, class_names_of, is_regression
from fastnet.quantization import QuantizedModel
from fastnet.reports.report import require_packages
from fastnet.serialization import load_model
from fastnet.support.config import set_num_threads

__all__ = ["measure", "run"]

ROWS_OF_REPORT = 10_000  # on the page about such rows


def run(arguments: argparse.Namespace) -> int:
    """Print the accuracy and the confusion matrix of a model on labeled data, or the errors of a regression."""
    if arguments.report:
        require_packages()
        check_output(arguments.report, inputs=[arguments.model, arguments.data], option="--report", formats=["HTML"])
    if arguments.threads:
        set_num_threads(arguments.threads)
    folder = RunFolder(arguments.run_dir).create() if arguments.run_dir else None
    model = load_model(arguments.model)
    data: Dataset | StoredDataset
    if stays_on_disk(source_of(arguments.data)):
        data = open_for_model(arguments, model, with_labels=True)
    else:
        data = load_for_model(arguments, model, with_labels=True)
    started = time.perf_counter()
    result = measure(model, data)
    seconds = time.perf_counter() - started
    if arguments.report:
        title = f"{Path(arguments.model).name} on {data.name}"
        write_page(arguments.report, model, _shown(data, model), title=title, source=arguments.data)
        note(f"report written to {arguments.report}", arguments.quiet)
    files = {"model": arguments.model, "data": arguments.data, "report": arguments.report}
    document = {**files, **result.as_json(), "seconds": seconds}
    if folder:
        folder.write_configuration(arguments)
        folder.write_report("evaluate", document)
        folder.write_page(model, _shown(data, model), arguments)
    if arguments.json:
        print_json("evaluate", document)
    else:
        figure, others = result.headline("")
        print(f"{styled(figure, 'bold', sys.stdout)} ({others} of {data.name})")
        if arguments.quiet:
            return 0
        print(
            f"\n{result.details()}\n\n{result.rows:,} rows in {seconds:.3f} s, {result.rows / seconds:,.0f} rows a second"
        )
    return 0


def measure(model: Sequential | QuantizedModel, data: Dataset | StoredDataset) -> Result | RegressionResult:
    """Return the result of a model on data, those in memory with the codes of its classes or with numbers."""
    blocks: Iterable[tuple[Dataset, int]] = [(data, 0)] if isinstance(data, Dataset) else ()
    if isinstance(data, StoredDataset):
        blocks = ((_rows_of(data, model, first, last), first) for first, last in data.spans(EVALUATION_BYTES))
    if is_regression(model):
        return _residuals(model, blocks)
    matrix: Any = sum(_matrix_of(model, rows, first) for rows, first in blocks)
    return Result(matrix, class_names_of(model))


def _residuals(model: Sequential | QuantizedModel, blocks: Iterable[tuple[Dataset, int]]) -> RegressionResult:
    """Return the errors of a regression on blocks of rows, each with the number of its first row."""
    residuals = Residuals()
    for rows, first in blocks:
        assert model.input_shape is not None
        assert rows.y is not None
        outputs = as_numbers(model.predict(rows.x.reshape(-1, *model.input_shape), verbose=0), first)
        true = rows.y.reshape(len(rows), -1)
        if true.shape != outputs.shape:
            raise ValueError(
                f"{rows.name} has {true.shape[1]} targets in a row; the model has {outputs.shape[1]} outputs"
            )
        residuals.add(true, outputs)
    return residuals.result()


def _matrix_of(model: Sequential | QuantizedModel, data: Dataset, first: int) -> Any:
    """Return the confusion matrix of rows of which the first has a number."""
    assert model.input_shape is not None
    assert data.y is not None
    predicted, _ = as_classes(model.predict(data.x.reshape(-1, *model.input_shape), verbose=0), first)
    return confusion_matrix(data.y, predicted, labels=np.arange(len(class_names_of(model))))


def _rows_of(stored: StoredDataset, model: Sequential | QuantizedModel, first: int, last: int) -> Dataset:
    """Return some rows of data on the disk, in the model's codes."""
    x, y = stored.read(first, last)
    check_finite(stored.name, x, model.dtype, model.feature_names, first)
    return _as_dataset(stored, (x, y), model)


def _shown(data: Dataset | StoredDataset, model: Sequential | QuantizedModel) -> Dataset:
    """Return data for the report; of those on the disk, rows from all over them."""
    return _as_dataset(data, data.sample(ROWS_OF_REPORT), model) if isinstance(data, StoredDataset) else data


def _as_dataset(stored: StoredDataset, rows: tuple[Any, Any], model: Sequential | QuantizedModel) -> Dataset:
    x, y = rows
    if is_regression(model):
        return Dataset(x.reshape(len(x), -1), y.astype(np.float64), name=stored.name)
    data = Dataset(x.reshape(len(x), -1), y.astype(np.int64), stored.class_names, name=stored.name)
    return data.with_classes(class_names_of(model))

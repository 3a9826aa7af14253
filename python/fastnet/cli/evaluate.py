"""``fastnet evaluate``: the accuracy of a model on labeled data."""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from fastnet.cli._data import load_for_model
from fastnet.cli._output import check_output, note, print_json
from fastnet.cli._page import write_page
from fastnet.cli._report import Result, format_confusion_matrix
from fastnet.cli._run_folder import RunFolder
from fastnet.cli._terminal import styled
from fastnet.datasets import Dataset
from fastnet.metrics import confusion_matrix
from fastnet.models import Sequential
from fastnet.models.classes import as_classes, class_names_of
from fastnet.quantization import QuantizedModel
from fastnet.reports.report import require_packages
from fastnet.serialization import load_model
from fastnet.support.config import set_num_threads

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Print the accuracy and the confusion matrix of a model on labeled data."""
    if arguments.report:
        require_packages()
        check_output(arguments.report, inputs=[arguments.model, arguments.data], option="--report", formats=["HTML"])
    if arguments.threads:
        set_num_threads(arguments.threads)
    folder = RunFolder(arguments.run_dir) if arguments.run_dir else None
    model = load_model(arguments.model)
    data = load_for_model(arguments, model, with_labels=True)
    started = time.perf_counter()
    result = measure(model, data)
    seconds = time.perf_counter() - started
    if arguments.report:
        title = f"{Path(arguments.model).name} on {data.name}"
        write_page(arguments.report, model, data, title=title, source=arguments.data)
        note(f"report written to {arguments.report}", arguments.quiet)
    files = {"model": arguments.model, "data": arguments.data, "report": arguments.report}
    document = {**files, **result.as_json(), "seconds": seconds}
    if folder:
        folder.write_configuration(arguments)
        folder.write_report("evaluate", document)
        folder.write_page(model, data, arguments)
    if arguments.json:
        print_json("evaluate", document)
    else:
        headline = styled(f"Accuracy: {result.accuracy:.2%}", "bold", sys.stdout)
        print(f"{headline} ({result.correct:,} of {result.rows:,} rows of {data.name})\n")
        print(format_confusion_matrix(result))
        print(f"\n{result.rows:,} rows in {seconds:.3f} s, {result.rows / seconds:,.0f} rows a second")
    return 0


def measure(model: Sequential | QuantizedModel, data: Dataset) -> Result:
    """Return the result of a model on data with the codes of its classes."""
    assert model.input_shape is not None
    assert data.y is not None
    names = class_names_of(model)
    predicted, _ = as_classes(model.predict(data.x.reshape(-1, *model.input_shape), verbose=0))
    return Result(confusion_matrix(data.y, predicted, labels=np.arange(len(names))), names)

"""``fastnet predict``: the class of every row, as CSV."""

import argparse
import csv
import sys
from typing import IO, Any

from fastnet import set_num_threads
from fastnet._classes import as_classes, class_names_of
from fastnet._files import atomic_write
from fastnet.cli._data import load_for_model
from fastnet.cli._output import check_output, note
from fastnet.serialization import load_model

__all__ = ["run"]


def run(arguments: argparse.Namespace) -> int:
    """Write a CSV file with the columns `class` and `probability`, a row for each row of the data."""
    to_file = arguments.out not in (None, "-")
    if to_file:
        check_output(arguments.out, inputs=[arguments.model, arguments.data])
    if arguments.threads:
        set_num_threads(arguments.threads)
    model = load_model(arguments.model, compile=False)
    names = class_names_of(model)
    assert model.input_shape is not None
    data = load_for_model(arguments.data, arguments.target, model, with_labels=False)
    codes, probabilities = as_classes(model.predict(data.x.reshape(-1, *model.input_shape), verbose=0))
    rows = zip((names[code] for code in codes.tolist()), probabilities.tolist(), strict=True)
    if to_file:
        with atomic_write(arguments.out, "w") as file:
            _write(file, rows)
        note(f"{len(codes):,} predictions written to {arguments.out}")
    else:
        _write(sys.stdout, rows)
    return 0


def _write(file: IO[str], rows: Any) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["class", "probability"])
    writer.writerows((name, f"{probability:.6f}") for name, probability in rows)

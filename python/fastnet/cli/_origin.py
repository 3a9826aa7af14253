"""The record of ``fastnet train`` in a model file, from which ``fastnet verify`` repeats the training."""

import argparse
import io
from collections.abc import Mapping
from contextlib import redirect_stderr
from typing import Any

from fastnet.cli._arguments import parse_arguments
from fastnet.cli._data import source_name
from fastnet.cli._errors import RegressionResult
from fastnet.cli._parts import Parts
from fastnet.cli._report import Result
from fastnet.datasets import Dataset, StoredDataset
from fastnet.models import Sequential
from fastnet.training.fingerprints import Fingerprint, of_stored

__all__ = ["arguments_again", "hashes_of", "note_origin", "words"]

# The arguments that decide the weights.
ARGUMENTS = (
    *(
        "hidden",
        "layers",
        "augment",
        "image_shape",
        "activation",
        "dtype",
        "optimizer",
        "lr",
        "momentum",
        "epochs",
        "batch_size",
        "seed",
        "schedule",
        "weight_decay",
        "early_stopping",
        "class_weight",
        "ensemble",
        "task",
        "id",
    ),
    *("validation", "target", "separator", "decimal", "shards"),
)

OF_EARLIER_VERSIONS = {"weight_decay": 0.0, "task": "classification"}  # whose receipts do not say so


def note_origin(
    model: Sequential, arguments: argparse.Namespace, parts: Parts, result: Result | RegressionResult
) -> None:
    """Record in a trained model its arguments, its data and its results."""
    given = {name: getattr(arguments, name) for name in ARGUMENTS}
    model._receipt.command = {
        "name": "train",
        "arguments": {name: value for name, value in given.items() if value is not None},
        "data": {"name": source_name(arguments.data), **hashes_of(parts.source)},
    }
    model.figures["training_data" if parts.measured is parts.sample else "held_out"] = {
        **result.figures(),
        "rows": result.rows,
        "measured_on": parts.measured_is,
    }


def hashes_of(data: Dataset | StoredDataset) -> dict[str, Any]:
    """Return the hashes of all bytes of the data, and of their test part; of data on the disk, of some rows."""
    if isinstance(data, StoredDataset):
        return {name: part for name, part in of_stored(data).items() if part is not None}
    assert data.y is not None
    hashes: dict[str, Any] = {"x": Fingerprint(data.x).as_dict(), "y": Fingerprint(data.y).as_dict()}
    if data.test is not None and data.test.y is not None:
        hashes["test"] = hashes_of(data.test)
    return hashes


def words(command: Mapping[str, Any]) -> list[str]:
    """Return the arguments in a receipt as they are typed."""
    given = dict(command["arguments"])
    for name in ("hidden", "image_shape"):
        if isinstance(given.get(name), list | tuple):
            given[name] = ",".join(map(str, given[name])) or "none"
    if given.get("separator") == "\t":
        given["separator"] = "tab"
    flags = ["--distributed"] if "shards" in given else []
    return [*flags, *(f"--{name.replace('_', '-')}={value}" for name, value in given.items())]


def arguments_again(command: Mapping[str, Any], data: str) -> argparse.Namespace:
    """Return the arguments of the command in a receipt, checked as if they were typed.

    Raises
    ------
    ValueError
        ``fastnet train`` does not accept them.
    """
    if command["name"] != "train":
        raise ValueError(f"its receipt is of the command {command['name']!r}, not of fastnet train")
    unknown = sorted(set(command["arguments"]) - set(ARGUMENTS))
    if unknown:
        raise ValueError(f"its receipt has the argument {unknown[0]!r}, which this version does not know")
    words_again = words({**command, "arguments": {**OF_EARLIER_VERSIONS, **command["arguments"]}})
    errors = io.StringIO()
    try:
        with redirect_stderr(errors):
            return parse_arguments(["train", *words_again, "--", data])
    except SystemExit as stop:
        reason = errors.getvalue().partition("error: ")[2].rpartition(" (see ")[0]
        raise ValueError(f"its receipt has arguments that fastnet train does not accept: {reason}") from stop

"""Loading of data for a model: with its classes and its columns, in its order."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastnet.cli._output import note
from fastnet.datasets import Dataset, StoredDataset, load
from fastnet.datasets import open as open_stored
from fastnet.datasets._dialect import Remembered
from fastnet.datasets._label_column import Asked, LabelColumn, ModelColumns
from fastnet.datasets._load import NAMES
from fastnet.datasets._open import kind_of
from fastnet.datasets._pipes import short_name
from fastnet.inputs.tables import order_of
from fastnet.models import Sequential
from fastnet.models.classes import class_names_of
from fastnet.quantization import QuantizedModel

__all__ = ["dialect_of", "load_for_model", "open_for_model", "source_name", "source_of", "stays_on_disk"]

LARGE_FILE = 1 << 30  # bytes from which a file stays on the disk


def source_name(source: str) -> str:
    """Return the name of the data in a sentence."""
    return short_name(Path(source_of(source))) or source


def source_of(data: str) -> str:
    """Return the path that an argument names: "-" is standard input."""
    return "/dev/stdin" if data == "-" else data


def stays_on_disk(source: str) -> bool:
    """Return whether data are a folder that can be opened, or a large file of such a format."""
    path = Path(source)
    if source in NAMES or not (path.is_dir() or path.is_file()):
        return False
    return (path.is_dir() or path.stat().st_size >= LARGE_FILE) and kind_of(path) is not None


def open_for_model(arguments: argparse.Namespace, model: Sequential | QuantizedModel) -> StoredDataset:
    """Open data on the disk, with labels, for a trained model; by default their column is that of training."""
    assert model.input_shape is not None
    label = _label_of(model) or LabelColumn("label", 0)
    kind = kind_of(Path(source_of(arguments.data)))
    target = arguments.target if arguments.target is not None else label.index if label.name is None else label.name
    if arguments.target is None and kind == "npy":  # which has no columns
        target = "label"
    separator, decimal = dialect_of(arguments, (model.receipt or {}).get("dialect") if kind == "csv" else None)
    data = open_stored(
        source_of(arguments.data), separator=separator, decimal=decimal, target=target, require_labels=True
    )
    if math.prod(data.shape[1:]) != math.prod(model.input_shape):
        raise ValueError(
            f"{arguments.data} has {math.prod(data.shape[1:])} features in a row; the model takes "
            f"{math.prod(model.input_shape)}"
        )
    return data.reshaped(model.input_shape)


def load_for_model(
    arguments: argparse.Namespace, model: Sequential | QuantizedModel, *, with_labels: bool, of_training: bool = False
) -> Dataset:
    """Load data for a trained model: the test part if there is one, with the model's columns and codes.

    Parameters
    ----------
    arguments : Namespace
        DATA and the options of its table. By default the label column is where it was in training, and a table with the
        model's number of columns has none. A note, unless quiet, says if that is a guess or if columns are reordered.
    model : Sequential or QuantizedModel
        The data are returned with its number of features, in the order of its feature names.
    with_labels : bool
        Whether labels are needed. They are returned as codes of the model's classes.
    of_training : bool
        Whether the training part is returned instead.

    Raises
    ------
    ValueError
        If the data do not fit the model or have other columns, or needed labels are missing or unknown to the model.
    """
    assert model.input_shape is not None
    source, target, quiet = arguments.data, arguments.target, arguments.quiet
    features = math.prod(model.input_shape)
    label = _label_of(model)
    columns = ModelColumns(
        features,
        model.feature_names,
        label or LabelColumn("label", 0),
        None if target is None else Asked(target, with_labels),
        with_labels,
    )
    dtype = "float64" if model.dtype == "float64" else "float32"
    separator, decimal = dialect_of(arguments, (model.receipt or {}).get("dialect"))
    data = load(
        source_of(source), separator=separator, decimal=decimal, target=columns, require_labels=with_labels, dtype=dtype
    )
    if target is None and data.label is not None and data.label.name is None:
        _check_place_of_label(data, model, known=label is not None, quiet=quiet or (with_labels and label is not None))
    part = _in_model_order(data if data.test is None or of_training else data.test, model.feature_names, source, quiet)
    if part.x.shape[1] != features:
        raise ValueError(f"{source} has {part.x.shape[1]} features in a row; the model takes {features}")
    if with_labels:
        if part.y is None:
            raise ValueError(f"the test part of {source} has no labels")
        part = part.with_classes(class_names_of(model))
    return part


def dialect_of(arguments: argparse.Namespace, training: Mapping[str, Any] | None) -> tuple[str | None, str]:
    """Return the options separator and decimal: as typed, else both as in the training of the model."""
    typed = arguments.separator or arguments.decimal
    if typed or training is None:
        return arguments.separator, arguments.decimal or "."
    separator = training.get("separator")
    return separator and Remembered(separator), training.get("decimal") or "."


def _check_place_of_label(data: Dataset, model: Sequential | QuantizedModel, *, known: bool, quiet: bool) -> None:
    """Note which column of a table without a header is taken as the label; it must hold the model's classes."""
    assert data.label is not None
    place = {0: "the first", -1: "the last"}.get(data.label.index, f"number {data.label.index + 1}")
    taken = f"of the columns of {data.name}, {place} is taken as the label{', as in training' if known else ''}"
    try:
        data.with_classes(class_names_of(model))
    except ValueError as error:
        raise ValueError(f"{taken}, but {str(error).partition(': ')[2]}; --target names another column") from error
    note(f"{taken}; --target names another", quiet)


def _label_of(model: Sequential | QuantizedModel) -> LabelColumn | None:
    """Return the label column of the table that a model was trained on, None if it is unknown."""
    label = (model.receipt or {}).get("label")
    return LabelColumn(label["name"], label["index"]) if label else None


def _in_model_order(data: Dataset, wanted: Sequence[str] | None, source: str, quiet: bool) -> Dataset:
    """Return the data with the model's columns in its order, if both have names."""
    if wanted is None or data.feature_names is None:
        return data
    try:
        order = order_of(source, data.feature_names, wanted)
    except ValueError as error:
        raise ValueError(f"{error} --target names the column of the labels, which is not a feature.") from None
    if order is None:
        return data
    note(f"the columns of {data.name} are reordered as in the model", quiet)
    return replace(data, x=data.x[:, order], feature_names=list(wanted))

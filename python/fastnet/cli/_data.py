"""Loading of data for a model: with its classes and its columns, in its order."""

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastnet.cli._output import note
from fastnet.datasets import Dataset, StoredDataset, load
from fastnet.datasets import open as open_stored
from fastnet.datasets._dialect import Remembered
from fastnet.datasets._label_column import Asked, LabelColumn, ModelColumns, Target
from fastnet.datasets._load import NAMES
from fastnet.datasets._open import kind_of
from fastnet.datasets._pipes import short_name
from fastnet.inputs.tables import order_of
from fastnet.models import Sequential
from fastnet.models.classes import class_names_of, is_regression
from fastnet.quantization import QuantizedModel

__all__ = [
    "dialect_of",
    "id_of_training",
    "load_for_model",
    "open_for_model",
    "source_name",
    "source_of",
    "stays_on_disk",
]

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


def open_for_model(
    arguments: argparse.Namespace, model: Sequential | QuantizedModel, *, with_labels: bool
) -> StoredDataset:
    """Open data on the disk for a trained model; the arguments and the errors are those of `load_for_model`.

    Labels keep the codes of the data. Those of .npy files are not read unless they are needed.
    """
    assert model.input_shape is not None
    source = source_of(arguments.data)
    kind = kind_of(Path(source))
    target: Target = _columns_for(arguments, model, with_labels)
    if kind == "npy":  # which has no columns
        target = "label" if arguments.target is None else arguments.target
    separator, decimal = dialect_of(arguments, (model.receipt or {}).get("dialect") if kind == "csv" else None)
    data = open_stored(
        source,
        separator=separator,
        decimal=decimal,
        target=target,
        require_labels=with_labels,
        encode=(with_labels or kind != "npy") and not is_regression(model),
    )
    if arguments.target is None and data.label is not None and data.label.name is None:
        labels = Dataset(np.empty((data.n_classes, 0)), np.arange(data.n_classes), data.class_names, name=data.name)
        _check_place_of_label(labels, data.label, model, arguments.quiet, with_labels)
    order = _order_in_model(data, model.feature_names, arguments.data, arguments.quiet)
    _check_features(math.prod(data.shape[1:]), model, arguments.data)
    return (data if order is None else data.with_columns(order)).reshaped(model.input_shape)


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
    source, quiet = arguments.data, arguments.quiet
    dtype = "float64" if model.dtype == "float64" else "float32"
    separator, decimal = dialect_of(arguments, (model.receipt or {}).get("dialect"))
    columns = _columns_for(arguments, model, with_labels)
    numbers = is_regression(model)
    data = load(
        source_of(source),
        separator=separator,
        decimal=decimal,
        target=columns,
        require_labels=with_labels,
        dtype=dtype,
        # Where labels are not needed, they may be anything.
        encode=(False if with_labels else "auto") if numbers else True,
    )
    if arguments.target is None and data.label is not None and data.label.name is None:
        _check_place_of_label(data, data.label, model, quiet, with_labels)
    part = data if data.test is None or of_training else data.test
    order = _order_in_model(part, model.feature_names, source, quiet)
    if order is not None:
        part = replace(part, x=part.x[:, order], feature_names=model.feature_names)
    _check_features(part.x.shape[1], model, source)
    if with_labels:
        if part.y is None:
            raise ValueError(f"the test part of {source} has no labels")
        part = part if numbers else part.with_classes(class_names_of(model))
    return part


def _columns_for(arguments: argparse.Namespace, model: Sequential | QuantizedModel, with_labels: bool) -> ModelColumns:
    """Return what is known of the columns of a table for a trained model."""
    assert model.input_shape is not None
    return ModelColumns(
        math.prod(model.input_shape),
        model.feature_names,
        _label_of(model) or LabelColumn("label", 0),
        None if arguments.target is None else Asked(arguments.target, with_labels),
        with_labels,
        _ignored_for(arguments, model),
    )


def id_of_training(model: Sequential | QuantizedModel) -> str | None:
    """Return the column that named the rows in training, which is not a feature."""
    receipt = model.receipt or {}
    of_command = (receipt.get("command") or {}).get("arguments", {}).get("id")  # all that earlier versions noted
    name = receipt.get("id", of_command)
    return name if isinstance(name, str) else None


def _ignored_for(arguments: argparse.Namespace, model: Sequential | QuantizedModel) -> tuple[str, ...]:
    """Return the columns that are not features of a model: one that names the rows may be among its features."""
    names = {name for name in (id_of_training(model), getattr(arguments, "id", None)) if name is not None}
    return tuple(sorted(names - set(model.feature_names or ())))


def _check_features(features: int, model: Sequential | QuantizedModel, source: str) -> None:
    assert model.input_shape is not None
    if features != math.prod(model.input_shape):
        raise ValueError(f"{source} has {features} features in a row; the model takes {math.prod(model.input_shape)}")


def dialect_of(arguments: argparse.Namespace, training: Mapping[str, Any] | None) -> tuple[str | None, str]:
    """Return the options separator and decimal: as typed, else both as in the training of the model."""
    typed = arguments.separator or arguments.decimal
    if typed or training is None:
        return arguments.separator, arguments.decimal or "."
    separator = training.get("separator")
    return separator and Remembered(separator), Remembered(training.get("decimal") or ".")


def _check_place_of_label(
    data: Dataset, label: LabelColumn, model: Sequential | QuantizedModel, quiet: bool, needed: bool
) -> None:
    """Note which column of a table without a header is taken as the label; it must hold the classes of a classifier."""
    known = _label_of(model) is not None
    place = {0: "the first", -1: "the last"}.get(label.index, f"number {label.index + 1}")
    taken = f"of the columns of {data.name}, {place} is taken as the label{', as in training' if known else ''}"
    if not is_regression(model):
        try:
            data.with_classes(class_names_of(model))
        except ValueError as error:
            raise ValueError(f"{taken}, but {str(error).partition(': ')[2]}; --target names another column") from error
    note(f"{taken}; --target names another", quiet or (needed and known))


def _label_of(model: Sequential | QuantizedModel) -> LabelColumn | None:
    """Return the label column of the table that a model was trained on, None if it is unknown."""
    label = (model.receipt or {}).get("label")
    return LabelColumn(label["name"], label["index"]) if label else None


def _order_in_model(
    data: Dataset | StoredDataset, wanted: Sequence[str] | None, source: str, quiet: bool
) -> list[int] | None:
    """Return the index of each feature of the model among the columns of the data; None without names or if equal."""
    if wanted is None or data.feature_names is None:
        return None
    try:
        order = order_of(source, data.feature_names, wanted)
    except ValueError as error:
        raise ValueError(
            f"{error} --target names the column of the labels, --id one that names the rows; neither is a feature."
        ) from None
    if order is not None:
        note(f"the columns of {data.name} are reordered as in the model", quiet)
    return order

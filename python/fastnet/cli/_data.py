"""Data as a model needs them: its classes, its columns, in its order."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fastnet._classes import class_names_of
from fastnet._frames import order_of
from fastnet.cli._output import note
from fastnet.datasets import Dataset, load
from fastnet.models import Sequential
from fastnet.quantization import QuantizedModel

__all__ = ["load_for_model", "source_name"]


def source_name(source: str) -> str:
    """Return what to call the data in a sentence."""
    return Path(source).name or source


def load_for_model(
    source: str, target: str | int, model: Sequential | QuantizedModel, *, with_labels: bool, quiet: bool
) -> Dataset:
    """Load data for a trained model: the test part where there is one, with the model's columns and codes.

    Parameters
    ----------
    source : str
        A name or a path that `fastnet.datasets.load` knows.
    target : str or int
        The label column.
    model : Sequential or QuantizedModel
        The data come back with its number of features, in the order of its feature names.
    with_labels : bool
        Whether labels are needed. They are then codes among the model's classes.
    quiet : bool
        Whether nothing is said of columns that are put in another order.

    Raises
    ------
    ValueError
        If the data do not fit the model or have other columns, or labels are needed and missing or unknown to the model.
    """
    assert model.input_shape is not None
    features = math.prod(model.input_shape)
    data = load(source, target=target, require_labels=True) if with_labels else _load_features(source, target, features)
    part = _in_model_order(data if data.test is None else data.test, model.feature_names, source, quiet)
    if part.x.shape[1] != features:
        raise ValueError(f"{source} has {part.x.shape[1]} features in a row; the model takes {features}")
    if with_labels:
        if part.y is None:
            raise ValueError(f"the test part of {source} has no labels")
        part = part.with_classes(class_names_of(model))
    return part


def _load_features(source: str, target: str | int, features: int) -> Dataset:
    """Load data that may have labels or not; where there is no header, the number of columns tells."""
    try:
        data = load(source, target=target)
        refused = None
    except ValueError as error:  # a feature that was taken for the label need not look like one
        refused = error
    if refused is None and (data.test is not None or data.x.shape[1] != features - 1):
        return data
    try:
        unlabeled = load(source, target=None)
    except ValueError:
        unlabeled = None
    if unlabeled is not None and unlabeled.x.shape[1] == features:
        return unlabeled
    if refused is not None:
        raise refused
    return data


def _in_model_order(data: Dataset, wanted: Sequence[str] | None, source: str, quiet: bool) -> Dataset:
    """Return the data with the model's columns in its order, where both have names."""
    if wanted is None or data.feature_names is None:
        return data
    try:
        order = order_of(source, data.feature_names, wanted)
    except ValueError as error:
        raise ValueError(f"{error} --target names the column of the labels, which is not a feature.") from None
    if order is None:
        return data
    note(f"the columns of {data.name} are put in the order of the model", quiet)
    return replace(data, x=data.x[:, order], feature_names=list(wanted))

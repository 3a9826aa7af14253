"""Data as a model needs them: its classes, its columns, in its order."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.cli._output import note
from fastnet.datasets import Dataset, load
from fastnet.models import Sequential
from fastnet.quantization import QuantizedModel

__all__ = ["as_classes", "class_names_of", "load_for_model", "source_name"]


def source_name(source: str) -> str:
    """Return what to call the data in a sentence."""
    return Path(source).name or source


def class_names_of(model: Sequential | QuantizedModel) -> list[str]:
    """Return the text of each class that a model knows; "0", "1", ... where the model has no names.

    Raises
    ------
    ValueError
        If the outputs of the model are not the probabilities of classes.
    """
    assert model.output_shape is not None
    outputs = math.prod(model.output_shape)
    last = _last_activation(model)
    if last not in ("softmax", "sigmoid"):
        raise ValueError(
            f"the model does not end with probabilities of classes: its last activation is {last}; "
            "softmax or sigmoid is needed"
        )
    classes = max(outputs, 2)
    names = model.class_names or [str(code) for code in range(classes)]
    if len(names) != classes:
        raise ValueError(f"the model has {len(names)} class names and {outputs} outputs")
    return names


def _last_activation(model: Sequential | QuantizedModel) -> str:
    if isinstance(model, QuantizedModel):
        return model.last_activation
    return next((layer.activation.name for layer in reversed(model.layers) if hasattr(layer, "activation")), "linear")


def load_for_model(source: str, target: str | int, model: Sequential | QuantizedModel, *, with_labels: bool) -> Dataset:
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

    Raises
    ------
    ValueError
        If the data do not fit the model, or labels are needed and missing or unknown to the model.
    """
    assert model.input_shape is not None
    features = math.prod(model.input_shape)
    data = load(source, target=target, require_labels=True) if with_labels else _load_features(source, target, features)
    part = data if data.test is None else data.test
    if part.x.shape[1] != features:
        raise ValueError(f"{source} has {part.x.shape[1]} features in a row; the model takes {features}")
    if with_labels:
        if part.y is None:
            raise ValueError(f"the test part of {source} has no labels")
        part = part.with_classes(class_names_of(model))
    return _in_model_order(part, model.feature_names)


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


def _in_model_order(data: Dataset, wanted: Sequence[str] | None) -> Dataset:
    """Return the data with its columns in the model's order, where both name the same columns."""
    have = data.feature_names
    if wanted is None or have is None or have == wanted or sorted(have) != sorted(wanted) or len(set(have)) < len(have):
        return data
    note(f"the columns of {data.name} are put in the order of the model")
    place = {name: index for index, name in enumerate(have)}
    order = [place[name] for name in wanted]
    return replace(data, x=data.x[:, order], feature_names=list(wanted))


def as_classes(outputs: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the most probable class of each row and its probability.

    Parameters
    ----------
    outputs : ndarray of shape (n, k)
        What a classifier predicts. One column is the probability of class 1 of two.

    Returns
    -------
    classes : ndarray of shape (n,), int64
    probabilities : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If an output is NaN: no class is more probable than another then.
    """
    if (undefined := np.isnan(outputs).any(axis=1)).any():
        row = int(undefined.argmax())
        raise ValueError(f"the model's output for row {row} is NaN: its weights are not finite, or grew too large")
    if outputs.shape[1] == 1:
        outputs = np.concatenate([1 - outputs, outputs], axis=1)
    classes = outputs.argmax(axis=1)
    return classes, outputs[np.arange(len(outputs)), classes]

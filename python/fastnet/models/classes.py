"""Classes of a classifier: their names, and the most probable one for given outputs."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.layers import Layer, Residual
from fastnet.models.averaging import members_of
from fastnet.models.quantized import QuantizedModel
from fastnet.models.sequential import Sequential

__all__ = ["as_classes", "as_numbers", "class_names_of", "is_regression", "last_activation", "probabilities_of"]

_OF_CLASSES = ("softmax", "sigmoid", "log_softmax", "hard_sigmoid")


def class_names_of(model: Sequential | QuantizedModel) -> list[str]:
    """Return the name of each class of a model; "0", "1", ... if the model has no class names.

    Raises
    ------
    ValueError
        If the outputs of the model are not class probabilities.
    """
    assert model.output_shape is not None
    outputs = math.prod(model.output_shape)
    if len(model.output_shape) != 1:
        raise ValueError(f"the model does not output class probabilities: its outputs have shape {model.output_shape}")
    last = last_activation(model)
    if last not in ("softmax", "sigmoid"):
        raise ValueError(
            f"the model does not output class probabilities: its last activation is {last}; "
            "softmax or sigmoid is needed"
        )
    classes = max(outputs, 2)
    names = model.class_names or [str(code) for code in range(classes)]
    if len(names) != classes:
        raise ValueError(f"the model has {len(names)} class names and {outputs} outputs")
    return names


def is_regression(model: Sequential | QuantizedModel) -> bool:
    """Return whether the outputs of a model are numbers: neither probabilities nor the logits of named classes."""
    loss = getattr(model, "loss", None)  # the model may not be compiled
    are_classes = last_activation(model) in _OF_CLASSES or bool(model.class_names)
    return len(model.output_shape or ()) == 1 and not (are_classes or (loss is not None and loss.from_logits))


def last_activation(model: Sequential | QuantizedModel) -> str:
    """Return the activation of a model's outputs; of an ensemble, that of all its models."""
    if isinstance(model, QuantizedModel):
        return model.last_activation
    ends = {_last_activation(layers) for layers in members_of(model._leaves())}
    return ends.pop() if len(ends) == 1 else "linear"


def _last_activation(layers: Sequence[Layer]) -> str:
    for layer in reversed(layers):
        if isinstance(layer, Residual):  # its output is a sum
            break
        if hasattr(layer, "activation"):
            return str(layer.activation.name)
    return "linear"


def as_classes(outputs: NDArray[Any], first_row: int = 0) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Return the most probable class of each row and its probability.

    Parameters
    ----------
    outputs : ndarray of shape (n, k)
        The predictions of a classifier. A single column is the probability of class 1 of two.
    first_row : int
        The number of the first of these rows, for the message.

    Returns
    -------
    classes : ndarray of shape (n,), int64
    probabilities : ndarray of shape (n,)

    Raises
    ------
    ValueError
        If an output is NaN, so that no class is the most probable.
    """
    if (undefined := np.isnan(outputs).any(axis=1)).any():
        row = int(undefined.argmax())
        raise ValueError(
            f"the model's output for row {first_row + row} is NaN: its weights are not finite or too large"
        )
    outputs = probabilities_of(outputs)
    classes = outputs.argmax(axis=1)
    return classes, outputs[np.arange(len(outputs)), classes]


def as_numbers(outputs: NDArray[Any], first_row: int = 0) -> NDArray[Any]:
    """Return the outputs of a regression, which must be finite; `first_row` is the number of the first row.

    Raises
    ------
    ValueError
        If an output is NaN or infinite.
    """
    if (wrong := ~np.isfinite(outputs).all(axis=1)).any():
        row = int(wrong.argmax())
        raise ValueError(
            f"the model's output for row {first_row + row} is not finite: its weights are not finite or too large"
        )
    return outputs


def probabilities_of(outputs: NDArray[Any]) -> NDArray[Any]:
    """Return the outputs of a classifier with a column for each class; a single column means class 1 of two."""
    return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs

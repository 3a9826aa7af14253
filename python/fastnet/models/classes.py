"""Classes of a classifier: their names, and the most probable one for given outputs."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.models.quantized import QuantizedModel
from fastnet.models.sequential import Sequential

__all__ = ["as_classes", "class_names_of", "last_activation", "probabilities_of"]


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


def last_activation(model: Sequential | QuantizedModel) -> str:
    """Return the activation of a model's outputs."""
    if isinstance(model, QuantizedModel):
        return model.last_activation
    return next((layer.activation.name for layer in reversed(model.layers) if hasattr(layer, "activation")), "linear")


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


def probabilities_of(outputs: NDArray[Any]) -> NDArray[Any]:
    """Return the outputs of a classifier with a column for each class; a single column means class 1 of two."""
    return np.concatenate([1 - outputs, outputs], axis=1) if outputs.shape[1] == 1 else outputs

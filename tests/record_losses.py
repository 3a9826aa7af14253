"""Record the losses of Keras and their gradients, in double precision, for test_losses_parity.py.

usage: KERAS_BACKEND=torch python tests/record_losses.py > tests/data/losses.json

Needs keras and torch, which the tests do not. Losses are those of samples; the gradient is that of their sum by the
predictions.
"""

import json
import sys
from typing import Any

import numpy as np

from record_layers import values

ROWS, UNITS = 5, 4
NUMBERS = values(ROWS * UNITS, 7).reshape(ROWS, UNITS) * 3.0
OTHERS = values(ROWS * UNITS, 8).reshape(ROWS, UNITS) * 3.0
PROBABILITIES = (np.abs(OTHERS) + 0.125) / 4.0
YES = (NUMBERS > 0).astype(np.float64)
ONE_HOT = np.eye(UNITS)[np.arange(ROWS) % UNITS]
DISTRIBUTIONS = np.abs(NUMBERS) / np.abs(NUMBERS).sum(axis=1, keepdims=True)

DATA = {
    "numbers": (NUMBERS, OTHERS),
    "counts": (np.round(np.abs(NUMBERS)), np.abs(OTHERS) + 0.5),
    "yes": (YES, PROBABILITIES),
    "logits": (YES, OTHERS),
    "classes": (ONE_HOT, PROBABILITIES),
    "class logits": (ONE_HOT, OTHERS),
    "distributions": (DISTRIBUTIONS, PROBABILITIES),
}
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("MeanSquaredError", {}, "numbers"),
    ("MeanAbsoluteError", {}, "numbers"),
    ("MeanAbsolutePercentageError", {}, "numbers"),
    ("MeanSquaredLogarithmicError", {}, "counts"),
    ("Huber", {}, "numbers"),
    ("Huber", {"delta": 2.5}, "numbers"),
    ("LogCosh", {}, "numbers"),
    ("Poisson", {}, "counts"),
    ("CosineSimilarity", {}, "numbers"),
    ("Hinge", {}, "logits"),
    ("SquaredHinge", {}, "logits"),
    ("CategoricalHinge", {}, "class logits"),
    ("KLDivergence", {}, "distributions"),
    ("BinaryCrossentropy", {}, "yes"),
    ("BinaryCrossentropy", {"label_smoothing": 0.25}, "yes"),
    ("BinaryCrossentropy", {"from_logits": True, "label_smoothing": 0.25}, "logits"),
    ("CategoricalCrossentropy", {}, "classes"),
    ("CategoricalCrossentropy", {"label_smoothing": 0.25}, "classes"),
    ("CategoricalCrossentropy", {"from_logits": True}, "class logits"),
    ("CategoricalCrossentropy", {"from_logits": True, "label_smoothing": 0.125}, "class logits"),
    ("BinaryFocalCrossentropy", {}, "yes"),
    ("BinaryFocalCrossentropy", {"apply_class_balancing": True, "gamma": 1.5, "alpha": 0.75}, "yes"),
    ("BinaryFocalCrossentropy", {"gamma": 0.0, "label_smoothing": 0.25}, "yes"),
    ("CategoricalFocalCrossentropy", {}, "classes"),
    ("CategoricalFocalCrossentropy", {"gamma": 1.0, "alpha": 0.5, "label_smoothing": 0.25}, "classes"),
    ("BinaryFocalCrossentropy", {"from_logits": True, "gamma": 1.5}, "logits"),
    ("CategoricalFocalCrossentropy", {"from_logits": True, "label_smoothing": 0.25}, "class logits"),
    ("Dice", {"axis": [1]}, "yes"),
    ("Tversky", {"alpha": 0.25, "beta": 1.5, "axis": [1]}, "yes"),
    ("CategoricalGeneralizedCrossEntropy", {"q": 0.75}, "classes"),
]
# Of embeddings, which are compared with each other: for test_circle_loss.py. Label 9 has no other sample.
LABELS = np.array([0, 7, 0, 7, 0, 9])
_ROWS = values(24, 9).reshape(6, 4)
EMBEDDINGS = _ROWS / np.linalg.norm(_ROWS, axis=1, keepdims=True)
CIRCLES: list[dict[str, Any]] = [
    {},
    {"gamma": 4.0, "margin": 0.25},
    {"gamma": 4.0, "remove_diagonal": False, "reduction": "sum"},
    {"gamma": 2.0, "reduction": "mean_with_sample_weight"},
]
WEIGHTS = np.arange(1.0, 7.0)


def recorded(name: str, arguments: dict[str, Any], data: str) -> dict[str, Any]:
    import keras
    import torch

    y, p = DATA[data]
    if name == "CategoricalGeneralizedCrossEntropy":  # that of Keras takes labels alone
        y = y.argmax(axis=1)
    prediction = torch.tensor(p, requires_grad=True)
    loss = getattr(keras.losses, name)(reduction=None, dtype="float64", **arguments)
    losses = loss(torch.tensor(y), prediction)
    losses.sum().backward()
    entry = {"name": name, "arguments": arguments, "data": data}
    return {**entry, "losses": losses.tolist(), "gradient": prediction.grad.tolist()}


def recorded_circle(arguments: dict[str, Any]) -> dict[str, Any]:
    import keras
    import torch

    embeddings = torch.tensor(EMBEDDINGS, requires_grad=True)
    loss = keras.losses.Circle(dtype="float64", **arguments)
    weighted = loss(torch.tensor(LABELS), embeddings, torch.tensor(WEIGHTS))
    weighted.backward()
    each = keras.losses.Circle(dtype="float64", **{**arguments, "reduction": None})(LABELS, EMBEDDINGS)
    entry = {"arguments": arguments, "losses": each.tolist(), "weighted": weighted.item()}
    return {**entry, "gradient": embeddings.grad.tolist()}


if __name__ == "__main__":
    import keras

    keras.config.set_floatx("float64")
    lines = ",\n".join(json.dumps(recorded(*case)) for case in CASES)
    circles = ",\n".join(json.dumps(recorded_circle(case)) for case in CIRCLES)
    text = f'{{"keras": "{keras.__version__}",\n"losses": [\n{lines}\n],\n"circle": [\n{circles}\n]}}\n'
    sys.stdout.write(text)

"""Weights of classes, which multiply the weights of their samples."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from fastnet.inputs.samples import Array, Samples, check_finite
from fastnet.losses import Loss
from fastnet.losses.domains import PROBABILITIES, SIGNS
from fastnet.support.validation import LARGEST_INTEGER, check_integer, check_number, describe


def as_class_weight(class_weight: Any) -> dict[int, float]:
    """Return the weights of labels, checked."""
    if not isinstance(class_weight, Mapping):
        raise TypeError(f"class_weight must be a dictionary from label to weight; got {describe(class_weight)}")
    weights = {}
    for label, weight in class_weight.items():
        whole = isinstance(label, bool | np.bool_ | float | np.floating) and label == np.floor(label)
        number = int(label) if whole else check_integer("a label of class_weight", label, minimum=-LARGEST_INTEGER)
        weights[number] = check_number(f"class_weight[{label}]", weight, minimum=0.0)
    return weights


def with_class_weight(
    samples: Samples, class_weight: Mapping[int, float], loss: Loss, outputs: int, dtype: str, *, some: bool = False
) -> Samples:
    """Return the samples with their weights multiplied by class weights; a missing class has weight 1.

    `some` of the rows do not tell which labels there are, if the targets are numbers.
    """
    labels, known, are = _labels_of(samples.y, loss, outputs)
    if some and outputs == 1:
        known = class_weight
    if unknown := [label for label in class_weight if label not in known]:
        raise ValueError(
            f"class_weight has labels that no sample can have: {', '.join(map(str, unknown))}; labels are {are}"
        )
    weight = np.ones(len(samples), dtype) if samples.weight is None else samples.weight.copy()
    with np.errstate(over="ignore"):
        for label, factor in class_weight.items():
            weight[labels == label] *= factor
    check_finite("class_weight times sample_weight", weight, dtype)
    return Samples(samples.x, samples.y, weight)


def _labels_of(y: Array, loss: Loss, outputs: int) -> tuple[Array, Collection[int], str]:
    """Return the label of every row of targets, the possible labels, and a description of these."""
    if y.ndim == 1 or y.shape[1] > 1:
        return y if y.ndim == 1 else _single_labels(y, loss), range(outputs), f"0 to {outputs - 1}"
    labels = y[:, 0]
    if loss.domain is SIGNS and (labels < 0).any():
        return labels, (-1, 1), "-1 and 1"
    if loss.domain in (SIGNS, PROBABILITIES):
        return np.rint(labels), (0, 1), "0 and 1"
    if (fractional := labels != np.floor(labels)).any():
        row = int(fractional.argmax())
        raise ValueError(f"class_weight needs targets that are labels; y has {labels[row]} in row {row}")
    return labels, {0, 1, *map(int, np.unique(labels))}, "those in y"


def _single_labels(rows: Array, loss: Loss) -> Array:
    """Return the label of every row of targets, the index of its maximum; multi-label rows are refused."""
    if not loss.takes_labels:
        answers = loss.domain in (SIGNS, PROBABILITIES) or ((rows == 0) | (rows == 1)).all(axis=1)
        wrong = answers & (np.count_nonzero(rows > 0.5, axis=1) != 1)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                f"class_weight needs one label for every sample; y has {rows[row].tolist()} in row {row}: give sample_weight"
            )
    labels: Array = rows.argmax(axis=1)
    return labels

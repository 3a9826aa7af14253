"""Checks of the targets."""

import numpy as np

from fastnet.diagnostics.doctor.case import Case, rms
from fastnet.diagnostics.doctor.report import check

_BAD = ("FN201", "FN202", "FN203", "FN204")


@check("FN201", "error", "NaN or infinity in y", "Remove these rows")
def not_finite(case: Case) -> str | None:
    y = case.all_y
    if y is None or y.dtype.kind != "f" or np.isfinite(y).all():
        return None
    bad = ~np.isfinite(y.reshape(len(y), -1)).all(axis=1)
    return f"y has NaN or infinity in {int(bad.sum())} of {len(y)} rows, first in row {int(bad.argmax())}"


@check(
    "FN202",
    "error",
    "Labels are not 0 to k - 1",
    "Number the classes from 0, for example with numpy.unique(y, return_inverse=True)",
    unless=("FN201",),
)
def wrong_labels(case: Case) -> str | None:
    if not case.given_as_labels or case.labels is None:
        return None
    values = np.unique(case.labels)
    expected = np.arange(case.outputs)
    if (values != np.floor(values)).any() or values[0] < 0 or (values[-1] >= case.outputs and values[0] > 0):
        shown = ", ".join(f"{value:g}" for value in values[:5]) + (", ..." if len(values) > 5 else "")
        return f"y has the labels {shown} where the outputs stand for 0 to {expected[-1]}"
    if len(values) <= case.outputs <= values[-1] or (values[-1] == case.outputs - 1 and values[0] == 1):
        return f"y has {len(values)} labels between {values[0]:g} and {values[-1]:g}, with gaps or without 0"
    return None


@check(
    "FN203",
    "error",
    "The number of outputs does not fit the targets",
    "Change the units of the last layer",
    unless=("FN201", "FN202"),
)
def wrong_outputs(case: Case) -> str | None:
    y = case.all_y
    if y is None or case.loss is None or case.loss_name == "custom" or case.loss.free_labels:
        return None
    if case.given_as_labels and case.labels is not None:
        classes = int(case.labels.max()) + 1
        if classes <= case.outputs <= 2 * classes:
            return None
        return f"the model has {case.outputs} outputs, y has {classes} classes"
    columns = 1 if y.ndim == 1 else int(np.prod(y.shape[1:]))
    if columns == case.outputs:
        return None
    return f"the model has {case.outputs} outputs, y has {columns} columns"


@check(
    "FN204",
    "error",
    "Targets outside of the domain of the loss",
    "Give probabilities from 0 to 1, in rows that add up to 1 for classes",
    unless=("FN201", "FN202", "FN203"),
)
def no_probabilities(case: Case) -> str | None:
    y = case.all_y
    if y is None or case.given_as_labels or not case.classifies or case.loss_name.endswith("hinge"):
        return None
    if y.size and (y.min() < 0 or y.max() > 1):
        return f"{case.loss_name} gets targets from {y.min():g} to {y.max():g}"
    sums = y.reshape(len(y), -1).sum(axis=1, dtype=np.float64)
    if case.loss_name == "binary_crossentropy" or np.abs(sums - 1).max() < 1e-3:
        return None
    return f"rows of y add up to {sums.min():g} to {sums.max():g} under {case.loss_name}"


@check(
    "FN205",
    "warning",
    "One-hot targets for a sparse loss",
    "Use categorical_crossentropy, or labels: y.argmax(axis=1). fastnet takes both, Keras does not",
    unless=_BAD,
)
def one_hot(case: Case) -> str | None:
    if case.loss_name != "sparse_categorical_crossentropy" or case.given_as_labels or case.all_y is None:
        return None
    return f"sparse_categorical_crossentropy is a loss of labels; y has rows of {case.all_y.shape[-1]} values"


@check(
    "FN206",
    "warning",
    "Imbalanced classes",
    "Use class_weight, and look at precision and recall rather than the accuracy",
    unless=(*_BAD, "FN208"),
)
def imbalance(case: Case) -> str | None:
    if case.labels is None or (case.all_y is not None and case.all_y.ndim == 2 and not case.takes_labels):
        return None
    values, counts = np.unique(case.labels, return_counts=True)
    if len(case.labels) < 100 or counts.max() < 50 * counts.min():
        return None
    rare, common = values[counts.argmin()], values[counts.argmax()]
    return f"label {common:g} has {counts.max()} rows, label {rare:g} has {counts.min()}"


@check(
    "FN207",
    "warning",
    "Unscaled regression targets",
    "Train on (y - mean) / deviation, and invert this after predict",
    unless=_BAD,
)
def huge_targets(case: Case) -> str | None:
    y = case.all_y
    if y is None or not case.regresses or y.size == 0 or (size := rms(y)) <= 100:
        return None
    return f"the targets lie between {y.min():.4g} and {y.max():.4g}, with a root mean square of {size:.3g}"


@check("FN208", "warning", "All targets are the same", "Look at how y was made", unless=_BAD)
def constant_targets(case: Case) -> str | None:
    y = case.all_y
    if y is None or len(y) < 10 or case.loss is None or not bool((y == y[0]).all()):
        return None
    return f"all {len(y)} rows of y are {np.array2string(y[0], threshold=5)}"


@check(
    "FN209",
    "warning",
    "Sorted labels, not shuffled",
    "Leave shuffle=True, or shuffle x and y once",
    unless=(*_BAD, "FN208"),
)
def sorted_labels(case: Case) -> str | None:
    labels = case.labels
    if case.shuffle or labels is None or len(labels) < 10 or not bool((labels[1:] >= labels[:-1]).all()):
        return None
    return f"y is sorted and shuffle=False, so that the first batches have label {labels[0]:g} alone"

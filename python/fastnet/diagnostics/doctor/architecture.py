"""Checks of the layers, the loss and the weights."""

from itertools import pairwise

import numpy as np

from fastnet.diagnostics.doctor.case import Case, activation_name, mixes
from fastnet.diagnostics.doctor.report import check
from fastnet.functional.activations.table import ACTIVATIONS

_CLASSES = ("categorical_crossentropy", "sparse_categorical_crossentropy")


@check(
    "FN301",
    "error",
    "The last activation does not fit the loss",
    "Use softmax for classes, sigmoid for binary targets; or no activation with from_logits=True",
)
def last_activation(case: Case) -> str | None:
    fitting = dict.fromkeys(_CLASSES, ("softmax",)) | {"binary_crossentropy": ("sigmoid", "hard_sigmoid")}
    accepted = fitting.get(case.loss_name)
    name = case.last_activation
    if accepted is None or case.from_logits or not name or name in accepted:
        return None
    if name == "softmax" and case.outputs > 1:  # its values are probabilities, at least
        return None
    return f"{case.loss_name} needs probabilities from {accepted[0]}; the {case.outputs} outputs come from {name}"


@check("FN302", "error", "Softmax or sigmoid with from_logits=True", "Remove the activation, or from_logits=True")
def activation_twice(case: Case) -> str | None:
    if not case.from_logits or case.last_activation not in ("softmax", "sigmoid", "log_softmax"):
        return None
    return f"{case.loss_name}(from_logits=True) applies its own activation to the {case.last_activation} of the {case.outputs} outputs"


@check(
    "FN303",
    "error",
    "Targets outside of the range of the last activation",
    "Use activation='linear' in the last layer of a regression",
    unless=("FN201", "FN203"),
)
def out_of_range(case: Case) -> str | None:
    y = case.all_y
    if y is None or y.size == 0 or not case.regresses or case.last_activation not in ACTIVATIONS:
        return None
    low, high = ACTIVATIONS[case.last_activation].range
    outside = float(((y < low) | (y > high)).mean())
    if outside == 0:
        return None
    return f"{case.last_activation} gives values from {low:g} to {high:g}; {outside:.1%} of the targets lie outside"


@check(
    "FN304",
    "error",
    "Identical units",
    "Use a random kernel_initializer: equal units get equal gradients and stay equal",
    every_epoch=True,
)
def equal_units(case: Case) -> str | None:
    for name, kernel in case.kernels()[:-1]:
        if kernel.shape[1] > 1 and bool((kernel == kernel[:, :1]).all()):
            return f"all {kernel.shape[1]} units of layer {name!r} have the same weights"
    return None


@check(
    "FN305",
    "error",
    "NaN or infinity in the weights",
    "Build the model again, or load weights from before; then a smaller learning rate or clipnorm",
    every_epoch=True,
)
def weights_not_finite(case: Case) -> str | None:
    for layer in case.model._leaves():
        for name, array in zip(layer.weight_names, layer.get_weights(), strict=True):
            bad = int((~np.isfinite(array)).sum())
            if bad:
                return f"{name} of layer {layer.name!r} has NaN or infinity in {bad} of {array.size} values"
    return None


@check(
    "FN306",
    "warning",
    "Dense or convolutional layers without an activation between them",
    "Give the first an activation such as 'relu': without one, both together are no more than one layer",
)
def no_activation(case: Case) -> str | None:
    layers = case.model._leaves()
    for layer, following in pairwise(layers):
        if mixes(layer) and mixes(following) and activation_name(layer) == "linear":
            return f"layer {layer.name!r} is linear, and layer {following.name!r} follows at once"
    return None

"""Checks of training dynamics: activations, gradients, the learning rate."""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.diagnostics.doctor.case import Case, activation_name, rms
from fastnet.diagnostics.doctor.report import check
from fastnet.support.attributes import own_class

_PROBE_STEPS = 20
_PROBE_BATCH = 32
_DEAD_SHARE = 0.4
_SCALES = ("FN102", "FN103", "FN105", "FN207")


@check(
    "FN401",
    "warning",
    "Dead ReLUs, 40% of a layer or more",
    "Use a smaller learning rate, leaky_relu, or biases that are not negative",
    needs_training=True,
    every_epoch=True,
)
def many_dead_units(case: Case) -> str | None:
    counts = _dead_units(case)
    return _count_of_dead(case, counts) if any(dead >= _DEAD_SHARE * units for _, dead, units in counts) else None


@check(
    "FN407",
    "note",
    "Dead ReLUs, less than 40% of a layer",
    "Leave them if they stay few: they get no gradient and only take time. Else use leaky_relu or a smaller learning rate",
    unless=("FN401", "FN304", *_SCALES),
    needs_training=True,
)
def some_dead_units(case: Case) -> str | None:
    counts = _dead_units(case)
    return _count_of_dead(case, counts) if counts else None


def _dead_units(case: Case) -> list[tuple[str, int, int]]:
    """Return the name of every layer with ReLUs that are 0 for all rows, the number of these, and that of all its units."""
    found = []
    for layer in case.model._layers:
        if activation_name(layer) == "relu":
            output = case.outputs_of_layers[layer.name]
            dead = int((output.reshape(-1, output.shape[-1]) <= 0).all(axis=0).sum())
            if dead:
                found.append((layer.name, dead, output.shape[-1]))
    return found


def _count_of_dead(case: Case, counts: list[tuple[str, int, int]]) -> str:
    found = ", ".join(f"{dead:,} of {units:,} in layer {name!r}" for name, dead, units in counts)
    return f"units or channels that are 0 for all {len(case.rows):,} sampled rows: {found}"


@check(
    "FN402",
    "warning",
    "Vanishing gradients",
    "Use relu, BatchNormalization or Residual blocks, or fewer layers",
    unless=("FN401", *_SCALES),
    needs_training=True,
    every_epoch=True,
)
def vanishing(case: Case) -> str | None:
    sizes = {name: gradient for name, (gradient, _) in case.gradients.items()}
    if len(sizes) < 3 or not sizes:
        return None
    first, smallest = next(iter(sizes)), next(iter(sizes.values()))
    largest = max(sizes.values())
    if smallest >= 1e-4 * largest or largest == 0:
        return None
    return f"the gradient of {first!r} has a root mean square of {smallest:.2g}, {largest / max(smallest, 1e-300):.1g} times smaller than the largest of the {len(sizes)} layers"


@check(
    "FN403",
    "warning",
    "Exploding gradients",
    "Use smaller initial weights such as he_normal or glorot_uniform, BatchNormalization, or clipnorm",
    unless=_SCALES,
    needs_training=True,
    every_epoch=True,
)
def exploding(case: Case) -> str | None:
    ratios = {name: gradient / weight for name, (gradient, weight) in case.gradients.items() if weight > 0}
    name = max(ratios, key=lambda key: ratios[key], default="")
    if not name or ratios[name] <= 10:
        return None
    gradient, weight = case.gradients[name]
    return f"the gradient of {name!r} has a root mean square of {gradient:.3g}, its weights of {weight:.3g}"


@check(
    "FN404",
    "warning",
    "The learning rate is too high",
    "Divide it by 10",
    unless=(*_SCALES, "FN403"),
    needs_training=True,
)
def rate_too_high(case: Case) -> str | None:
    if not case.learns:
        return None
    before, after, _ = _probe(case)
    if after <= 2 * max(before, _trivial_loss(case)):
        return None
    rate = case.model.optimizer.learning_rate
    return f"{_PROBE_STEPS} steps with learning_rate={rate:g} change the loss from {before:.3g} to {after:.3g}"


@check(
    "FN405",
    "warning",
    "The learning rate is too low",
    "Multiply it by 10, repeatedly if necessary",
    unless=(*_SCALES, "FN304", "FN401", "FN402", "FN403", "FN404"),
    needs_training=True,
)
def rate_too_low(case: Case) -> str | None:
    if not case.learns or case.model.optimizer.scheduled:  # a warm-up starts with a low rate
        return None
    before, after, moved = _probe(case)
    if moved >= 1e-5 or before - after > 1e-3 * before or before < 0.1 * _trivial_loss(case):
        return None
    rate = case.model.optimizer.learning_rate
    return f"{_PROBE_STEPS} steps with learning_rate={rate:g} change the weights by {moved:.1g} of their size and the loss from {before:.5g} to {after:.5g}"


def _flat(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([array.reshape(-1) for array in arrays])


def _trivial_loss(case: Case) -> float:
    """Return the loss of an untrained model, if it is known."""
    if case.takes_labels:
        return float(np.log(max(case.outputs, 2)))
    if case.loss_name == "mse":
        return float(np.var(case.y))
    return float(np.log(2))


def _probe(case: Case) -> tuple[float, float, float]:
    """Return the loss before and after some steps of a copy of the model, and the change of its weights."""
    cached: tuple[float, float, float] | None = vars(case).get("probed")
    if cached is not None:
        return cached
    model = case.model
    twin = own_class(type(model)).from_config(model.get_config())
    twin.set_weights(model.get_weights())
    twin._compilation = copy.deepcopy(model._compilation)
    before, _ = twin.loss_and_gradients(case.given_x, case.y)
    start = _flat(twin.trainable_weights)
    order = np.random.default_rng(0).permutation(len(case.rows))
    for step in range(_PROBE_STEPS):
        rows = np.take(order, range(step * _PROBE_BATCH, (step + 1) * _PROBE_BATCH), mode="wrap")
        twin.train_on_batch(case.given_x[rows], case.y[rows])
    after, _ = twin.loss_and_gradients(case.given_x, case.y)
    end = _flat(twin.trainable_weights)
    moved = rms(end - start) / max(rms(start), 1e-30)
    result = (before, after if np.isfinite(after) else float("inf"), moved)
    vars(case)["probed"] = result
    return result

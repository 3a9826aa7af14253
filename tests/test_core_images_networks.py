"""Random networks of layers for images compute in float64 what the reference does, in any geometry."""

from dataclasses import replace
from math import prod

import numpy as np
import pytest
from numpy.testing import assert_allclose

from image_cases import SGD, Core, arrays_of, core_of, distances
from image_networks import Array, ImageCase, random_image_case
from reference_networks import Network

TOLERANCE = 1e-9
NETWORKS = 100
Results = dict[str, list[Array]]


def by_core(case: ImageCase, core: Core, y: Array) -> Results:
    """Return predictions, the derivatives of y times them by the samples, the loss and its gradients."""
    loss, gradients = core.loss_and_gradients(case.x, case.y, case.weight)
    return {
        "predictions": [core.predict(case.x, len(case.x))],
        "input gradients": [core.differentiate(case.x, "weighted_outputs", y)],
        "loss": [np.array(loss)],
        "gradients": arrays_of(core, gradients),
    }


def by_reference(case: ImageCase, weights: list[Array], y: Array) -> Results:
    network = Network(case.layers, prod(case.shape), weights, case.loss)
    network.in_training(False)
    predictions, by_input = network.predict(case.x), network.input_gradients(case.x, y)
    network.in_training(True)
    loss, gradients = network.loss_and_gradients(case.x, case.y, case.weight)
    return {
        "predictions": [predictions],
        "input gradients": [by_input],
        "loss": [np.array(loss)],
        "gradients": gradients,
    }


def differences(results: Results, truth: Results) -> dict[str, float]:
    """Return how far arrays are, relative to their largest number; gradients below 1e-6 of the largest are rounding."""
    return {name: max(distances(results[name], truth[name], floor=1e-6), default=0.0) for name in truth}


def sensitivity(case: ImageCase, weights: list[Array], y: Array) -> dict[str, float]:
    """Return how far the reference moves when weights and samples change in their 14th digit: where sums cancel, far."""
    expected, moved = by_reference(case, weights, y), dict[str, float]()
    for trial in range(8):
        random = np.random.default_rng([case.seed, trial])
        x, *others = (array * (1.0 + 1e-14 * random.normal(size=array.shape)) for array in (case.x, *weights))
        now = differences(by_reference(replace(case, x=x), others, y), expected)
        moved = {name: max(moved.get(name, 0.0), now[name]) for name in now}
    return moved


@pytest.mark.parametrize("seed", range(NETWORKS))
def test_a_random_network_is_the_reference(seed: int) -> None:
    case = random_image_case(seed)
    core, weights = core_of(case.layers, prod(case.shape), loss=case.loss, seed=seed)
    y = np.random.default_rng(seed).normal(size=(len(case.x), case.y.shape[1]))
    results, before = by_core(case, core, y), core.get_parameters()
    far = differences(results, by_reference(case, weights, y))
    if any(not d <= TOLERANCE for d in far.values()):
        moved = sensitivity(case, weights, y)
        far = {name: d for name, d in far.items() if not d <= max(TOLERANCE, 30 * moved[name])}
        assert far == {}, f"seed {seed}: {case.layers}"
    core.train_epoch(case.x, case.y, None, len(case.x), case.weight, None)
    for old, new, gradient in zip(
        arrays_of(core, before), arrays_of(core, core.get_parameters()), results["gradients"], strict=True
    ):
        assert_allclose(new, old - SGD["learning_rate"] * gradient, rtol=1e-12, atol=1e-12)

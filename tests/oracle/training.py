"""A whole case in PyTorch: prediction, loss, gradients, three steps of training, and how far fastnet is from that."""

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import fastnet as fn
from oracle.layers import Config, Forward, Weights, penalty, weight_paths
from oracle.losses import FUSED, LOSSES, batch_loss
from oracle.networks import Case
from oracle.optimizers import Optimizer

Array = NDArray[Any]
Results = dict[str, list[Array]]  # what is compared, by what it is


@dataclass(frozen=True)
class Inputs:
    """Weights in the order of `get_weights`, and samples."""

    weights: list[Array]
    x: Array


def inputs_of(case: Case) -> Inputs:
    return Inputs(case.model.get_weights(), case.dense_x.astype(np.float64))


def by_fastnet(case: Case) -> Results:
    """Return what fastnet computes; the case's model is trained by that."""
    model = case.model
    before = model.predict(case.x)
    loss, gradients = model.loss_and_gradients(case.x, case.y, case.weight)
    jacobian, by_input = model.jacobian(case.x), model.input_gradients(case.x, case.y, case.weight)
    with warnings.catch_warnings():  # what overflows must be NaN in PyTorch, too
        warnings.simplefilter("ignore", fn.exceptions.NonFiniteLossWarning)
        model.fit(
            case.x, case.y, batch_size=case.batch_size, shuffle=False, sample_weight=case.weight, epochs=1, verbose=0
        )
    evaluated = model.evaluate(case.x, case.y, sample_weight=case.weight, batch_size=len(case.y), verbose=0)
    return {
        "predictions before": [before],
        "loss": [np.array(loss)],
        "gradients": gradients,
        "jacobian": [jacobian.reshape(*before.shape, -1)],
        "input gradients": [by_input.reshape(len(before), -1)],
        "weights after": model.get_weights(),
        "predictions after": [model.predict(case.x)],
        "evaluation after": [np.array(evaluated)],
    }


class Network:
    """The network of a case, from its configurations."""

    def __init__(self, case: Case, weights: list[Array]) -> None:
        self._layers: list[Config] = case.model.get_config()["layers"]
        self._loss: Config = fn.losses.serialize(case.model.loss)
        self._optimizer: Config = fn.optimizers.serialize(case.model.optimizer)
        paths = weight_paths(self._layers)
        self._weights: Weights = {path: torch.tensor(value) for (path, _), value in zip(paths, weights, strict=True)}
        self._trainable = [path for path, trained in paths if trained]

    def predict(self, x: Tensor) -> Array:
        with torch.no_grad():
            return Forward(self._weights, False, {}).through(self._layers, x).numpy()

    def evaluate(self, x: Tensor, y: Tensor, weight: Tensor | None) -> Array:
        with torch.no_grad():
            return self._objective(Forward(self._weights, False, {}), x, y, weight).numpy()

    def loss_and_gradients(
        self, x: Tensor, y: Tensor, weight: Tensor | None
    ) -> tuple[Array, dict[str, Tensor], Weights]:
        """Return the loss, its gradients by the paths of the weights, and the new moving averages."""
        leaves = {path: self._weights[path].requires_grad_(True) for path in self._trainable}
        run = Forward(self._weights | leaves, True, {})
        loss = self._objective(run, x, y, weight)
        gradients = (
            torch.autograd.grad(loss, list(leaves.values()), allow_unused=True, materialize_grads=True)
            if leaves and loss.requires_grad
            else [torch.zeros_like(leaf) for leaf in leaves.values()]
        )
        for path in leaves:
            self._weights[path] = self._weights[path].detach()
        return loss.detach().numpy(), dict(zip(leaves, gradients, strict=True)), run.moving

    def derivatives(self, x: Tensor, y: Tensor, weight: Tensor | None) -> tuple[Array, Array]:
        """Return the derivatives of the outputs and of the loss by the samples, in prediction."""
        x = x.clone().requires_grad_(True)
        outputs = Forward(self._weights, False, {}).through(self._layers, x)
        loss = self._objective(Forward(self._weights, False, {}), x, y, weight)
        sums = [*outputs.sum(dim=0), loss]  # no row depends on another
        *rows, by_input = (
            torch.autograd.grad(each, x, retain_graph=True, allow_unused=True, materialize_grads=True)[0].flatten(1)
            for each in sums
        )
        return torch.stack(rows, dim=1).numpy(), by_input.numpy()

    def train(self, batches: list[tuple[Tensor, Tensor, Tensor | None]]) -> list[Array]:
        """Take a step for every batch and return the weights."""
        optimizer = Optimizer(self._optimizer, self._weights, self._trainable)
        for batch in batches:
            _, gradients, moving = self.loss_and_gradients(*batch)
            optimizer.batch(gradients)
            self._weights.update(moving)
        optimizer.finish()
        return [weight.numpy() for weight in self._weights.values()]

    def _objective(self, run: Forward, x: Tensor, y: Tensor, weight: Tensor | None) -> Tensor:
        layers, loss = self._layers, self._loss
        if (layers[-1]["config"].get("activation"), loss["class_name"]) in FUSED:
            layers = [*layers[:-1], {**layers[-1], "config": {**layers[-1]["config"], "activation": "linear"}}]
            loss = {**loss, "config": {**loss["config"], "from_logits": True}}
        each = LOSSES[loss["class_name"]](loss["config"], y, run.through(layers, x))
        return batch_loss(loss["config"], each, weight) + penalty(layers, run.weights)


def by_torch(case: Case, inputs: Inputs) -> Results:
    """Return what PyTorch computes for the case from these weights and samples."""
    network = Network(case, inputs.weights)
    data = torch.tensor(inputs.x), torch.tensor(case.y), None if case.weight is None else torch.tensor(case.weight)
    batches = [
        tuple(None if part is None else part[first : first + case.batch_size] for part in data)
        for first in range(0, len(case.y), case.batch_size)
    ]
    before = network.predict(data[0])
    loss, gradients, _ = network.loss_and_gradients(*data)
    jacobian, by_input = network.derivatives(*data)
    weights = network.train(batches)  # type: ignore[arg-type]
    return {
        "predictions before": [before],
        "loss": [loss],
        "gradients": [gradient.numpy() for gradient in gradients.values()],
        "jacobian": [jacobian],
        "input gradients": [by_input],
        "weights after": weights,
        "predictions after": [network.predict(data[0])],
        "evaluation after": [network.evaluate(*data)],
    }


# ---- Distances -------------------------------------------------------------------------------------------------------


def distances(results: Results, truth: Results) -> dict[str, float]:
    """Return the largest difference of each quantity, relative to the largest value of its array.

    A gradient counts at least 1e-6 of the network's largest, below which it is a rounding of sums that cancel.
    """
    found = {}
    for name, expected in truth.items():
        largest = max((float(np.abs(array).max(initial=0.0)) for array in expected), default=0.0)
        floor = 1e-6 * largest if name == "gradients" and np.isfinite(largest) else 1e-12
        found[name] = max((_distance(a, b, floor) for a, b in zip(results[name], expected, strict=True)), default=0.0)
    return found


def _distance(array: Array, expected: Array, floor: float) -> float:
    if array.shape != expected.shape or not np.array_equal(np.isfinite(array), np.isfinite(expected)):
        return np.inf
    finite = np.isfinite(expected)
    difference = np.abs(array[finite] - expected[finite]).max(initial=0.0)
    return float(difference / max(np.abs(expected[finite]).max(initial=0.0), floor, 1e-12))


def sensitivity(case: Case, inputs: Inputs, truth: Results) -> dict[str, float]:
    """Return how far PyTorch's own results move when weights and samples change in their 14th digit.

    A gradient that is 0 but for rounding, for example, gives Lion's step and Adam's a sign at random.
    """
    found = dict.fromkeys(truth, 0.0)
    for trial in range(8):
        random = np.random.default_rng([case.seed, trial])
        weights, x = (
            [array * (1 + 1e-14 * random.normal(size=array.shape)) for array in arrays]
            for arrays in (inputs.weights, [inputs.x])
        )
        moved = distances(by_torch(case, replace(inputs, weights=weights, x=x[0])), truth)
        found = {name: max(found[name], moved[name]) for name in found}
    return found

"""What each optimizer does with gradients, in PyTorch, from its configuration alone: Keras's rules."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

Config = Mapping[str, Any]
State = dict[str, Tensor]


def average(state: State, name: str, rate: float, value: Tensor, start: float = 0.0) -> Tensor:
    """Return the moving average of a value, which begins at `start`."""
    before = state.get(name, torch.full_like(value, start))
    state[name] = rate * before + (1 - rate) * value
    return state[name]


# ---- Rules: the new weight from its configuration, state, value, gradient, learning rate and number of the update ----


def sgd(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    step = (
        rate * (1 - c.get("dampening", 0.0)) * (g + (c.get("weight_decay") or 0.0) * w)
    )  # as in PyTorch, the decay is a slope
    s["v"] = c["momentum"] * s.get("v", torch.zeros_like(w)) + step
    return w - (c["momentum"] * s["v"] + step if c["nesterov"] else s["v"])


def rmsprop(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    square = average(s, "v", c["rho"], g * g)
    if c.get("centered"):
        square = square - average(s, "mean", c["rho"], g) ** 2
    step = rate * g / torch.sqrt(square + c["epsilon"])
    if c["momentum"] > 0:
        step = s["step"] = c["momentum"] * s.get("step", torch.zeros_like(w)) + step
    return w - step


def adagrad(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    s["v"] = s.get("v", torch.full_like(w, c["initial_accumulator_value"])) + g * g
    return w - rate * g / torch.sqrt(s["v"] + c["epsilon"])


def adadelta(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    before = s.get("u", torch.zeros_like(w))
    square = average(s, "v", c["rho"], g * g)
    step = g * torch.sqrt(before + c["epsilon"]) / torch.sqrt(square + c["epsilon"])
    average(s, "u", c["rho"], step * step)
    return w - rate * step


def adam(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    mean, square = average(s, "m", c["beta_1"], g), average(s, "v", c["beta_2"], g * g)
    if c.get("amsgrad"):
        square = s["largest"] = torch.maximum(s.get("largest", torch.zeros_like(w)), square)
    correction = math.sqrt(1 - c["beta_2"] ** t) / (1 - c["beta_1"] ** t)
    return w - rate * correction * mean / (torch.sqrt(square) + c["epsilon"])


def adamax(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    mean = average(s, "m", c["beta_1"], g)
    s["u"] = torch.maximum(c["beta_2"] * s.get("u", torch.zeros_like(w)), g.abs())
    return w - rate / (1 - c["beta_1"] ** t) * mean / (s["u"] + c["epsilon"])


def nadam(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    def momentum(step: int) -> float:
        return c["beta_1"] * (1 - 0.5 * 0.96**step)

    product = math.prod(momentum(step) for step in range(1, t + 1))
    mean, square = average(s, "m", c["beta_1"], g), average(s, "v", c["beta_2"], g * g)
    ahead = momentum(t + 1) * mean / (1 - product * momentum(t + 1)) + (1 - momentum(t)) * g / (1 - product)
    return w - rate * ahead / (torch.sqrt(square / (1 - c["beta_2"] ** t)) + c["epsilon"])


def lion(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    direction = torch.sign(c["beta_1"] * s.get("m", torch.zeros_like(w)) + (1 - c["beta_1"]) * g)
    average(s, "m", c["beta_2"], g)
    return w - rate * direction


def muon(c: Config, s: State, w: Tensor, g: Tensor, rate: float, t: int) -> Tensor:
    if w.ndim != 2:
        of_adam = {"beta_1": c["adam_beta_1"], "beta_2": c["adam_beta_2"], "epsilon": c["epsilon"]}
        return adam(of_adam, s, w, g, rate * c["adam_lr_ratio"], t)
    s["m"] = c["momentum"] * s.get("m", torch.zeros_like(w)) + g
    x = g + c["momentum"] * s["m"] if c["nesterov"] else s["m"]
    x = x.T if w.shape[0] > w.shape[1] else x
    x = x / (x.norm() + EPSILON)
    for _ in range(c["ns_steps"]):  # Newton and Schulz, with the coefficients of Jordan's Muon
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    x = x.T if w.shape[0] > w.shape[1] else x
    return w - rate * c["rms_rate"] * math.sqrt(max(w.shape)) * x


EPSILON = 1e-7  # Keras's

RULES: dict[str, Callable[[Config, State, Tensor, Tensor, float, int], Tensor]] = {
    "SGD": sgd,
    "RMSprop": rmsprop,
    "Adagrad": adagrad,
    "Adadelta": adadelta,
    "Adam": adam,
    "AdamW": adam,
    "Adamax": adamax,
    "Nadam": nadam,
    "Lion": lion,
    "Muon": muon,
}


class Optimizer:
    """A rule with what every optimizer has around it: clipping, decay, schedule, accumulation, averages of the weights."""

    def __init__(self, config: Config, weights: dict[str, Tensor], trainable: list[str]) -> None:
        self._rule = RULES[config["class_name"]]
        self._decays = config["class_name"] != "SGD"  # whose rule has the decay
        self._config = config["config"]
        self._weights = weights
        self._trainable = trainable
        self._states: dict[str, State] = {name: {} for name in trainable}
        self._batches = self._updates = 0
        self._sums: dict[str, Tensor] = {}
        self._averages: dict[str, Tensor] = {}

    def batch(self, gradients: dict[str, Tensor]) -> None:
        """Take the gradients of a batch."""
        c, every = self._config, self._config.get("gradient_accumulation_steps") or 1
        self._batches += 1
        self._sums = {name: self._sums.get(name, 0.0) + value for name, value in gradients.items()}
        if self._batches % every == 0:
            self._update({name: value / every for name, value in self._sums.items()})
            self._sums = {}
        if c.get("use_ema"):
            rate = c.get("ema_momentum", 0.99) if self._averages else 0.0
            for name in self._trainable:
                before = self._averages.get(name, self._weights[name])
                self._averages[name] = rate * before + (1 - rate) * self._weights[name]
            if (frequency := c.get("ema_overwrite_frequency")) and self._batches % frequency == 0:
                self.finish()

    def finish(self) -> None:
        """Give the weights their averages, as the end of training does."""
        self._weights.update({name: average.clone() for name, average in self._averages.items()})

    def _update(self, gradients: dict[str, Tensor]) -> None:
        c, rate = self._config, self._rate()
        self._updates += 1
        for name, gradient in self._clipped(gradients).items():
            weight = self._weights[name]
            if self._decays:
                weight = weight - rate * (c.get("weight_decay") or 0.0) * weight
            self._weights[name] = self._rule(c, self._states[name], weight, gradient, rate, self._updates)

    def _rate(self) -> float:
        rate = self._config["learning_rate"]
        if not isinstance(rate, dict):
            return float(rate)
        assert rate["class_name"] == "ExponentialDecay"  # the others have recorded values
        decay = rate["config"]
        return float(decay["initial_learning_rate"] * decay["decay_rate"] ** (self._updates / decay["decay_steps"]))

    def _clipped(self, gradients: dict[str, Tensor]) -> dict[str, Tensor]:
        c = self._config
        if limit := c.get("clipnorm"):
            return {name: g * min(1.0, limit / max(float(g.norm()), 1e-300)) for name, g in gradients.items()}
        if limit := c.get("global_clipnorm"):
            norm = math.sqrt(sum(float((g * g).sum()) for g in gradients.values()))
            return {name: g * min(1.0, limit / max(norm, 1e-300)) for name, g in gradients.items()}
        if limit := c.get("clipvalue"):
            return {name: g.clamp(-limit, limit) for name, g in gradients.items()}
        return gradients

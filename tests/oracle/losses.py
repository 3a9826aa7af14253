"""What each loss gives a sample, in PyTorch, from its configuration alone, as Keras documents it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Config = Mapping[str, Any]
EPSILON = 1e-7  # Keras's


def clipped(probability: Tensor) -> Tensor:
    return torch.clamp(probability, EPSILON, 1 - EPSILON)


def log1p(value: Tensor) -> Tensor:
    return torch.log1p(torch.clamp(value, min=EPSILON))


def unit(rows: Tensor) -> Tensor:
    return rows / torch.sqrt(torch.clamp((rows**2).sum(1, keepdim=True), min=1e-12))


def quantile(c: Config, t: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(c["quantile"] * (t - y), (c["quantile"] - 1) * (t - y)).mean(1)


def log_cosh(c: Config, t: Tensor, y: Tensor) -> Tensor:
    error = (y - t).abs()
    return (error + torch.log1p(torch.exp(-2 * error)) - math.log(2.0)).mean(1)


def hinge(t: Tensor, y: Tensor) -> Tensor:
    return torch.relu(1 - torch.where(t == 0, -1.0, t) * y)


def kl_divergence(c: Config, t: Tensor, y: Tensor) -> Tensor:
    t, y = torch.clamp(t, EPSILON, 1), torch.clamp(y, EPSILON, 1)
    return (t * torch.log(t / y)).sum(1)


# ---- Cross-entropies -------------------------------------------------------------------------------------------------


def binary(c: Config, t: Tensor, y: Tensor) -> Tensor:
    t = t * (1 - c["label_smoothing"]) + c["label_smoothing"] / 2
    if c["from_logits"]:
        return F.binary_cross_entropy_with_logits(y, t, reduction="none").mean(1)
    y = clipped(y)
    return -(t * torch.log(y) + (1 - t) * torch.log(1 - y)).mean(1)


def binary_focal(c: Config, t: Tensor, y: Tensor) -> Tensor:
    t, y = t * (1 - c["label_smoothing"]) + c["label_smoothing"] / 2, clipped(y)
    entropy = -(t * torch.log(y) + (1 - t) * torch.log(1 - y))
    entropy = entropy * (1 - (t * y + (1 - t) * (1 - y))) ** c["gamma"]
    if c["apply_class_balancing"]:
        entropy = entropy * (t * c["alpha"] + (1 - t) * (1 - c["alpha"]))
    return entropy.mean(1)


def smoothed(c: Config, t: Tensor) -> Tensor:
    smoothing = c.get("label_smoothing", 0.0)
    return t * (1 - smoothing) + smoothing / t.shape[1]


def categorical(c: Config, t: Tensor, y: Tensor) -> Tensor:
    logs = F.log_softmax(y, 1) if c["from_logits"] else torch.log(clipped(y / y.sum(1, keepdim=True)))
    return -(smoothed(c, t) * logs).sum(1)


def categorical_focal(c: Config, t: Tensor, y: Tensor) -> Tensor:
    y = clipped(y / y.sum(1, keepdim=True))
    return -(c["alpha"] * (1 - y) ** c["gamma"] * smoothed(c, t) * torch.log(y)).sum(1)


def sparse_categorical(c: Config, t: Tensor, y: Tensor) -> Tensor:
    return categorical(c, F.one_hot(t, y.shape[1]).to(y.dtype), y)


def generalized(c: Config, t: Tensor, y: Tensor) -> Tensor:
    right = (F.one_hot(t, y.shape[1]) * y).sum(1)
    return (1 - torch.clamp(right, min=EPSILON) ** c["q"]) / c["q"]


def tversky(c: Config, t: Tensor, y: Tensor) -> Tensor:
    both = (t * y).sum(1)
    return 1 - both / (both + c["alpha"] * (t * (1 - y)).sum(1) + c["beta"] * (y * (1 - t)).sum(1) + EPSILON)


LOSSES: dict[str, Callable[[Config, Tensor, Tensor], Tensor]] = {
    "MeanSquaredError": lambda c, t, y: ((y - t) ** 2).mean(1),
    "MeanAbsoluteError": lambda c, t, y: (y - t).abs().mean(1),
    "MeanAbsolutePercentageError": lambda c, t, y: 100 * ((y - t) / torch.clamp(t.abs(), min=EPSILON)).abs().mean(1),
    "MeanSquaredLogarithmicError": lambda c, t, y: ((log1p(y) - log1p(t)) ** 2).mean(1),
    "Huber": lambda c, t, y: F.huber_loss(y, t, reduction="none", delta=c["delta"]).mean(1),
    "LogCosh": log_cosh,
    "Quantile": quantile,
    "CosineSimilarity": lambda c, t, y: -(unit(t) * unit(y)).sum(1),
    "Poisson": lambda c, t, y: (y - t * torch.log(y + EPSILON)).mean(1),
    "Hinge": lambda c, t, y: hinge(t, y).mean(1),
    "SquaredHinge": lambda c, t, y: (hinge(t, y) ** 2).mean(1),
    "CategoricalHinge": lambda c, t, y: torch.relu(((1 - t) * y).max(1).values - (t * y).sum(1) + 1),
    "KLDivergence": kl_divergence,
    "BinaryCrossentropy": binary,
    "BinaryFocalCrossentropy": binary_focal,
    "CategoricalCrossentropy": categorical,
    "CategoricalFocalCrossentropy": categorical_focal,
    "SparseCategoricalCrossentropy": sparse_categorical,
    "CategoricalGeneralizedCrossEntropy": generalized,
    "Dice": lambda c, t, y: 1 - 2 * (t * y).sum(1) / (t.sum(1) + y.sum(1) + EPSILON),
    "Tversky": tversky,
}

# Computed together with the last activation, from its input and without a clip: docs/design/layers.md says so.
FUSED = {
    ("softmax", "CategoricalCrossentropy"),
    ("softmax", "SparseCategoricalCrossentropy"),
    ("sigmoid", "BinaryCrossentropy"),
}


def batch_loss(config: Config, each: Tensor, weight: Tensor | None) -> Tensor:
    """Return the loss of a batch from those of its samples."""
    total = (each if weight is None else each * weight).sum()
    if config["reduction"] == "sum":
        return total
    by_weight = config["reduction"] == "mean_with_sample_weight" and weight is not None
    return total / (weight.sum() if by_weight else len(each))

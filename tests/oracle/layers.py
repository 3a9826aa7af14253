"""What each layer computes, in PyTorch, from its configuration alone: forward, and autograd does the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import reference_activations
from fastnet.functional.activations.table import ACTIVATIONS

Config = Mapping[str, Any]
Weights = dict[str, Tensor]  # by path: "0.kernel", "3.1.gamma"

# Where PyTorch's module is another function or loses digits, as that of gelu does in the tail.
_FUNCTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "linear": lambda x, alpha: x,
    "elu": lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(torch.clamp(x, max=0.0))),
    "gelu": lambda x, alpha: x * 0.5 * torch.special.erfc(-x / 2**0.5),
    "softplus": lambda x, alpha: F.softplus(x, threshold=40),
    "hard_sigmoid": lambda x, alpha: torch.clamp(x / 6 + 0.5, 0, 1),
}
_PARAMETERS = {"leaky_relu": ("negative_slope", 0.2), "elu": ("alpha", 1.0)}  # and Keras's default of the name alone


def activation(config: Any, x: Tensor) -> Tensor:
    """Apply the activation that a configuration names: a string, or a dictionary with the parameter."""
    given = config if isinstance(config, dict) else {"name": config}
    name = given["name"]
    parameter, default = _PARAMETERS.get(name, ("", 0.0))
    alpha = given.get(parameter, default)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name](x, alpha)
    module = ACTIVATIONS[name].torch
    if module is None:
        return _ByReference.apply(x, name)
    return eval(f"torch.nn.{module.format(alpha=alpha)}")(x)


class _ByReference(torch.autograd.Function):
    """An activation that PyTorch does not have, and its gradient, as the NumPy reference has them."""

    @staticmethod
    def forward(context: Any, x: Tensor, name: str) -> Tensor:
        context.save_for_backward(x)
        context.name = name
        with np.errstate(over="ignore"):
            return torch.from_numpy(reference_activations.ACTIVATIONS[name][0](x.detach().numpy()))

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = context.saved_tensors
        backward = reference_activations.ACTIVATIONS[context.name][1]
        with np.errstate(over="ignore"):
            return torch.from_numpy(backward(gradient.numpy(), x.numpy())), None


@dataclass
class Forward:
    """One pass through layers, in training or not; `moving` collects the moving averages that training leaves."""

    weights: Weights
    training: bool
    moving: Weights

    def through(self, layers: list[Config], x: Tensor, path: str = "") -> Tensor:
        for number, layer in enumerate(layers):
            x = LAYERS[layer["class_name"]].output(self, layer["config"], f"{path}{number}.", x)
        return x


@dataclass(frozen=True)
class Layer:
    """A class of layers: what it computes, and the names of its weights in Keras's order."""

    output: Callable[[Forward, Config, str, Tensor], Tensor]
    trainable: Callable[[Config], list[str]] = lambda config: []
    other: Callable[[Config], list[str]] = lambda config: []


# ---- Layers ----------------------------------------------------------------------------------------------------------


def dense(run: Forward, config: Config, path: str, x: Tensor) -> Tensor:
    x = x @ run.weights[path + "kernel"]
    return activation(config["activation"], x + run.weights[path + "bias"] if config["use_bias"] else x)


def scaled(run: Forward, config: Config, path: str, x: Tensor) -> Tensor:
    """Multiply by gamma and add beta, where there are such."""
    x = x * run.weights[path + "gamma"] if config["scale"] else x
    return x + run.weights[path + "beta"] if config["center"] else x


def gamma_and_beta(config: Config) -> list[str]:
    return ["gamma"] * config["scale"] + ["beta"] * config["center"]


def batch_normalization(run: Forward, config: Config, path: str, x: Tensor) -> Tensor:
    names = path + "moving_mean", path + "moving_variance"
    mean, variance = (run.weights[name] for name in names)
    if run.training and config.get("trainable", True):  # frozen, it works as in inference
        momentum = config["momentum"]
        batch = x.mean(0), x.var(0, unbiased=False)
        for name, old, new in zip(names, (mean, variance), batch, strict=True):
            run.moving[name] = (momentum * old + (1 - momentum) * new).detach()
        mean, variance = batch
    return scaled(run, config, path, (x - mean) / torch.sqrt(variance + config["epsilon"]))


def layer_normalization(run: Forward, config: Config, path: str, x: Tensor) -> Tensor:
    return scaled(run, config, path, F.layer_norm(x, x.shape[-1:], eps=config["epsilon"]))


def normalization(run: Forward, config: Config, path: str, x: Tensor) -> Tensor:
    return (x - run.weights[path + "mean"]) / torch.clamp(torch.sqrt(run.weights[path + "variance"]), min=1e-7)


def prelu(run: Forward, config: Config, path: str, x: Tensor) -> Tensor:
    return torch.where(x > 0, x, run.weights[path + "alpha"] * x)


def slope(run: Forward, config: Config, path: str, x: Tensor) -> Tensor:
    return F.leaky_relu(x, config["negative_slope"])


LAYERS: dict[str, Layer] = {
    "Dense": Layer(dense, lambda config: ["kernel", *["bias"] * config["use_bias"]]),
    "Activation": Layer(lambda run, config, path, x: activation(config["activation"], x)),
    "ReLU": Layer(slope),
    "LeakyReLU": Layer(slope),
    "ELU": Layer(lambda run, config, path, x: _FUNCTIONS["elu"](x, config["alpha"])),
    "Softmax": Layer(lambda run, config, path, x: F.softmax(x, -1)),
    "PReLU": Layer(prelu, lambda config: ["alpha"]),
    "BatchNormalization": Layer(batch_normalization, gamma_and_beta, lambda config: ["moving_mean", "moving_variance"]),
    "LayerNormalization": Layer(layer_normalization, gamma_and_beta),
    "Rescaling": Layer(lambda run, config, path, x: x * config["scale"] + config["offset"]),
    "Normalization": Layer(normalization, other=lambda config: ["mean", "variance"]),
    "Dropout": Layer(lambda run, config, path, x: x),  # of nothing, as `networks` has it
    "GaussianNoise": Layer(lambda run, config, path, x: x),  # likewise
    "Flatten": Layer(lambda run, config, path, x: x.reshape(len(x), -1)),
    "Reshape": Layer(lambda run, config, path, x: x.reshape(len(x), *config["target_shape"])),
    "Residual": Layer(lambda run, config, path, x: x + run.through(config["layers"], x, path)),
}


# ---- Weights ---------------------------------------------------------------------------------------------------------


def weight_paths(layers: list[Config], path: str = "", frozen: bool = False) -> list[tuple[str, bool]]:
    """Return the path of every weight in the order of `get_weights`, and whether it is trained."""
    paths: list[tuple[str, bool]] = []
    for number, layer in enumerate(layers):
        kind, config, here = LAYERS[layer["class_name"]], layer["config"], f"{path}{number}."
        still = frozen or not config.get("trainable", True)
        paths += [(here + name, not still) for name in kind.trainable(config)]
        paths += [(here + name, False) for name in kind.other(config)]
        paths += weight_paths(config.get("layers", []), here, still)
    return paths


def penalty(layers: list[Config], weights: Weights, path: str = "") -> Any:
    """Return what the regularizers add to the loss for the weights that are trained."""
    total: Any = 0.0
    for number, layer in enumerate(layers):
        config, here = layer["config"], f"{path}{number}."
        if not config.get("trainable", True):
            continue
        total = total + penalty(config.get("layers", []), weights, here)
        for name in ("kernel", "bias"):
            if f"{name}_regularizer" in config and here + name in weights:
                factors, weight = config[f"{name}_regularizer"]["config"], weights[here + name]
                total = total + factors.get("l1", 0.0) * weight.abs().sum() + factors.get("l2", 0.0) * (weight**2).sum()
    return total

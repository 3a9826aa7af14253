"""What each layer computes, in PyTorch, from its configuration alone: forward, and autograd does the rest."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from oracle import images
from oracle.activations import FUNCTIONS, activation

Config = Mapping[str, Any]
Weights = dict[str, Tensor]  # by path: "0.kernel", "3.1.gamma"


@dataclass
class Forward:
    """One pass through layers, in training or not; `moving` collects the moving averages that training leaves."""

    weights: Weights
    training: bool
    moving: Weights

    def through(self, layers: list[Config], x: Tensor, path: str = "", first: int = 0) -> Tensor:
        for number, layer in enumerate(layers, first):
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
        every = tuple(range(x.ndim - 1))  # axis but that of the channels
        batch = x.mean(every), x.var(every, unbiased=False)
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


def residual(run: Forward, config: Config, path: str, x: Tensor) -> Tensor:
    body, shortcut = config["layers"], config.get("shortcut", [])
    made = run.through(body, x, path)
    return run.through(shortcut, x, path, len(body)) + made


def inside(config: Config) -> list[Config]:
    """Return the layers inside a layer, in the order of their numbers."""
    return [*config.get("layers", []), *config.get("shortcut", [])]


def named(*kernels: str) -> Callable[[Config], list[str]]:
    return lambda config: [*kernels, *["bias"] * config["use_bias"]]


LAYERS: dict[str, Layer] = {
    "Dense": Layer(dense, named("kernel")),
    "Activation": Layer(lambda run, config, path, x: activation(config["activation"], x)),
    "ReLU": Layer(slope),
    "LeakyReLU": Layer(slope),
    "ELU": Layer(lambda run, config, path, x: FUNCTIONS["elu"](x, config["alpha"])),
    "Softmax": Layer(lambda run, config, path, x: F.softmax(x, -1)),
    "PReLU": Layer(prelu, lambda config: ["alpha"]),
    "BatchNormalization": Layer(batch_normalization, gamma_and_beta, lambda config: ["moving_mean", "moving_variance"]),
    "LayerNormalization": Layer(layer_normalization, gamma_and_beta),
    "Rescaling": Layer(lambda run, config, path, x: x * config["scale"] + config["offset"]),
    "Normalization": Layer(normalization, other=lambda config: ["mean", "variance"]),
    "Dropout": Layer(lambda run, config, path, x: x),  # of nothing, as `networks` has it
    "GaussianNoise": Layer(lambda run, config, path, x: x),  # likewise
    "SpatialDropout2D": Layer(lambda run, config, path, x: x),
    "SpatialDropout1D": Layer(lambda run, config, path, x: x),
    "Conv2D": Layer(images.convolution, named("kernel")),
    "Conv1D": Layer(images.convolution, named("kernel")),
    "DepthwiseConv2D": Layer(images.depthwise_convolution, named("depthwise")),
    "SeparableConv2D": Layer(images.separable_convolution, named("depthwise", "pointwise")),
    "Conv2DTranspose": Layer(images.transposed_convolution, named("kernel")),
    "Conv1DTranspose": Layer(images.transposed_convolution, named("kernel")),
    "MaxPooling2D": Layer(images.max_pooling),
    "MaxPooling1D": Layer(images.max_pooling),
    "AveragePooling2D": Layer(images.average_pooling),
    "AveragePooling1D": Layer(images.average_pooling),
    "GlobalMaxPooling2D": Layer(images.global_max_pooling),
    "GlobalMaxPooling1D": Layer(images.global_max_pooling),
    "GlobalAveragePooling2D": Layer(images.global_average_pooling),
    "GlobalAveragePooling1D": Layer(images.global_average_pooling),
    "ZeroPadding2D": Layer(images.zero_padding),
    "ZeroPadding1D": Layer(images.zero_padding),
    "Cropping2D": Layer(images.cropping),
    "Cropping1D": Layer(images.cropping),
    "UpSampling2D": Layer(images.upsampling),
    "UpSampling1D": Layer(images.upsampling),
    "Permute": Layer(lambda run, config, path, x: x.permute(0, *config["dims"])),
    "Flatten": Layer(lambda run, config, path, x: x.reshape(len(x), -1)),
    "Reshape": Layer(lambda run, config, path, x: x.reshape(len(x), *config["target_shape"])),
    "Residual": Layer(residual),
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
        paths += weight_paths(inside(config), here, still)
    return paths


def penalty(layers: list[Config], weights: Weights, path: str = "") -> Any:
    """Return what the regularizers add to the loss for the weights that are trained."""
    total: Any = 0.0
    for number, layer in enumerate(layers):
        config, here = layer["config"], f"{path}{number}."
        if not config.get("trainable", True):
            continue
        total = total + penalty(inside(config), weights, here)
        for name in ("kernel", "depthwise", "pointwise", "bias"):
            if f"{name}_regularizer" in config and here + name in weights:
                factors, weight = config[f"{name}_regularizer"]["config"], weights[here + name]
                total = total + factors.get("l1", 0.0) * weight.abs().sum() + factors.get("l2", 0.0) * (weight**2).sum()
    return total

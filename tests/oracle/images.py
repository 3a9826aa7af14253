"""What layers for images compute, in PyTorch, whose images are channels x rows x columns; a line is an image of one row."""

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

import reference_images as reference
from oracle.activations import activation
from reference_images import Axes

Config = Mapping[str, Any]
Output = Callable[[Any, Config, str, Tensor], Tensor]
SAMES = {"valid": reference.valid, "same": reference.same, "causal": reference.causal}
TRANSPOSED = {"valid": reference.transposed_valid, "same": reference.transposed_same}


def of_images(compute: Output) -> Output:
    """Let a function of images compute lines as well, and give both channels last as they came."""

    @wraps(compute)
    def computed(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
        line = x.ndim == 3
        y = compute(run, config, path, (x.unsqueeze(1) if line else x).movedim(3, 1))
        y = y.movedim(1, 3) if y.ndim == 4 else y
        return y.squeeze(1) if line and y.ndim == 4 else y

    return computed


def pair(value: Any, other: Any = 1) -> tuple[Any, Any]:
    """Return what a configuration has for both axes; it has one for lines, whose height is not touched."""
    values = list(value) if isinstance(value, list | tuple) else [value]
    return (other, *values) if len(values) == 1 else tuple(values)


def axes_of(config: Config, x: Tensor, window: Any) -> Axes:
    settings = pair(window), pair(config["strides"]), pair(config.get("dilation_rate", 1))
    rows, columns = (SAMES[config["padding"]](*each) for each in zip(x.shape[2:], *settings, strict=True))
    return rows, columns


def both(axes: Axes, name: str) -> tuple[int, int]:
    return getattr(axes[0], name), getattr(axes[1], name)


def framed(x: Tensor, axes: Axes, value: float = 0.0) -> Tensor:
    """Put values around images, or cut them, so that exactly the windows of the axes fit."""
    sides: list[int] = []
    for axis in reversed(axes):
        end = (axis.output - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1
        sides += [axis.before, end - axis.before - axis.image]
    return F.pad(x, sides, value=value)


# ---- Convolutions ----------------------------------------------------------------------------------------------------


def four(kernel: Tensor) -> Tensor:
    return kernel.unsqueeze(0) if kernel.ndim == 3 else kernel


def finished(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    """Add the bias and apply the activation, both of the channels."""
    x = x.movedim(1, 3)
    x = x + run.weights[path + "bias"] if config["use_bias"] else x
    return activation(config["activation"], x).movedim(3, 1)


def convolved(config: Config, x: Tensor, kernel: Tensor, groups: int) -> Tensor:
    axes = axes_of(config, x, list(kernel.shape[:2]))
    weight = kernel.permute(3, 2, 0, 1).contiguous()  # as its gradient must be
    return F.conv2d(
        framed(x, axes), weight, stride=both(axes, "stride"), dilation=both(axes, "dilation"), groups=groups
    )


def by_channel(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    kernel = run.weights[path + "depthwise"]
    return convolved(config, x, kernel.reshape(*kernel.shape[:2], 1, -1), x.shape[1])


@of_images
def convolution(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    return finished(run, config, path, convolved(config, x, four(run.weights[path + "kernel"]), config["groups"]))


@of_images
def depthwise_convolution(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    return finished(run, config, path, by_channel(run, config, path, x))


@of_images
def separable_convolution(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    between = by_channel(run, config, path, x)
    weight = run.weights[path + "pointwise"].permute(3, 2, 0, 1).contiguous()
    return finished(run, config, path, F.conv2d(between, weight))


@of_images
def transposed_convolution(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    kernel = four(run.weights[path + "kernel"])
    margins = pair(config["output_padding"] or (None, None), None)
    settings = kernel.shape[:2], pair(config["strides"]), pair(config["dilation_rate"]), margins
    rows, columns = (TRANSPOSED[config["padding"]](*each) for each in zip(x.shape[2:], *settings, strict=True))
    axes = rows, columns
    weight = kernel.permute(3, 2, 0, 1).contiguous()
    whole = F.conv_transpose2d(x, weight, stride=both(axes, "stride"), dilation=both(axes, "dilation"))
    sides: list[int] = []  # what is behind the last kernel is 0
    for axis, size in zip(reversed(axes), reversed(whole.shape[2:]), strict=True):
        sides += [-axis.before, axis.image + axis.before - size]
    return finished(run, config, path, F.pad(whole, sides))


# ---- Pooling ---------------------------------------------------------------------------------------------------------


@of_images
def max_pooling(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    axes = axes_of(config, x, config["pool_size"])
    return F.max_pool2d(framed(x, axes, -torch.inf), both(axes, "window"), both(axes, "stride"))


@of_images
def average_pooling(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    axes = axes_of(config, x, config["pool_size"])
    window, stride = both(axes, "window"), both(axes, "stride")
    inside = F.avg_pool2d(framed(torch.ones_like(x), axes), window, stride)
    return F.avg_pool2d(framed(x, axes), window, stride) / inside


@of_images
def global_max_pooling(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    largest = F.max_pool2d(x, x.shape[2:])
    return largest if config["keepdims"] else largest.flatten(1)


@of_images
def global_average_pooling(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=config["keepdims"])


# ---- Other sizes -----------------------------------------------------------------------------------------------------


def frame(given: Any) -> list[int]:
    """Return a padding as PyTorch takes it: of the columns, then of the rows."""
    sides = given if isinstance(given[0], list | tuple) else [(0, 0), given]
    return [*sides[1], *sides[0]]


@of_images
def zero_padding(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    return F.pad(x, frame(config["padding"]))


@of_images
def cropping(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    return F.pad(x, [-side for side in frame(config["cropping"])])


@of_images
def upsampling(run: Any, config: Config, path: str, x: Tensor) -> Tensor:
    factors = pair(config["size"])
    if config.get("interpolation") == "bilinear":
        return F.interpolate(x, scale_factor=factors, mode="bilinear", align_corners=False)
    return x.repeat_interleave(factors[0], 2).repeat_interleave(factors[1], 3)

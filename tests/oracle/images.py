"""What the core's layers for images compute, in PyTorch, whose images are channels x rows x columns; autograd does the rest."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from image_descriptions import described_axes
from oracle.image_networks import Array, ImageCase
from oracle.layers import activation
from reference_images import Axes

Description = Mapping[str, Any]


def framed(x: Tensor, axes: Axes, value: float = 0.0) -> Tensor:
    """Put values around images, or cut them, so that exactly the windows of the axes fit."""
    sides: list[int] = []
    for axis in reversed(axes):
        end = (axis.output - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1
        sides += [axis.before, end - axis.before - axis.image]
    return F.pad(x, sides, value=value)


def steps(axes: Axes, *names: str) -> tuple[tuple[int, int], ...]:
    return tuple((getattr(axes[0], name), getattr(axes[1], name)) for name in names)


def transposed(x: Tensor, kernel: Tensor, axes: Axes) -> Tensor:
    """Convolve and cut: what is behind the kernel's last reach is zero."""
    stride, dilation = steps(axes, "stride", "dilation")
    whole = F.conv_transpose2d(x, kernel, stride=stride, dilation=dilation)
    sides: list[int] = []
    for axis, size in zip(reversed(axes), reversed(whole.shape[2:]), strict=True):
        sides += [-axis.before, axis.image + axis.before - size]
    return F.pad(whole, sides)


def scaled(layer: Description, x: Tensor, gamma_and_beta: list[Tensor]) -> Tensor:
    given = iter(gamma_and_beta)
    x = x * next(given) if layer["use_gamma"] else x
    return x + next(given) if layer["use_beta"] else x


class Forward:
    """A pass of samples through described layers, with the weights in the core's order; averages stay as they are."""

    def __init__(self, weights: list[Tensor], training: bool) -> None:
        self._weights, self._training = iter(weights), training
        self.trained: list[Tensor] = []

    def weight(self) -> Tensor:
        self.trained.append(next(self._weights))
        return self.trained[-1]

    def statistics(self) -> tuple[Tensor, Tensor]:
        return next(self._weights).detach(), next(self._weights).detach()

    def through(self, layers: list[Description], x: Tensor) -> Tensor:
        kept: list[Tensor] = []
        for layer in layers:
            match layer["type"]:
                case "residual_begin":
                    kept.append(x)
                case "residual_end":
                    x = x + kept.pop()
                case _:
                    x = self.after(layer, x)
        return x

    def after(self, layer: Description, x: Tensor) -> Tensor:
        """Return what a layer makes of samples, all as rows."""
        if "height" in layer:
            shape = layer["height"], layer["width"], layer["channels"]
            y = self.image(layer, x.reshape(-1, *shape).movedim(3, 1)).movedim(1, 3)
        elif layer["type"] == "permutation":
            y = x.reshape(-1, *layer["shape"]).permute(0, *(axis + 1 for axis in layer["axes"]))
        elif layer["type"] == "spatial_dropout":
            return x  # drops nothing, as `image_networks` has it
        else:
            y = self.rows(layer, x.reshape(len(x) * layer["positions"], -1))
        if layer.get("use_bias"):
            y = y + self.weight()
        if "activation" in layer:
            # A name alone has the default of Keras.
            given = {"name": layer["activation"], "negative_slope": layer["alpha"], "alpha": layer["alpha"]}
            y = activation(given, y.reshape(-1, y.shape[-1])).reshape(y.shape)
        return y.reshape(len(x), -1)

    def image(self, layer: Description, x: Tensor) -> Tensor:
        axes = described_axes(layer) if "output_height" in layer else None
        kind, channels = layer["type"], layer["channels"]
        if axes is None:
            factors = layer["factor_height"], layer["factor_width"]
            if layer["bilinear"]:
                return F.interpolate(x, scale_factor=factors, mode="bilinear", align_corners=False)
            return x.repeat_interleave(factors[0], 2).repeat_interleave(factors[1], 3)
        window, stride, dilation = steps(axes, "window", "stride", "dilation")
        match kind:
            case "conv2d":
                kernel = self.weight().reshape(*window, channels // layer["groups"], layer["filters"])
                kernel = kernel.permute(3, 2, 0, 1).contiguous()  # as its gradient must be
                return F.conv2d(framed(x, axes), kernel, stride=stride, dilation=dilation, groups=layer["groups"])
            case "conv2d_transpose":
                kernel = self.weight().reshape(*window, layer["filters"], channels)
                return transposed(x, kernel.permute(3, 2, 0, 1).contiguous(), axes)
            case "max_pooling2d":
                return F.max_pool2d(framed(x, axes, -torch.inf), window, stride)
            case "average_pooling2d":
                inside = F.avg_pool2d(framed(torch.ones_like(x), axes), window, stride)
                return F.avg_pool2d(framed(x, axes), window, stride) / inside
        return framed(x, axes)

    def rows(self, layer: Description, x: Tensor) -> Tensor:
        width = x.shape[1]

        match layer["type"]:
            case "dense":
                return x @ self.weight().reshape(width, -1)
            case "layer_normalization":
                gamma_and_beta = [self.weight() for each in ("use_gamma", "use_beta") if layer[each]]
                return scaled(layer, F.layer_norm(x, (width,), eps=layer["epsilon"]), gamma_and_beta)
            case "batch_normalization":
                gamma_and_beta = [self.weight() for each in ("use_gamma", "use_beta") if layer[each]]
                mean, variance = self.statistics()
                if self._training:
                    mean, variance = x.mean(0), x.var(0, unbiased=False)
                return scaled(layer, (x - mean) / torch.sqrt(variance + layer["epsilon"]), gamma_and_beta)
            case "normalization":
                mean, variance = self.statistics()
                return (x - mean) / torch.sqrt(variance + layer["epsilon"])
            case "prelu":
                return F.prelu(x, self.weight())
        return x  # an activation


LOSSES = {
    "mse": lambda y, out: ((y - out) ** 2).mean(1),
    "binary_crossentropy": lambda y, out: F.binary_cross_entropy_with_logits(out, y, reduction="none").mean(1),
    "categorical_crossentropy": lambda y, out: -(y * F.log_softmax(out, 1)).sum(1),
}


def by_torch(case: ImageCase, weights: list[Array], y: Array) -> dict[str, list[Array]]:
    """Return predictions, the derivatives of y times them by the samples, the loss and its gradients."""
    x, leaves = (
        torch.tensor(case.x, requires_grad=True),
        [torch.tensor(weight, requires_grad=True) for weight in weights],
    )
    outputs = Forward(leaves, False).through(case.layers, x)
    (by_input,) = torch.autograd.grad(outputs, x, torch.tensor(y))

    run, last = Forward(leaves, True), case.layers[-1]
    logits = last if case.loss == "mse" else {**last, "activation": "linear"}
    losses = LOSSES[case.loss](torch.tensor(case.y), run.through([*case.layers[:-1], logits], x.detach()))
    loss = (losses if case.weight is None else losses * torch.tensor(case.weight)).mean()
    gradients = torch.autograd.grad(loss, run.trained, allow_unused=True, materialize_grads=True)
    return {
        "predictions": [outputs.detach().numpy()],
        "input gradients": [by_input.numpy()],
        "loss": [loss.detach().numpy()],
        "gradients": [gradient.numpy() for gradient in gradients],
    }

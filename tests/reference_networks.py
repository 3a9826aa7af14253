"""Networks of layers for images in the reference, from the descriptions that the compiled core takes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import reference
import reference_images as images
import reference_layers as rows
from image_descriptions import described_axes, output_size
from reference import Array, Layer
from reference_activations import PARAMETERS

Description = Mapping[str, Any]


class Mapped(Layer):
    """Two functions of samples, or rows of them, in the shape that the functions take, and of weights."""

    def __init__(
        self,
        shape: Sequence[int],
        forward: Callable[..., Array],
        backward: Callable[..., tuple[Array, Sequence[Array]]],
        *parameters: Array,
    ) -> None:
        self.shape, self.functions, self.parameters = shape, (forward, backward), parameters

    def forward(self, x: Array) -> Array:
        self.x = x.reshape(-1, *self.shape)
        y = self.functions[0](self.x, *self.parameters)
        self.made = y.shape
        return y.reshape(len(x), -1)

    def backward(self, gradient: Array) -> Array:
        by_x, self.gradients = self.functions[1](gradient.reshape(self.made), self.x, *self.parameters)
        return by_x.reshape(len(gradient), -1)


def activation(row: int, size: int, name: str, alpha: float) -> Layer:
    """Return an activation of samples of `size` numbers, of which every `row` numbers are a row for a softmax."""
    parameter = PARAMETERS.get(name)
    whole = reference.Activation(name, **({parameter: alpha} if parameter else {}))
    if row == size or not name.endswith("softmax"):
        return whole  # which a loss may be computed together with
    return Mapped([row], whole.forward, lambda gradient, z: (whole.backward(gradient), ()))


# ---- Normalization ---------------------------------------------------------------------------------------------------


class Normalized(Layer):
    """A normalization of rows of `size` numbers, with gamma and beta where there are such."""

    def __init__(self, size: int, description: Description, weights: Iterator[Array]) -> None:
        self.size, self.epsilon = size, description["epsilon"]
        self.used = description["use_gamma"], description["use_beta"]
        self.parameters = [next(weights) for used in self.used if used]

    @property
    def gamma_and_beta(self) -> list[Array]:
        given, defaults = iter(self.parameters), (np.ones(1), np.zeros(1))
        return [next(given) if used else default for used, default in zip(self.used, defaults, strict=True)]

    def forward(self, x: Array) -> Array:
        self.x = x.reshape(-1, self.size)
        return self.normalized().reshape(x.shape)

    def backward(self, gradient: Array) -> Array:
        by_x, gradients = self.derivatives(gradient.reshape(self.x.shape))
        self.gradients = [each for each, used in zip(gradients, self.used, strict=True) if used]
        return by_x.reshape(gradient.shape)

    def normalized(self) -> Array:
        return rows.layer_normalization(self.x, *self.gamma_and_beta, self.epsilon)

    def derivatives(self, gradient: Array) -> tuple[Array, tuple[Array, Array]]:
        return rows.layer_normalization_backward(gradient, self.x, self.gamma_and_beta[0], self.epsilon)


class BatchNormalization(Normalized):
    """In training by the batch, which moves the averages; in prediction by these."""

    training = True

    def __init__(self, size: int, description: Description, weights: Iterator[Array]) -> None:
        super().__init__(size, description, weights)
        self.momentum, self.moving = description["momentum"], [next(weights), next(weights)]

    def normalized(self) -> Array:
        gamma, beta = self.gamma_and_beta
        if not self.training:
            mean, variance = self.moving
            return gamma * (self.x - mean) / np.sqrt(variance + self.epsilon) + beta
        for moving, batch in zip(self.moving, (self.x.mean(axis=0), self.x.var(axis=0)), strict=True):
            moving[:] = self.momentum * moving + (1.0 - self.momentum) * batch
        return rows.batch_normalization(self.x, gamma, beta, self.epsilon)

    def derivatives(self, gradient: Array) -> tuple[Array, tuple[Array, Array]]:
        gamma = self.gamma_and_beta[0]
        if self.training:
            return rows.batch_normalization_backward(gradient, self.x, gamma, self.epsilon)
        mean, variance = self.moving
        root = np.sqrt(variance + self.epsilon)
        by_gamma = (gradient * (self.x - mean) / root).sum(axis=0)
        return gradient * gamma / root, (by_gamma, gradient.sum(axis=0))


# ---- Others that keep something --------------------------------------------------------------------------------------


class SpatialDropout(Layer):
    """Drops channels as the random numbers of a step say, in training."""

    training, step = True, 1

    def __init__(self, description: Description, stream: int) -> None:
        self.channels, self.rate = description["channels"], description["rate"]
        self.seed, self.stream = description["seed"], stream

    def forward(self, x: Array) -> Array:
        drawn = [rows.uniform_row(self.seed, self.stream, self.step, row, self.channels) for row in range(len(x))]
        kept = np.array(drawn) >= self.rate
        self.mask = kept / (1.0 - self.rate) if self.training else np.ones(kept.shape)
        return self.backward(x)

    def backward(self, gradient: Array) -> Array:
        pixels = gradient.reshape(len(gradient), -1, 1, self.channels)
        return images.spatial_dropout(pixels, self.mask).reshape(gradient.shape)


class Residual(Layer):
    """Layers to whose output their input is added."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

    def forward(self, x: Array) -> Array:
        y = x
        for layer in self.layers:
            y = layer.forward(y)
        return x + y

    def backward(self, gradient: Array) -> Array:
        inner = gradient
        for layer in reversed(self.layers):
            inner = layer.backward(inner)
        self.gradients = [array for layer in self.layers for array in layer.gradients]
        return gradient + inner

    @property
    def parameters(self) -> list[Array]:  # type: ignore[override]
        return [array for layer in self.layers for array in layer.parameters]


# ---- Layers of descriptions ------------------------------------------------------------------------------------------


def dense(x: Array, kernel: Array) -> Array:
    return x @ kernel


def dense_backward(gradient: Array, x: Array, kernel: Array) -> tuple[Array, tuple[Array]]:
    return gradient @ kernel.T, (x.T @ gradient,)


def biased(z: Array, bias: Array) -> Array:
    return z + bias


def biased_backward(gradient: Array, z: Array, bias: Array) -> tuple[Array, tuple[Array]]:
    return gradient, (gradient.sum(axis=0),)


def normalization(row: int, description: Description, weights: Iterator[Array]) -> Layer:
    mean, variance = next(weights), next(weights)
    root = np.sqrt(variance + description["epsilon"])
    return Mapped([row], lambda x: (x - mean) / root, lambda gradient, x: (gradient / root, ()))


def by_functions(name: str, shape: Sequence[int], *parameters: Array, **settings: Any) -> Layer:
    """Return a layer of the function with this name in the reference and of its backward."""
    functions = [getattr(images, f"{name}{end}") for end in ("", "_backward")]
    return Mapped(shape, *(partial(function, **settings) for function in functions), *parameters)


def windowed(description: Description, weights: Iterator[Array]) -> Layer:
    """Return a convolution without its bias, a pooling or a padding."""
    axes, shape = described_axes(description), [description[key] for key in ("height", "width", "channels")]
    size = [axis.window for axis in axes]
    match description["type"]:
        case "conv2d":
            groups, filters = description["groups"], description["filters"]
            kernel = next(weights).reshape(*size, shape[2] // groups, filters)
            return by_functions("convolution", shape, kernel, axes=axes, groups=groups)
        case "conv2d_transpose":
            kernel = next(weights).reshape(*size, description["filters"], shape[2])
            return by_functions("transposed_convolution", shape, kernel, axes=axes)
        case "padding2d":
            return by_functions("shifted", shape, axes=axes)
        case kind:
            return by_functions(kind.removesuffix("2d"), shape, axes=axes)


def main_layer(description: Description, size: int, stream: int, weights: Iterator[Array]) -> Layer:
    """Return the layer of a description for samples of `size` numbers, without its bias and activation."""
    row = size // description.get("positions", 1)
    match description["type"]:
        case "dense":
            return Mapped([row], dense, dense_backward, next(weights).reshape(row, -1))
        case "upsampling2d":
            shape = [description[key] for key in ("height", "width", "channels")]
            factors = description["factor_height"], description["factor_width"]
            return by_functions("upsampling", shape, factors=factors, bilinear=description["bilinear"])
        case "permutation":
            return by_functions("permutation", description["shape"], axes=description["axes"])
        case "spatial_dropout":
            return SpatialDropout(description, stream)
        case "batch_normalization":
            return BatchNormalization(row, description, weights)
        case "layer_normalization":
            return Normalized(row, description, weights)
        case "normalization":
            return normalization(row, description, weights)
        case "prelu":
            return Mapped([row], rows.prelu, rows.prelu_backward, next(weights))
        case "rescaling":
            return reference.Rescaling(description["scale"], description["offset"])
    return windowed(description, weights)


def layers_from(descriptions: Iterable[Description], size: int, weights: Iterable[Array]) -> list[Layer]:
    """Build layers for samples of `size` numbers from their descriptions, and weights in the core's order."""
    given, open_blocks = iter(weights), [list[Layer]()]
    for stream, description in enumerate(descriptions):
        layers = open_blocks[-1]
        match description["type"]:
            case "residual_begin":
                open_blocks.append([])
                continue
            case "residual_end":
                open_blocks[-2].append(Residual(open_blocks.pop()))
                continue
            case "activation":
                pass
            case _:
                layers.append(main_layer(description, size, stream, given))
                size = output_size(description, size)
        row = description.get("units", description.get("filters", size // description.get("positions", 1)))
        if description.get("use_bias"):
            layers.append(Mapped([row], biased, biased_backward, next(given)))
        if "activation" in description:
            layers.append(activation(row, size, description["activation"], description["alpha"]))
    return open_blocks[0]


class Network(reference.Network):
    """A network of the descriptions; it counts the steps that training has taken."""

    def __init__(
        self, descriptions: Iterable[Description], size: int, weights: Iterable[ArrayLike], loss: str = "mse"
    ) -> None:
        arrays = [np.array(weight, np.float64) for weight in weights]
        super().__init__(layers_from(descriptions, size, arrays), loss)
        self.weights = arrays  # all of them, with those that training moves by itself

    def every_layer(self, layers: Sequence[Layer] | None = None) -> Iterator[Layer]:
        for layer in self.layers if layers is None else layers:
            yield layer
            if isinstance(layer, Residual):
                yield from self.every_layer(layer.layers)

    def in_training(self, training: bool, step: int = 1) -> None:
        for layer in self.every_layer():
            if isinstance(layer, BatchNormalization | SpatialDropout):
                layer.training = training
            if isinstance(layer, SpatialDropout):
                layer.step = step

    def input_gradients(self, x: Array, gradient: Array) -> Array:
        """Return the gradient by the inputs from the one by the outputs."""
        self.predict(x)
        for layer in reversed(self.layers):
            gradient = layer.backward(gradient)
        return gradient

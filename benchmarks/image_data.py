"""What the peers get of a convolutional network: images, initial weights in either order of the axes, and the reference."""

import math

import numpy as np

from .image_cases import Convolution, Dense, Flatten, Network, Pooling, Shape, Weighted

Array = np.ndarray
Weights = list[Array]  # kernel and bias of the first layer with weights, then of the next


def pictures(count: int, shape: Shape, classes: int) -> tuple[Array, Array]:
    """Return images of bytes and their classes: a pattern of squares for each class under noise."""
    rng = np.random.default_rng(0)
    height, width, channels = shape
    patterns = rng.normal(0, 50, (classes, height // 8, width // 8, channels)).repeat(8, axis=1).repeat(8, axis=2)
    y = rng.integers(0, classes, count)
    x = 128 + patterns[y] + rng.normal(0, 40, (count, *shape))
    return np.clip(x, 0, 255).astype(np.uint8), y


def initial_weights(network: Network, seed: int) -> Weights:
    """Normal with variance 2 / fan_in, and biases of zero."""
    rng = np.random.default_rng(seed)
    weights: Weights = []
    for layer, shape in network.stages():
        if isinstance(layer, Weighted):
            size = layer.kernel(shape)
            kernel = rng.standard_normal(size, dtype=np.float32)
            weights += [kernel * np.float32((2 / math.prod(size[:-1])) ** 0.5), np.zeros(size[-1], np.float32)]
    return weights


# ---- Channels first -------------------------------------------------------------------------------------------------


def windows(network: Network) -> list[tuple[Shape, bool]]:
    """Return the kernels' shapes as of convolutions, and which are convolutions'.

    A dense layer is a convolution whose window is the image that was flattened before it, or one pixel.
    """
    found: list[tuple[Shape, bool]] = []
    image: Shape = ()
    for layer, shape in network.stages():
        if isinstance(layer, Flatten):
            image = shape
        elif isinstance(layer, Convolution):
            found.append((layer.kernel(shape), True))
        elif isinstance(layer, Dense):
            found.append(((*(image or (1, 1, *shape)), layer.units), False))
            image = ()
    return found


def channels_first(network: Network, weights: Weights) -> Weights:
    """Return the weights as PyTorch and ONNX keep them: (filters, channels, height, width) and (units, inputs)."""
    result: Weights = []
    for (window, convolves), kernel, bias in zip(windows(network), weights[0::2], weights[1::2], strict=True):
        turned = kernel.reshape(window).transpose(3, 2, 0, 1)
        result += [np.ascontiguousarray(turned if convolves else turned.reshape(len(bias), -1)), bias]
    return result


def channels_last(network: Network, weights: Weights) -> Weights:
    """Return such weights in the order of `initial_weights` again."""
    result: Weights = []
    for (window, convolves), kernel, bias in zip(windows(network), weights[0::2], weights[1::2], strict=True):
        height, width, channels, units = window
        turned = kernel.reshape(units, channels, height, width).transpose(2, 3, 1, 0)
        result += [np.ascontiguousarray(turned if convolves else turned.reshape(-1, units)), bias]
    return result


def rows_channels_first(x: Array) -> Array:
    """Return images (height, width, channels) in the order channels, height, width."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


# ---- The reference --------------------------------------------------------------------------------------------------

PART = 500  # images whose windows are copied at a time


def logits(network: Network, weights: Weights, x: Array) -> Array:
    return np.concatenate([part(network, weights, x[begin : begin + PART]) for begin in range(0, len(x), PART)])


def part(network: Network, weights: Weights, x: Array) -> Array:
    """Return the logits, without dropout."""
    remaining = list(weights)
    for layer, _ in network.stages():
        if isinstance(layer, Weighted):
            kernel, bias, *remaining = remaining
            x = (convolution(layer, x, kernel) if isinstance(layer, Convolution) else x @ kernel) + bias
            x = np.maximum(x, 0) if remaining else x
        elif isinstance(layer, Pooling):
            size = layer.size
            n, height, width, channels = x.shape
            x = x[:, : height // size * size, : width // size * size]
            x = x.reshape(n, height // size, size, width // size, size, channels).max((2, 4))
        elif isinstance(layer, Flatten):
            x = x.reshape(len(x), -1)
    return x


def convolution(layer: Convolution, x: Array, kernel: Array) -> Array:
    if layer.same:
        before = (layer.size - 1) // 2
        around = (before, layer.size - 1 - before)
        x = np.pad(x, ((0, 0), around, around, (0, 0)))
    found = np.lib.stride_tricks.sliding_window_view(x, (layer.size, layer.size), (1, 2))
    return np.tensordot(found, kernel, ((3, 4, 5), (2, 0, 1)))

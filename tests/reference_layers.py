"""Layers with a state of their own, in plain NumPy and float64: each forward in training beside its backward.

A backward takes the gradient of the loss by the layer's output, and returns that by its input and those by its weights.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


# --- Batch normalization: Ioffe and Szegedy (2015), the algorithm and its gradient by the chain rule -----------------


def batch_normalization(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    mean, variance = x.mean(axis=0), x.var(axis=0)
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def batch_normalization_backward(
    gradient: Array, x: Array, gamma: Array, epsilon: float
) -> tuple[Array, tuple[Array, Array]]:
    n = len(x)
    mean, variance = x.mean(axis=0), x.var(axis=0)
    root = np.sqrt(variance + epsilon)
    by_normalized = gradient * gamma
    by_variance = (by_normalized * (x - mean)).sum(axis=0) * -0.5 * root**-3
    by_mean = -by_normalized.sum(axis=0) / root + by_variance * -2.0 * (x - mean).mean(axis=0)
    by_x = by_normalized / root + by_variance * 2.0 * (x - mean) / n + by_mean / n
    return by_x, ((gradient * (x - mean) / root).sum(axis=0), gradient.sum(axis=0))


# --- Layer normalization: the same for rows, so transposed ------------------------------------------------------------


def layer_normalization(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    return gamma * batch_normalization(x.T, np.ones(1), np.zeros(1), epsilon).T + beta


def layer_normalization_backward(
    gradient: Array, x: Array, gamma: Array, epsilon: float
) -> tuple[Array, tuple[Array, Array]]:
    normalized = layer_normalization(x, np.ones(1), np.zeros(1), epsilon)
    by_x, _ = batch_normalization_backward((gradient * gamma).T, x.T, np.ones(1), epsilon)
    return by_x.T, ((gradient * normalized).sum(axis=0), gradient.sum(axis=0))


# --- PReLU: He et al. (2015) -----------------------------------------------------------------------------------------


def prelu(x: Array, alpha: Array) -> Array:
    return np.maximum(x, 0.0) + alpha * np.minimum(x, 0.0)


def prelu_backward(gradient: Array, x: Array, alpha: Array) -> tuple[Array, tuple[Array]]:
    return gradient * np.where(x > 0.0, 1.0, alpha), ((gradient * np.minimum(x, 0.0)).sum(axis=0),)


# --- Random numbers: Threefry-4x32 of Salmon et al. (2011), word by word ---------------------------------------------

ROTATIONS = ((10, 26), (11, 21), (13, 27), (23, 5), (6, 20), (17, 11), (25, 10), (18, 20))
MASK = 0xFFFFFFFF


def threefry(counter: tuple[int, int, int, int], key: tuple[int, int, int, int], rounds: int) -> tuple[int, ...]:
    words = [*key, 0x1BD11BDA ^ key[0] ^ key[1] ^ key[2] ^ key[3]]
    x = [(c + k) & MASK for c, k in zip(counter, key, strict=True)]
    for r in range(rounds):
        for low, rotation in zip((0, 2), ROTATIONS[r % 8], strict=True):
            high = (low + 1 if r % 2 == 0 else 3 - low) % 4
            x[low] = (x[low] + x[high]) & MASK
            x[high] = ((x[high] << rotation) | (x[high] >> (32 - rotation))) & MASK
            x[high] ^= x[low]
        if r % 4 == 3:
            s = r // 4 + 1
            x = [(value + words[(s + i) % 5] + (s if i == 3 else 0)) & MASK for i, value in enumerate(x)]
    return tuple(x)


def uniform_row(seed: int, stream: int, step: int, row: int, columns: int) -> Array:
    """Return the numbers in [0, 1) of 24 bits that the columns of a row get in a step."""
    key = (seed & MASK, seed >> 32, stream, 0)
    numbers = []
    for block in range((columns + 63) // 64):
        encrypted = [threefry((16 * block + i, row, step & MASK, step >> 32), key, 12) for i in range(16)]
        numbers += [encrypted[i][word] >> 8 for word in range(4) for i in range(16)]
    return np.array(numbers[:columns]) * 2.0**-24

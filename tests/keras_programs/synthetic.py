"""Data and initial weights of the programs, the same for Keras and for fastnet."""

from typing import Any

import numpy as np


def fill(model: Any, seed: int = 0) -> Any:
    """Give a built model weights that depend on their shapes and the seed alone."""
    rng = np.random.default_rng(seed)
    weights = []
    for array in model.get_weights():
        scale = np.sqrt(2.0 / np.prod(array.shape[:-1])) if array.ndim > 1 else 0.0
        weights.append(
            (np.asarray(array) if array.ndim < 2 else rng.normal(0.0, scale, array.shape)).astype(np.float32)
        )
    model.set_weights(weights)
    return model


def images(rows: int, classes: int = 10, size: int = 28, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images of bytes, a noisy pattern for each class, and their labels."""
    rng = np.random.default_rng(seed)
    patterns = np.random.default_rng(99).integers(0, 200, (classes, size, size))
    labels = rng.integers(0, classes, rows)
    noise = rng.integers(0, 56, (rows, size, size))
    return (patterns[labels] + noise).astype(np.uint8), labels.astype(np.uint8)


def texts(rows: int, words: int, classes: int, seed: int = 0) -> tuple[list[list[int]], np.ndarray]:
    """Return texts as lists of word numbers, some of which tell the class, and their classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, rows)
    common = rng.integers(classes, words, (rows, 12))
    return [[int(label), *map(int, row)] for label, row in zip(labels, common, strict=True)], labels


def multi_hot(sequences: list[list[int]], dimension: int) -> np.ndarray:
    results = np.zeros((len(sequences), dimension), np.float32)
    for number, sequence in enumerate(sequences):
        results[number, sequence] = 1.0
    return results


def houses(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features of different scales and a number that depends on them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 6)) * [1.0, 10.0, 100.0, 1.0, 5.0, 0.1] + [0.0, 50.0, 300.0, 1.0, 2.0, 0.5]
    y = 20.0 + 3.0 * x[:, 0] - 0.2 * x[:, 1] + 0.01 * x[:, 2] + rng.normal(size=rows)
    return x.astype(np.float32), y.astype(np.float32)


def moons(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy points of two interleaved half circles, with 26 columns of noise, and their side."""
    rng = np.random.default_rng(seed)
    angle, side = rng.uniform(0.0, np.pi, rows), rng.integers(0, 2, rows)
    plane = np.stack([np.cos(angle) * (1 - 2 * side) + side, np.sin(angle) * (1 - 2 * side) + 0.5 * side], axis=1)
    x = np.concatenate([plane + 0.3 * rng.normal(size=(rows, 2)), rng.normal(size=(rows, 26))], axis=1)
    return x.astype(np.float32), side.astype(np.float32)


def fraud(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of which one in ten is of the second kind."""
    rng = np.random.default_rng(seed)
    y = (rng.uniform(size=rows) < 0.1).astype(np.float32)
    return (rng.normal(size=(rows, 8)) + 1.2 * y[:, None]).astype(np.float32), y


def numbers(tensor: Any) -> np.ndarray:
    """Return what a layer or a model returned as an array; that of Keras may be a tensor of PyTorch."""
    return np.asarray(tensor.detach() if hasattr(tensor, "detach") else tensor)

"""The arrays that every peer gets: samples, initial weights, and the reference that checks what a peer computed."""

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import image_data
from .cases import Prediction, Training
from .image_cases import ImagePrediction, ImageTraining

FOLDER = Path(__file__).resolve().parent.parent / "build" / "benchmarks"
MNIST = FOLDER / "mnist.npz"  # written once by the runner, so that no peer's process needs fastnet to read MNIST

Weights = list[np.ndarray]  # kernel and bias of the first layer, then of the next; kernels are (inputs, units)


class Samples(NamedTuple):
    x: Any  # an array of float32 or of uint8 pixels, or a sparse matrix of float32; uint8 of images
    y: np.ndarray  # int64 labels
    x_test: Any  # float32
    y_test: np.ndarray


@cache
def mnist() -> tuple[np.ndarray, ...]:
    with np.load(MNIST) as arrays:
        return tuple(arrays[name] for name in ("x", "y", "x_test", "y_test"))


def scaled(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) * np.float32(1 / 255)


def samples(case: Training, count: int) -> Samples:
    """Return `count` samples to train on, and those to test with."""
    if case.data == "mnist":
        x, y, x_test, y_test = mnist()
        x, y = x[:count], y[:count]
        test = slice(case.test_samples)
        if isinstance(case, ImageTraining):
            x, x_test = (pixels.reshape(-1, *case.network.shape) for pixels in (x, x_test))
            return Samples(x, y, scaled(x_test[test]), y_test[test])
        return Samples(x if case.form == "uint8 pixels" else scaled(x), y, scaled(x_test[test]), y_test[test])
    if case.data == "pictures":
        assert isinstance(case, ImageTraining)
        x, y = image_data.pictures(count + case.test_samples, case.network.shape, case.sizes[-1])
        return Samples(x[:count], y[:count], scaled(x[count:]), y[count:])
    if case.data == "text":
        x, y = texts(count + case.test_samples, case.sizes[0], case.sizes[-1])
        return Samples(x[:count], y[:count], x[count:], y[count:])
    rng = np.random.default_rng(0)
    if case.data == "xor":
        corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
        y = np.array([0, 1, 1, 0])
        chosen = rng.integers(0, 4, count)
        return Samples(corners[chosen], y[chosen], corners, y)
    x = rng.standard_normal((count, case.sizes[0]), dtype=np.float32)
    y = rng.integers(0, case.sizes[-1], count)
    return Samples(x, y, x[:1000], y[:1000])


@cache
def texts(rows: int, vocabulary: int, classes: int, words: int = 120) -> tuple[Any, np.ndarray]:
    """Return how often each text has each word, as CSR, and the classes of the texts.

    Words are as frequent as Zipf's law has them; a tenth of a text's words is of its class.
    """
    import scipy.sparse

    rng = np.random.default_rng(0)
    popularity = np.cumsum(1 / np.arange(10, vocabulary + 10))
    y = rng.integers(0, classes, rows)
    drawn = np.searchsorted(popularity, rng.random((rows, words)) * popularity[-1])
    own = drawn[:, : words // 10]
    own += y[:, None] - own % classes
    starts = np.arange(rows + 1) * words
    x = scipy.sparse.csr_matrix((np.ones(drawn.size, np.float32), drawn.ravel(), starts), (rows, vocabulary))
    x.sum_duplicates()
    return x, y


def initial_weights(sizes: tuple[int, ...], seed: int) -> Weights:
    """Normal with variance 2 / fan_in, and biases of zero."""
    rng = np.random.default_rng(seed)
    weights: Weights = []
    for inputs, units in pairwise(sizes):
        kernel = rng.standard_normal((inputs, units), dtype=np.float32)
        weights += [kernel * np.float32((2 / inputs) ** 0.5), np.zeros(units, np.float32)]
    return weights


def weights_of(case: Training | Prediction, seed: int) -> Weights:
    """Return the initial weights of the case's network."""
    if isinstance(case, ImageTraining | ImagePrediction):
        return image_data.initial_weights(case.network, seed)
    return initial_weights(case.sizes, seed)


def one_cycle(case: Training, steps: int) -> np.ndarray:
    """The learning rate of each step: Smith and Topin (2017) with cosines, the other numbers are PyTorch's defaults."""
    low, peak, end = case.learning_rate / 25, case.learning_rate, case.learning_rate / 25 / 1e4
    turn = case.rise * steps - 1
    step = np.arange(steps)
    up, down = step / turn, (step - turn) / (steps - 1 - turn)
    between = lambda a, b, part: b + (a - b) / 2 * (1 + np.cos(np.pi * part))  # noqa: E731
    return np.where(step <= turn, between(low, peak, up), between(peak, end, down))


def learning_rates(case: Training, steps: int) -> np.ndarray:
    return one_cycle(case, steps) if case.one_cycle else np.full(steps, case.learning_rate)


# ---- The reference --------------------------------------------------------------------------------------------------


def forward(weights: Weights, x: np.ndarray, hidden: str) -> np.ndarray:
    """Return the logits."""
    for kernel, bias in zip(weights[0:-2:2], weights[1:-2:2], strict=True):
        x = x @ kernel + bias
        x = np.maximum(x, 0) if hidden == "relu" else 1 / (1 + np.exp(-x))
    return x @ weights[-2] + weights[-1]


def probabilities(case: Training | Prediction, weights: Weights, x: np.ndarray) -> np.ndarray:
    """Return the probability of each class, of two classes for one logit."""
    if isinstance(case, ImageTraining | ImagePrediction):
        logits = image_data.logits(case.network, weights, x).astype(np.float64)
    else:
        logits = forward(weights, x, case.hidden).astype(np.float64)
    if logits.shape[1] == 1:
        logits = np.hstack([np.zeros_like(logits), logits])
    return softmax(logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def quality(weights: Weights, case: Training, data: Samples) -> dict[str, float]:
    """Return the loss and the accuracy on the test samples, computed in the same way for all peers."""
    p = probabilities(case, weights, data.x_test)
    right = p[np.arange(len(p)), data.y_test]
    return {"loss": float(-np.log(np.maximum(right, 1e-30)).mean()),
            "accuracy": float((p.argmax(axis=1) == data.y_test).mean())}  # fmt: skip


def factors(m: int, n: int, k: int, transpose: str) -> tuple[np.ndarray, np.ndarray]:
    """Return A and B as they are stored."""
    rng = np.random.default_rng(0)
    a = rng.random((k, m) if transpose[0] == "T" else (m, k), dtype=np.float32)
    b = rng.random((n, k) if transpose[1] == "T" else (k, n), dtype=np.float32)
    return a, b

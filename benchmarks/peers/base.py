"""What a peer may provide. A method that it does not override is a kind of work that it does not take part in."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..cases import Gemm, Prediction, Training
from ..data import Samples, Weights
from ..image_cases import ImagePrediction, ImageTraining
from ..table_cases import Table


class Trainer:
    """A network in training. The weights and the optimizer's state stay between epochs until `reset`."""

    def reset(self, weights: Weights) -> None:
        """Start again from these weights, with a fresh optimizer."""
        raise NotImplementedError

    def epoch(self, shuffle: bool) -> None:
        """Pass over the data once, in a new random order or as they lie."""
        raise NotImplementedError

    def train(self, epochs: int, shuffle: bool) -> None:
        """Train for so many epochs in a row; a library may know a way of its own."""
        for _ in range(epochs):
            self.epoch(shuffle)

    def weights(self) -> Weights:
        raise NotImplementedError


class Library:
    """A peer.

    `statement` imports what its user imports; `forms` are the forms of a case that it knows ("" is float32);
    `sparse` says whether it trains on a sparse matrix; `threaded` whether it can use threads; `slow_steps` that the
    smallest step takes tens of microseconds; `compiles` that first calls compile; `logits` that its predictions have no
    softmax. `estimators` is the module with scikit-learn's estimators.
    """

    statement: str | None = None
    forms: tuple[str, ...] = ("",)
    sparse = False
    threaded = True
    slow_steps = False
    compiles = False
    logits = False
    estimators: str | None = None

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def version(self) -> str:
        """Name and version, with what else matters."""
        raise NotImplementedError

    def gemm(self, case: Gemm, a: np.ndarray, b: np.ndarray) -> tuple[Callable[[], Any], Callable[[], np.ndarray]]:
        """Return a function that computes the product once, and one that returns the last product."""
        raise NotImplementedError

    def trainer(self, case: Training, data: Samples) -> Trainer:
        raise NotImplementedError

    def predictor(self, case: Prediction, weights: Weights, x: np.ndarray) -> Callable[[], Any]:
        """Return a function that computes the probabilities of x, something that `np.asarray` takes."""
        raise NotImplementedError

    def image_trainer(self, case: ImageTraining, data: Samples) -> Trainer:
        raise NotImplementedError

    def image_predictor(self, case: ImagePrediction, weights: Weights, x: np.ndarray) -> Callable[[], Any]:
        """Return what `predictor` does, of images of float32."""
        raise NotImplementedError

    def fit(self, case: Table) -> Callable[[], Any]:
        """Return a function that trains on the data of `tables_as_read` as they are."""
        raise NotImplementedError

    def peak(self) -> float:
        """Return the most operations a second, in units of 1e9."""
        raise NotImplementedError

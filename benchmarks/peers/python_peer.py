"""Plain Python: the network 2-2-1 in local variables, one float at a time."""

import platform
import random
from math import exp

import numpy as np

from ..cases import Training
from ..data import Samples, Weights
from . import base


class Trainer(base.Trainer):
    def __init__(self, case: Training, data: Samples) -> None:
        if case.sizes != (2, 2, 1) or case.batch > 1 or case.hidden != "sigmoid" or case.optimizer != "sgd":
            raise NotImplementedError
        self.rate = case.learning_rate
        self.samples = [(a, b, y) for (a, b), y in zip(data.x.tolist(), data.y.tolist(), strict=True)]

    def reset(self, weights: Weights) -> None:
        self.values = [value for weight in weights for value in weight.ravel().tolist()]

    def epoch(self, shuffle: bool) -> None:
        """`u` are the hidden layer's weights, `v` the output's; a gradient of a sum is called `d`."""
        u11, u12, u21, u22, c1, c2, v1, v2, c = self.values
        rate = self.rate
        samples = random.sample(self.samples, len(self.samples)) if shuffle else self.samples
        for a, b, y in samples:
            h1 = 1 / (1 + exp(-(a * u11 + b * u21 + c1)))
            h2 = 1 / (1 + exp(-(a * u12 + b * u22 + c2)))
            d = rate * (1 / (1 + exp(-(h1 * v1 + h2 * v2 + c))) - y)
            d1 = d * v1 * h1 * (1 - h1)
            d2 = d * v2 * h2 * (1 - h2)
            v1 -= d * h1
            v2 -= d * h2
            c -= d
            u11 -= d1 * a
            u21 -= d1 * b
            c1 -= d1
            u12 -= d2 * a
            u22 -= d2 * b
            c2 -= d2
        self.values = [u11, u12, u21, u22, c1, c2, v1, v2, c]

    def weights(self) -> Weights:
        values = np.array(self.values)
        return [values[:4].reshape(2, 2), values[4:6], values[6:8].reshape(2, 1), values[8:]]


class Library(base.Library):
    threaded = False

    def version(self) -> str:
        return f"Python {platform.python_version()}"

    def trainer(self, case: Training, data: Samples) -> Trainer:
        return Trainer(case, data)

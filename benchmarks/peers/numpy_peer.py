"""NumPy, used as well as it can be: float32, every array made beforehand, `out=` everywhere, one flat optimizer vector."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from ..cases import Gemm, Prediction, Training
from ..data import Samples, Weights, learning_rates
from ..table_cases import FULL_BATCH, PANDAS_ARRAY, Table
from ..tables_as_read import read
from . import base

Array = np.ndarray
f32 = np.float32


class Layer:
    """A dense layer: views of the flat vectors, and its activation's output and gradient for the largest batch."""

    def __init__(self, kernel: Array, bias: Array, rows: int, activation: str) -> None:
        self.kernel, self.bias, self.activation = kernel, bias, activation
        self.output = np.empty((rows, len(bias)), f32)
        self.gradient = np.empty_like(self.output)
        self.row = np.empty((rows, 1), f32)

    def forward(self, x: Array) -> Array:
        out = np.matmul(x, self.kernel, out=self.output[: len(x)])
        out += self.bias
        if self.activation == "relu":
            np.maximum(out, 0, out=out)
        elif self.activation == "sigmoid":
            np.negative(out, out=out)
            np.exp(out, out=out)
            out += 1
            np.reciprocal(out, out=out)
        else:
            row = self.row[: len(x)]
            out -= np.max(out, axis=1, keepdims=True, out=row)
            np.exp(out, out=out)
            out /= np.sum(out, axis=1, keepdims=True, out=row)
        return out

    def slope(self, gradient: Array) -> None:
        """Multiply by the activation's derivative; the output is not needed any more."""
        out = self.output[: len(gradient)]
        if self.activation == "relu":
            gradient *= out > 0
        else:
            gradient *= out
            gradient *= np.subtract(1, out, out=out)


def make_layers(sizes: tuple[int, ...], views: list[Array], rows: int, hidden: str) -> list[Layer]:
    last = "softmax" if sizes[-1] > 1 else "sigmoid"
    activations = [hidden] * (len(sizes) - 2) + [last]
    return [Layer(views[2 * i], views[2 * i + 1], rows, activation) for i, activation in enumerate(activations)]


class Trainer(base.Trainer):
    def __init__(self, case: Training, data: Samples) -> None:
        self.case, self.x = case, data.x
        self.y = np.eye(case.sizes[-1], dtype=f32)[data.y] if case.sizes[-1] > 1 else data.y[:, None].astype(f32)
        self.shapes = [shape for inputs, units in pairwise(case.sizes) for shape in ((inputs, units), (units,))]
        size = sum(int(np.prod(shape)) for shape in self.shapes)
        self.parameters, self.gradients, self.scratch = (np.zeros(size, f32) for _ in range(3))
        self.first, self.second = np.zeros(size, f32), np.zeros(size, f32)
        self.views, self.gradient_views = self._views(self.parameters), self._views(self.gradients)
        self.layers = make_layers(case.sizes, self.views, case.batch, case.hidden)
        self.batch_x = np.empty((case.batch, case.sizes[0]), f32)
        self.batch_y = np.empty((case.batch, case.sizes[-1]), f32)
        self.order = np.arange(len(data.x))
        self.rates = learning_rates(case, case.epochs * -(-len(data.x) // case.batch)).tolist()
        self.rng = np.random.default_rng(0)
        self.optimize = {"sgd": self.sgd, "adam": self.adam}[case.optimizer]

    def _views(self, flat: Array) -> list[Array]:
        ends = np.cumsum([int(np.prod(shape)) for shape in self.shapes])
        parts = np.split(flat, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def reset(self, weights: Weights) -> None:
        for view, weight in zip(self.views, weights, strict=True):
            view[...] = weight
        self.first[...] = self.second[...] = 0
        self.step_number = 0

    def weights(self) -> Weights:
        return self.views

    def epoch(self, shuffle: bool) -> None:
        if shuffle:
            self.rng.shuffle(self.order)
        else:
            self.order[:] = np.arange(len(self.order))
        batch = self.case.batch
        for begin in range(0, len(self.x), batch):
            if self.case.shuffle:
                indices = self.order[begin : begin + batch]
                x = np.take(self.x, indices, axis=0, out=self.batch_x[: len(indices)], mode="clip")
                y = np.take(self.y, indices, axis=0, out=self.batch_y[: len(indices)], mode="clip")
            else:
                x, y = self.x[begin : begin + batch], self.y[begin : begin + batch]
            self.step(x, y)

    def step(self, x: Array, y: Array) -> None:
        inputs = [x]
        for layer in self.layers:
            inputs.append(layer.forward(inputs[-1]))
        gradient = inputs.pop()
        gradient -= y
        gradient *= f32(1 / len(x))
        for i in reversed(range(len(self.layers))):
            np.matmul(inputs[i].T, gradient, out=self.gradient_views[2 * i])
            np.sum(gradient, axis=0, out=self.gradient_views[2 * i + 1])
            if i:
                below = self.layers[i - 1]
                slope = np.matmul(gradient, self.layers[i].kernel.T, out=below.gradient[: len(x)])
                below.slope(slope)
                gradient = slope
        rate = self.rates[self.step_number % len(self.rates)]
        self.step_number += 1
        self.optimize(rate)

    def sgd(self, rate: float) -> None:
        direction = self.gradients
        if self.case.momentum:
            self.first *= f32(self.case.momentum)
            self.first += self.gradients
            direction = self.first
        self.parameters -= np.multiply(direction, f32(rate), out=self.scratch)

    def adam(self, rate: float) -> None:
        t = self.step_number
        first, second, gradients, scratch = self.first, self.second, self.gradients, self.scratch
        first *= f32(0.9)
        first += np.multiply(gradients, f32(0.1), out=scratch)
        second *= f32(0.999)
        gradients *= gradients
        gradients *= f32(0.001)
        second += gradients
        np.sqrt(second, out=scratch)
        scratch += f32(1e-8)
        np.divide(first, scratch, out=scratch)
        scratch *= f32(rate * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t))
        self.parameters -= scratch


class Library(base.Library):
    statement = "import numpy"
    slow_steps = True

    def version(self) -> str:
        from threadpoolctl import threadpool_info

        np.ones((64, 64), f32) @ np.ones((64, 64), f32)
        blas = [info for info in threadpool_info() if info["user_api"] == "blas"]
        kernels = [f"{b['internal_api']} {b['version']}, {b.get('architecture', 'unknown')} kernels" for b in blas]
        return f"NumPy {np.__version__} ({'; '.join(kernels)})"

    def gemm(self, case: Gemm, a: Array, b: Array) -> tuple[Callable[[], object], Callable[[], Array]]:
        left = a.T if case.transpose[0] == "T" else a
        right = b.T if case.transpose[1] == "T" else b
        out = np.empty((case.m, case.n), f32)
        matmul = np.matmul
        return lambda: matmul(left, right, out=out), lambda: out

    def trainer(self, case: Training, data: Samples) -> Trainer:
        return Trainer(case, data)

    def predictor(self, case: Prediction, weights: Weights, x: Array) -> Callable[[], Array]:
        layers = make_layers(case.sizes, weights, len(x), "relu")

        def predict() -> Array:
            out = x
            for layer in layers:
                out = layer.forward(out)
            return out

        return predict

    def fit(self, case: Table) -> Callable[[], None]:
        """Steps as teaching notebooks write them: float64, a column a sample, a new array for every result.

        The division by 255, which they do once, is not part of it.
        """
        if (case.data, case.unit) != (PANDAS_ARRAY, FULL_BATCH):
            raise NotImplementedError
        x, y = read(case.data)
        columns, one_hot = x.T / 255, np.eye(10)[y].T
        rng = np.random.default_rng(0)
        w1, b1, w2, b2 = (rng.random(shape) - 0.5 for shape in ((10, len(columns)), (10, 1), (10, 10), (10, 1)))

        def step() -> None:
            nonlocal w1, b1, w2, b2
            z1 = w1.dot(columns) + b1
            a1 = np.maximum(z1, 0)
            z2 = w2.dot(a1) + b2
            a2 = np.exp(z2) / np.exp(z2).sum(axis=0)
            dz2 = (a2 - one_hot) / len(y)
            dz1 = w2.T.dot(dz2) * (z1 > 0)
            w2, b2 = w2 - 0.1 * dz2.dot(a1.T), b2 - 0.1 * dz2.sum(axis=1, keepdims=True)
            w1, b1 = w1 - 0.1 * dz1.dot(columns.T), b1 - 0.1 * dz1.sum(axis=1, keepdims=True)

        def fit() -> None:
            for _ in range(case.unit.epochs):
                step()

        return fit

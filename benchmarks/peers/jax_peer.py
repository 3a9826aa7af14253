"""JAX: products and predictions jitted, an epoch of a dense network jitted as one `lax.scan`.

With convolutions each step is jitted: XLA computes them on one thread inside a loop.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ..cases import Gemm, Prediction, Training
from ..data import Samples, Weights, learning_rates, scaled
from ..image_cases import Convolution, Dropout, Flatten, ImagePrediction, ImageTraining, Network, Pooling
from . import base

Array = np.ndarray


def logits(weights: Any, x: jax.Array, hidden: str) -> jax.Array:
    activation = jax.nn.relu if hidden == "relu" else jax.nn.sigmoid
    for i in range(0, len(weights) - 2, 2):
        x = activation(x @ weights[i] + weights[i + 1])
    return x @ weights[-2] + weights[-1]


def image_logits(network: Network, weights: Any, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """Return the logits; with a key that dropout draws from in training."""
    remaining = list(weights)
    for layer, _ in network.stages():
        if isinstance(layer, Pooling):
            window = (1, layer.size, layer.size, 1)
            x = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
        elif isinstance(layer, Flatten):
            x = x.reshape(len(x), -1)
        elif isinstance(layer, Dropout):
            if key is not None:
                kept = jax.random.bernoulli(key, 1 - layer.rate, x.shape)
                x = jnp.where(kept, x / (1 - layer.rate), 0)
        else:
            kernel, bias, *remaining = remaining
            if isinstance(layer, Convolution):
                padding = "SAME" if layer.same else "VALID"
                x = lax.conv_general_dilated(x, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC"))
            else:
                x = x @ kernel
            x = jax.nn.relu(x + bias) if remaining else x + bias
    return x


def loss(weights: Any, x: jax.Array, y: jax.Array, hidden: str) -> jax.Array:
    return cross_entropy(logits(weights, x, hidden), y)


def cross_entropy(z: jax.Array, y: jax.Array) -> jax.Array:
    if z.shape[1] == 1:
        return jnp.mean(jax.nn.softplus(z) - y * z)
    return -jnp.mean(jnp.sum(jax.nn.log_softmax(z) * y, axis=1))


def sgd(state: Any, gradients: Any, rate: jax.Array, momentum: float) -> Any:
    weights, velocity, _ = state
    if momentum:
        velocity = jax.tree.map(lambda v, g: momentum * v + g, velocity, gradients)
        gradients = velocity
    return jax.tree.map(lambda w, g: w - rate * g, weights, gradients), velocity, _


def adam(state: Any, gradients: Any, rate: jax.Array) -> Any:
    weights, first, second = state
    first = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, first, gradients)
    second = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, second, gradients)
    weights = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-8), weights, first, second)
    return weights, first, second


def make_epoch(case: Training) -> Callable[..., Any]:
    """A jitted pass over the data in batches of `order`, the last of which may be shorter."""
    update = partial(sgd, momentum=case.momentum) if case.optimizer == "sgd" else adam

    def step(state: Any, x: jax.Array, y: jax.Array, rate: jax.Array) -> Any:
        return update(state, jax.grad(loss)(state[0], x, y, case.hidden), rate)

    @partial(jax.jit, donate_argnums=0)
    def epoch(state: Any, x: jax.Array, y: jax.Array, order: jax.Array, rates: jax.Array) -> Any:
        if not case.shuffle and len(x) <= case.batch:
            return step(state, x, y, rates[0])
        whole = len(order) // case.batch

        def body(state: Any, at: Any) -> Any:
            indices, rate = at
            return step(state, x[indices], y[indices], rate), None

        batches = order[: whole * case.batch].reshape(whole, case.batch)
        state, _ = lax.scan(body, state, (batches, rates[:whole]))
        if len(order) % case.batch:
            state, _ = body(state, (order[whole * case.batch :], rates[whole]))
        return state

    return epoch


def make_step(case: ImageTraining) -> Callable[..., Any]:
    """A jitted step of Adam on the samples of these numbers."""

    def loss(weights: Any, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
        return cross_entropy(image_logits(case.network, weights, x, key), y)

    @partial(jax.jit, donate_argnums=0)
    def step(state: Any, x: jax.Array, y: jax.Array, indices: jax.Array, rate: jax.Array, number: jax.Array) -> Any:
        key = jax.random.fold_in(jax.random.key(0, impl="rbg"), number)  # the fast generator
        return adam(state, jax.grad(loss)(state[0], x[indices], y[indices], key), rate)

    return step


class Trainer(base.Trainer):
    def __init__(self, case: Training, data: Samples) -> None:
        self.case = case
        self.x = jnp.asarray(data.x)
        y = data.y[:, None] if case.sizes[-1] == 1 else np.eye(case.sizes[-1])[data.y]
        self.y = jnp.asarray(y, jnp.float32)
        self.run = self.make_run()
        self.steps = -(-len(data.x) // case.batch)
        self.rates = learning_rates(case, case.epochs * self.steps).reshape(case.epochs, -1)
        self.order = np.arange(len(data.x), dtype=np.int32)
        self.rng = np.random.default_rng(0)

    def make_run(self) -> Callable[..., Any]:
        return make_epoch(self.case)

    def reset(self, weights: Weights) -> None:
        def zeros() -> list[jax.Array]:
            return [jnp.zeros(weight.shape) for weight in weights]

        self.state = ([jnp.array(weight) for weight in weights], zeros(), zeros())
        self.steps_done = 0

    def weights(self) -> Weights:
        return [np.asarray(weight) for weight in self.state[0]]

    def epoch(self, shuffle: bool) -> None:
        order = self.rng.permutation(self.order) if shuffle else self.order
        rates = self.rates[self.steps_done // self.steps % len(self.rates)]
        if self.case.optimizer == "adam":  # the correction of the averages, in double precision
            t = self.steps_done + 1 + np.arange(self.steps)
            rates = rates * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        self.steps_done += self.steps
        self.state = jax.block_until_ready(self.run(self.state, self.x, self.y, order, rates.astype(np.float32)))


class ImageTrainer(Trainer):
    case: ImageTraining

    def __init__(self, case: ImageTraining, data: Samples) -> None:
        if case.one_cycle:  # minutes; PyTorch shows the recipe
            raise NotImplementedError
        super().__init__(case, data._replace(x=scaled(data.x)))

    def make_run(self) -> Callable[..., Any]:
        step = make_step(self.case)

        def run(state: Any, x: jax.Array, y: jax.Array, order: Array, rates: Array) -> Any:
            for number, rate in enumerate(rates):
                begin = number * self.case.batch
                state = step(state, x, y, order[begin : begin + self.case.batch], rate, number)
            return state

        return run


class Library(base.Library):
    statement = "import jax, jax.numpy"
    compiles = True

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        os.environ["JAX_PLATFORMS"] = "cpu"
        if threads == 1:  # together with the process being bound to one processor
            os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"

    def version(self) -> str:
        return f"JAX {jax.__version__} ({jax.default_backend()})"

    def gemm(self, case: Gemm, a: Array, b: Array) -> tuple[Callable[[], object], Callable[[], Array]]:
        ta, tb = (letter == "T" for letter in case.transpose)
        left, right = jnp.asarray(a), jnp.asarray(b)
        product = jax.jit(lambda a, b: jnp.dot(a.T if ta else a, b.T if tb else b))
        return lambda: product(left, right).block_until_ready(), lambda: np.asarray(product(left, right))

    def trainer(self, case: Training, data: Samples) -> Trainer:
        return Trainer(case, data)

    def predictor(self, case: Prediction, weights: Weights, x: Array) -> Callable[[], jax.Array]:  # noqa: ARG002
        parameters, samples = [jnp.asarray(weight) for weight in weights], jnp.asarray(x)
        run = jax.jit(lambda parameters, x: jax.nn.softmax(logits(parameters, x, "relu")))
        return lambda: run(parameters, samples).block_until_ready()

    def image_trainer(self, case: ImageTraining, data: Samples) -> Trainer:
        return ImageTrainer(case, data)

    def image_predictor(self, case: ImagePrediction, weights: Weights, x: Array) -> Callable[[], jax.Array]:
        parameters, images = [jnp.asarray(weight) for weight in weights], jnp.asarray(x)
        run = jax.jit(lambda parameters, x: jax.nn.softmax(image_logits(case.network, parameters, x)))
        return lambda: run(parameters, images).block_until_ready()

"""What fastnet computes, in plain NumPy and float64: short, slow, and written from the mathematics.

The tests hold the compiled core to this file; nothing here calls it. Each forward stands beside its backward, arrays
are samples by features, and a backward takes the gradient of the loss by its output and returns the one by its input.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import reference_activations

Array = NDArray[np.float64]

# --- Matrix product --------------------------------------------------------------------------------------------------


def gemm(
    a: ArrayLike,
    b: ArrayLike,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 0.0,
    out: ArrayLike | None = None,
) -> Array:
    """Return ``alpha * op(a) @ op(b) + beta * out``; `out` is not read when `beta` is 0."""
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    product = alpha * ((a.T if transpose_a else a) @ (b.T if transpose_b else b))
    return product if beta == 0.0 or out is None else product + beta * np.asarray(out, np.float64)


def bfloat16(x: ArrayLike) -> NDArray[np.float32]:
    """Round to 8 significant bits, ties to even, by arithmetic on the bits of float32; subnormals become zero."""
    bits = np.asarray(x, np.float32).view(np.uint32).astype(np.uint64)
    sign, magnitude = bits & 0x80000000, bits & 0x7FFFFFFF
    kept, rest = magnitude >> 16, magnitude & 0xFFFF
    up = (rest > 0x8000) | ((rest == 0x8000) & (kept % 2 == 1))
    rounded = np.where(magnitude < 0x00800000, 0, (kept + up) << 16)
    rounded = np.where(magnitude > 0x7F800000, 0x7FC00000, rounded)  # NaN, which must not round to infinity
    return (sign | rounded).astype(np.uint32).view(np.float32)


def bfloat16_gemm(
    a: ArrayLike, b: ArrayLike, alpha: float = 1.0, beta: float = 0.0, out: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Return ``alpha * a @ b + beta * out`` of rounded factors, with every addition in the order that is defined for it.

    The terms are cut into passes of at most 512, as even as possible, and a pass into blocks of 32. In a block two chains
    start from 0, of the first 16 terms and of those after them; their sum is added to the pass. Products of two bfloat16
    are exact in float32, so nothing else rounds as long as `alpha` and `beta` are powers of two.
    """
    x, y = bfloat16(a), bfloat16(b)
    terms = x.shape[1]
    shape = x.shape[0], y.shape[1]
    result = np.zeros(shape, np.float32) if beta == 0.0 or out is None else np.float32(beta) * np.asarray(out)
    for steps in np.array_split(np.arange(terms), max(1, -(-terms // 512))):
        total = np.zeros(shape, np.float32)
        for block in np.split(steps, range(32, len(steps), 32)):
            first, second = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
            for term in block[:16]:
                first += np.outer(x[:, term], y[term])
            for term in block[16:]:
                second += np.outer(x[:, term], y[term])
            total += first + second
        result = np.float32(alpha) * total + result
    return np.asarray(result, np.float32)


# --- Activations: forward(z) and backward(gradient, z) ---------------------------------------------------------------


def linear(z: Array) -> Array:
    return z


def linear_backward(gradient: Array, z: Array) -> Array:
    return gradient


def relu(z: Array) -> Array:
    return np.maximum(z, 0.0)


def relu_backward(gradient: Array, z: Array) -> Array:
    return gradient * (z > 0.0)


def leaky_relu(z: Array, negative_slope: float) -> Array:
    return np.where(z > 0.0, z, negative_slope * z)


def leaky_relu_backward(gradient: Array, z: Array, negative_slope: float) -> Array:
    return gradient * np.where(z > 0.0, 1.0, negative_slope)


def sigmoid(z: Array) -> Array:
    decay = np.exp(-np.abs(z))  # never overflows
    return np.where(z >= 0.0, 1.0, decay) / (1.0 + decay)


def sigmoid_backward(gradient: Array, z: Array) -> Array:
    return gradient * sigmoid(z) * sigmoid(-z)


def tanh(z: Array) -> Array:
    return np.tanh(z)


def tanh_backward(gradient: Array, z: Array) -> Array:
    decay = np.exp(-2.0 * np.abs(z))
    return gradient * 4.0 * decay / (1.0 + decay) ** 2  # 1 / cosh(z)^2


def softmax(z: Array) -> Array:
    if z.shape[-1] == 0:
        return z
    exponentials = np.exp(z - z.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def softmax_jacobian(z: Array) -> Array:
    """Return the matrix dp_i / dz_j = p_i (delta_ij - p_j) of every row."""
    p = softmax(z)
    return p[..., :, None] * (np.eye(z.shape[-1]) - p[..., None, :])


def softmax_backward(gradient: Array, z: Array) -> Array:
    return np.einsum("...i,...ij->...j", gradient, softmax_jacobian(z))


ACTIVATIONS: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "linear": (linear, linear_backward),
    "relu": (relu, relu_backward),
    "leaky_relu": (leaky_relu, leaky_relu_backward),
    "sigmoid": (sigmoid, sigmoid_backward),
    "tanh": (tanh, tanh_backward),
    "softmax": (softmax, softmax_backward),
    **reference_activations.ACTIVATIONS,
}

# --- Losses of each sample, f(y, p) -> (n,), and their gradients by p -> (n, k), as Keras defines them --------------

CLIP = 1e-7  # probabilities are kept this far from 0 and 1; where the clip acts, its slope is 0


def clip(p: Array) -> Array:
    return np.clip(p, CLIP, 1.0 - CLIP)


def clip_slope(p: Array) -> Array:
    return ((p >= CLIP) & (p <= 1.0 - CLIP)).astype(np.float64)


def mse(y: Array, p: Array) -> Array:
    return ((p - y) ** 2).mean(axis=-1)


def mse_backward(y: Array, p: Array) -> Array:
    return 2.0 * (p - y) / p.shape[-1]


def binary_crossentropy(y: Array, p: Array) -> Array:
    q = clip(p)
    return -(y * np.log(q) + (1.0 - y) * np.log(1.0 - q)).mean(axis=-1)


def binary_crossentropy_backward(y: Array, p: Array) -> Array:
    q = clip(p)
    return ((1.0 - y) / (1.0 - q) - y / q) * clip_slope(p) / p.shape[-1]


def categorical_crossentropy(y: Array, p: Array) -> Array:
    q = p / p.sum(axis=-1, keepdims=True)
    return -(y * np.log(clip(q))).sum(axis=-1)


def categorical_crossentropy_backward(y: Array, p: Array) -> Array:
    total = p.sum(axis=-1, keepdims=True)
    q = p / total
    slope = -y / clip(q) * clip_slope(q)  # by q, and dq_i / dp_j = (delta_ij - q_i) / total
    return (slope - (slope * q).sum(axis=-1, keepdims=True)) / total


LOSSES: dict[str, tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]] = {
    "mse": (mse, mse_backward),
    "binary_crossentropy": (binary_crossentropy, binary_crossentropy_backward),
    "categorical_crossentropy": (categorical_crossentropy, categorical_crossentropy_backward),
}


def softmax_crossentropy(y: Array, z: Array) -> Array:
    """Return the categorical cross-entropy of softmax(z), exact where the probabilities underflow."""
    shifted = z - z.max(axis=-1, keepdims=True)
    return (y * (np.log(np.exp(shifted).sum(axis=-1, keepdims=True)) - shifted)).sum(axis=-1)


def softmax_crossentropy_backward(y: Array, z: Array) -> Array:
    return softmax(z) * y.sum(axis=-1, keepdims=True) - y


def sigmoid_crossentropy(y: Array, z: Array) -> Array:
    """Return the binary cross-entropy of sigmoid(z), exact where the probabilities underflow."""
    return (np.maximum(z, 0.0) - y * z + np.log1p(np.exp(-np.abs(z)))).mean(axis=-1)


def sigmoid_crossentropy_backward(y: Array, z: Array) -> Array:
    return (sigmoid(z) - y) / z.shape[-1]


FUSED = {  # a last activation and a loss that are computed together, from the activation's input
    ("softmax", "categorical_crossentropy"): (softmax_crossentropy, softmax_crossentropy_backward),
    ("sigmoid", "binary_crossentropy"): (sigmoid_crossentropy, sigmoid_crossentropy_backward),
}


def one_hot(labels: ArrayLike, classes: int) -> Array:
    """Return the rows that turn sparse labels into the targets of categorical_crossentropy."""
    return np.eye(classes)[np.asarray(labels)]


# --- Layers ----------------------------------------------------------------------------------------------------------


class Layer:
    """A layer remembers the input of its last forward, and its backward leaves the gradients of its parameters."""

    parameters: Sequence[Array] = ()
    gradients: Sequence[Array] = ()

    def forward(self, x: Array) -> Array:
        raise NotImplementedError

    def backward(self, gradient: Array) -> Array:
        raise NotImplementedError


class Dense(Layer):
    rounded: Callable[[Array], NDArray[Any]] = staticmethod(np.asarray)  # what becomes of the factors of a product

    def __init__(self, kernel: ArrayLike, bias: ArrayLike | None = None) -> None:
        arrays = [kernel] if bias is None else [kernel, bias]
        self.parameters = [np.array(array, np.float64) for array in arrays]

    def forward(self, x: Array) -> Array:
        self.x = x
        return gemm(self.rounded(x), self.rounded(self.parameters[0])) + sum(self.parameters[1:])

    def backward(self, gradient: Array) -> Array:
        kernel_gradient = gemm(self.rounded(self.x), self.rounded(gradient), transpose_a=True)
        self.gradients = [kernel_gradient, gradient.sum(axis=0)][: len(self.parameters)]
        return gemm(self.rounded(gradient), self.rounded(self.parameters[0]), transpose_b=True)


class Activation(Layer):
    def __init__(self, name: str, **settings: float) -> None:
        self.name = name
        self.settings = settings

    def forward(self, z: Array) -> Array:
        self.z = z
        return ACTIVATIONS[self.name][0](z, **self.settings)

    def backward(self, gradient: Array) -> Array:
        return ACTIVATIONS[self.name][1](gradient, self.z, **self.settings)


class Rescaling(Layer):
    def __init__(self, scale: float, offset: float = 0.0) -> None:
        self.scale = scale
        self.offset = offset

    def forward(self, x: Array) -> Array:
        return x * self.scale + self.offset

    def backward(self, gradient: Array) -> Array:
        return gradient * self.scale


def layers_from(descriptions: Iterable[Mapping[str, Any]], parameters: Iterable[ArrayLike]) -> list[Layer]:
    """Build layers from the descriptions that the compiled core takes, and the weights in Keras's order."""
    weights = iter(parameters)
    layers: list[Layer] = []
    for description in descriptions:
        kind = description["type"]
        if kind == "rescaling":
            layers.append(Rescaling(description["scale"], description["offset"]))
            continue
        if kind == "dense":
            layers.append(Dense(next(weights), next(weights) if description["use_bias"] else None))
        slope = {"negative_slope": description["alpha"]} if description["activation"] == "leaky_relu" else {}
        layers.append(Activation(description["activation"], **slope))
    return layers


# --- Optimizers: step(parameters, gradients) changes the parameters in place -----------------------------------------


class SGD:
    """Gradient descent with momentum, v starting at 0; dampening = momentum makes v / learning_rate a moving average of gradients."""

    def __init__(
        self,
        learning_rate: float = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
    ) -> None:
        self.learning_rate, self.momentum, self.nesterov = learning_rate, momentum, nesterov
        self.dampening, self.weight_decay = dampening, weight_decay
        self.velocity: list[Array] = []

    def step(self, parameters: Sequence[Array], gradients: Sequence[Array]) -> None:
        self.velocity = self.velocity or [np.zeros_like(w) for w in parameters]
        for w, g, v in zip(parameters, gradients, self.velocity, strict=True):
            step = self.learning_rate * (1.0 - self.dampening) * (g + self.weight_decay * w)
            v *= self.momentum
            v += step
            w -= step + self.momentum * v if self.nesterov else v


class Adam:
    """Kingma and Ba (2015), arXiv:1412.6980, with the bias corrections in the rate (end of section 2), as in Keras."""

    def __init__(
        self, learning_rate: float = 0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7
    ) -> None:
        self.learning_rate, self.beta_1, self.beta_2, self.epsilon = learning_rate, beta_1, beta_2, epsilon
        self.t = 0
        self.m: list[Array] = []
        self.v: list[Array] = []

    def step(self, parameters: Sequence[Array], gradients: Sequence[Array]) -> None:
        self.m = self.m or [np.zeros_like(w) for w in parameters]
        self.v = self.v or [np.zeros_like(w) for w in parameters]
        self.t += 1
        rate = self.learning_rate * np.sqrt(1.0 - self.beta_2**self.t) / (1.0 - self.beta_1**self.t)
        for w, g, m, v in zip(parameters, gradients, self.m, self.v, strict=True):
            m += (1.0 - self.beta_1) * (g - m)
            v += (1.0 - self.beta_2) * (g**2 - v)
            w -= rate * m / (np.sqrt(v) + self.epsilon)


class RMSprop:
    """Tieleman and Hinton (2012), with epsilon under the root and momentum on the scaled step, as in Keras."""

    def __init__(
        self, learning_rate: float = 0.001, rho: float = 0.9, momentum: float = 0.0, epsilon: float = 1e-7
    ) -> None:
        self.learning_rate, self.rho, self.momentum, self.epsilon = learning_rate, rho, momentum, epsilon
        self.v: list[Array] = []
        self.moving_step: list[Array] = []

    def step(self, parameters: Sequence[Array], gradients: Sequence[Array]) -> None:
        self.v = self.v or [np.zeros_like(w) for w in parameters]
        self.moving_step = self.moving_step or [np.zeros_like(w) for w in parameters]
        for w, g, v, s in zip(parameters, gradients, self.v, self.moving_step, strict=True):
            v *= self.rho
            v += (1.0 - self.rho) * g**2
            s *= self.momentum
            s += self.learning_rate * g / np.sqrt(v + self.epsilon)
            w -= s


OPTIMIZERS: dict[str, Callable[..., Any]] = {"sgd": SGD, "adam": Adam, "rmsprop": RMSprop}

# --- Network ---------------------------------------------------------------------------------------------------------


class Network:
    """Layers in order, and a loss: sum(w_i loss_i) / n over the n samples of a batch."""

    def __init__(self, layers: Sequence[Layer], loss: str) -> None:
        self.layers = layers
        self.loss_name = loss

    @property
    def parameters(self) -> list[Array]:
        return [array for layer in self.layers for array in layer.parameters]

    def predict(self, x: ArrayLike) -> Array:
        out = np.asarray(x, np.float64)
        for layer in self.layers:
            out = layer.forward(out)
        return out

    def losses_and_gradients(
        self, x: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None
    ) -> tuple[Array, list[Array]]:
        """Return the weighted loss of each sample, and the gradients of their mean by the parameters."""
        p = self.predict(x)
        y = np.asarray(y)
        y = one_hot(y, p.shape[-1]) if y.ndim == 1 else y.astype(np.float64)
        w = np.ones(len(p)) if weight is None else np.asarray(weight, np.float64)
        layers = list(self.layers)
        last = layers[-1]
        if isinstance(last, Activation) and (last.name, self.loss_name) in FUSED:
            loss, backward = FUSED[last.name, self.loss_name]
            layers.pop()
            p = last.z
        else:
            loss, backward = LOSSES[self.loss_name]
        gradient = backward(y, p) * w[:, None] / len(p)
        for layer in reversed(layers):
            gradient = layer.backward(gradient)
        return loss(y, p) * w, [array for layer in self.layers for array in layer.gradients]

    def loss_and_gradients(
        self, x: ArrayLike, y: ArrayLike, weight: ArrayLike | None = None
    ) -> tuple[float, list[Array]]:
        losses, gradients = self.losses_and_gradients(x, y, weight)
        return float(losses.mean()), gradients

    def fit(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        optimizer: Any,
        batch_size: int,
        order: Sequence[int] | NDArray[np.int64] | None = None,
        weight: NDArray[Any] | None = None,
    ) -> float:
        """Train one epoch, the last short batch included, and return the mean of the losses before each step."""
        order = np.arange(len(x)) if order is None else np.asarray(order)
        losses = []
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            loss, gradients = self.losses_and_gradients(x[rows], y[rows], None if weight is None else weight[rows])
            optimizer.step(self.parameters, gradients)
            losses.append(loss)
        return float(np.concatenate(losses).mean())

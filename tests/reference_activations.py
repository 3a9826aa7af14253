"""The activations beyond the first few, in plain NumPy and float64: forward(z) beside backward(gradient, z)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

Array = NDArray[np.float64]


def elu(z: Array, alpha: float = 1.0) -> Array:
    return np.where(z > 0.0, z, alpha * np.expm1(np.minimum(z, 0.0)))


def elu_backward(gradient: Array, z: Array, alpha: float = 1.0) -> Array:
    return gradient * np.where(z > 0.0, 1.0, alpha * np.exp(np.minimum(z, 0.0)))


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


def selu(z: Array) -> Array:
    return SELU_SCALE * elu(z, SELU_ALPHA)


def selu_backward(gradient: Array, z: Array) -> Array:
    return SELU_SCALE * elu_backward(gradient, z, SELU_ALPHA)


def exponential(z: Array) -> Array:
    return np.exp(z)


def exponential_backward(gradient: Array, z: Array) -> Array:
    return gradient * np.exp(z)


def softplus(z: Array) -> Array:
    return np.logaddexp(0.0, z)


def softplus_backward(gradient: Array, z: Array) -> Array:
    return gradient * special.expit(z)


def softsign(z: Array) -> Array:
    return z / (1.0 + np.abs(z))


def softsign_backward(gradient: Array, z: Array) -> Array:
    return gradient / (1.0 + np.abs(z)) ** 2


def hard_sigmoid(z: Array) -> Array:
    return np.clip((z + 3.0) / 6.0, 0.0, 1.0)


def hard_sigmoid_backward(gradient: Array, z: Array) -> Array:
    return gradient * (np.abs(z) < 3.0) / 6.0


def hard_silu(z: Array) -> Array:
    return z * hard_sigmoid(z)


def hard_silu_backward(gradient: Array, z: Array) -> Array:
    return gradient * np.where(np.abs(z) < 3, z / 3 + 0.5, z > 0)


def silu(z: Array) -> Array:
    return z * special.expit(z)


def silu_backward(gradient: Array, z: Array) -> Array:
    return gradient * (special.expit(z) + z * special.expit(z) * special.expit(-z))


def gelu(z: Array) -> Array:
    return z * special.ndtr(z)


def gelu_backward(gradient: Array, z: Array) -> Array:
    return gradient * (special.ndtr(z) + z * np.exp(-(z**2) / 2.0) / np.sqrt(2.0 * np.pi))


def gelu_tanh(z: Array) -> Array:
    u = np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3)
    return z * special.expit(2.0 * u)  # (1 + tanh u) / 2, without the digits that the sum loses


def gelu_tanh_backward(gradient: Array, z: Array) -> Array:
    u = np.sqrt(2.0 / np.pi) * (z + 0.044715 * z**3)
    slope_of_u = np.sqrt(2.0 / np.pi) * (1.0 + 3.0 * 0.044715 * z**2)
    share, rest = special.expit(2.0 * u), special.expit(-2.0 * u)
    return gradient * (share + z * share * rest * 2.0 * slope_of_u)


def mish(z: Array) -> Array:
    return z * np.tanh(softplus(z))


def mish_backward(gradient: Array, z: Array) -> Array:
    t = np.tanh(softplus(z))
    return gradient * (t + z * special.expit(z) * (1.0 - t) * (1.0 + t))


def log_softmax(z: Array) -> Array:
    return special.log_softmax(z, axis=-1)


def log_softmax_backward(gradient: Array, z: Array) -> Array:
    return gradient - special.softmax(z, axis=-1) * gradient.sum(axis=-1, keepdims=True)


def relu6(z: Array, max_value: float = 6.0) -> Array:
    return np.clip(z, 0.0, max_value)


def relu6_backward(gradient: Array, z: Array, max_value: float = 6.0) -> Array:
    return gradient * ((z > 0.0) & (z < max_value))


def thresholded_relu(z: Array, theta: float = 1.0) -> Array:
    return np.where(z > theta, z, 0.0)


def thresholded_relu_backward(gradient: Array, z: Array, theta: float = 1.0) -> Array:
    return gradient * (z > theta)


def celu(z: Array, alpha: float = 1.0) -> Array:
    return np.maximum(z, 0.0) + alpha * np.expm1(np.minimum(z, 0.0) / alpha)


def celu_backward(gradient: Array, z: Array, alpha: float = 1.0) -> Array:
    return gradient * np.exp(np.minimum(z, 0.0) / alpha)


def hard_tanh(z: Array) -> Array:
    return np.clip(z, -1.0, 1.0)


def hard_tanh_backward(gradient: Array, z: Array) -> Array:
    return gradient * (np.abs(z) < 1.0)


def hard_shrink(z: Array, threshold: float = 0.5) -> Array:
    return z * (np.abs(z) > threshold)


def hard_shrink_backward(gradient: Array, z: Array, threshold: float = 0.5) -> Array:
    return gradient * (np.abs(z) > threshold)


def soft_shrink(z: Array, threshold: float = 0.5) -> Array:
    return np.sign(z) * np.maximum(np.abs(z) - threshold, 0.0)


def soft_shrink_backward(gradient: Array, z: Array, threshold: float = 0.5) -> Array:
    return gradient * (np.abs(z) > threshold)


def tanh_shrink(z: Array) -> Array:
    # (z cosh z - sinh z) / cosh z; where the difference loses digits, the numerator is a series of one sign.
    near = np.clip(z, -1.0, 1.0)
    series = sum(2 * k / special.factorial(2 * k + 1) * near ** (2 * k + 1) for k in range(1, 12))
    return np.where(np.abs(z) < 1.0, series / np.cosh(near), z - np.tanh(z))


def tanh_shrink_backward(gradient: Array, z: Array) -> Array:
    return gradient * np.tanh(z) ** 2


def sparse_sigmoid(z: Array) -> Array:
    return np.clip((z + 1.0) / 2.0, 0.0, 1.0)


def sparse_sigmoid_backward(gradient: Array, z: Array) -> Array:
    return gradient * (np.abs(z) < 1.0) / 2.0


def sparse_plus(z: Array) -> Array:
    return np.where(np.abs(z) < 1.0, (z + 1.0) ** 2 / 4.0, np.maximum(z, 0.0))


def sparse_plus_backward(gradient: Array, z: Array) -> Array:
    return gradient * sparse_sigmoid(z)


def log_sigmoid(z: Array) -> Array:
    return special.log_expit(z)


def log_sigmoid_backward(gradient: Array, z: Array) -> Array:
    return gradient * special.expit(-z)


def squareplus(z: Array, b: float = 4.0) -> Array:
    root = np.hypot(z, np.sqrt(b))
    return np.where(z < 0.0, b / 2.0 / (root + np.abs(z)), (z + root) / 2.0)


def squareplus_backward(gradient: Array, z: Array, b: float = 4.0) -> Array:
    return gradient * squareplus(z, b) / np.hypot(z, np.sqrt(b))


# How far a value of the core may be off, in eps of the dtype relative to it, over [-80, 80]; 6 where nothing is said. Where
# exp(x) is a factor, the rounding of its argument is worth |argument| / 2 eps more, which is what the functions say.
BOUNDS: dict[str, Callable[[Array], Array]] = {
    "elu": lambda x: np.full(x.shape, 4.0),
    "selu": lambda x: np.full(x.shape, 5.0),
    "exponential": lambda x: np.full(x.shape, 3.0),
    "softsign": lambda x: np.full(x.shape, 2.0),
    "hard_sigmoid": lambda x: np.full(x.shape, 4.0),
    "tanh_shrink": lambda x: np.full(x.shape, 20.0),
    "gelu": lambda x: 6 + x**2,
    "gelu_tanh": lambda x: 8 + 4 * np.abs(x + 0.044715 * x**3),
}

# The exact values far out, at +-1e30 and infinity, where they are others than those of a rectifier.
LIMITS: dict[str, Callable[[Array], Array]] = {
    "elu": lambda x: np.maximum(x, -1.0),
    "exponential": lambda x: np.where(x > 0, np.inf, 0.0),
    "softsign": np.sign,
    "hard_sigmoid": lambda x: np.where(x > 0, 1.0, 0.0),
    "relu6": lambda x: np.where(x > 0, 6.0, 0.0),
    "celu": lambda x: np.maximum(x, -1.0),
    "hard_tanh": np.sign,
    "hard_shrink": lambda x: x,
    "soft_shrink": lambda x: x,
    "tanh_shrink": lambda x: x,
    "sparse_sigmoid": lambda x: np.where(x > 0, 1.0, 0.0),
    "log_sigmoid": lambda x: np.minimum(x, 0.0),
    "squareplus": lambda x: np.where(x > 0, x, 1 / np.abs(x)),
}

# The argument that the core calls alpha.
PARAMETERS = {
    "leaky_relu": "negative_slope",
    "elu": "alpha",
    "celu": "alpha",
    "relu6": "max_value",
    "thresholded_relu": "theta",
    "hard_shrink": "threshold",
    "soft_shrink": "threshold",
    "squareplus": "b",
}

ACTIVATIONS: dict[str, tuple[Callable[..., Array], Callable[..., Array]]] = {
    "elu": (elu, elu_backward),
    "selu": (selu, selu_backward),
    "exponential": (exponential, exponential_backward),
    "softplus": (softplus, softplus_backward),
    "softsign": (softsign, softsign_backward),
    "hard_sigmoid": (hard_sigmoid, hard_sigmoid_backward),
    "hard_silu": (hard_silu, hard_silu_backward),
    "silu": (silu, silu_backward),
    "gelu": (gelu, gelu_backward),
    "gelu_tanh": (gelu_tanh, gelu_tanh_backward),
    "mish": (mish, mish_backward),
    "relu6": (relu6, relu6_backward),
    "thresholded_relu": (thresholded_relu, thresholded_relu_backward),
    "celu": (celu, celu_backward),
    "hard_tanh": (hard_tanh, hard_tanh_backward),
    "hard_shrink": (hard_shrink, hard_shrink_backward),
    "soft_shrink": (soft_shrink, soft_shrink_backward),
    "tanh_shrink": (tanh_shrink, tanh_shrink_backward),
    "sparse_sigmoid": (sparse_sigmoid, sparse_sigmoid_backward),
    "sparse_plus": (sparse_plus, sparse_plus_backward),
    "log_sigmoid": (log_sigmoid, log_sigmoid_backward),
    "squareplus": (squareplus, squareplus_backward),
    "log_softmax": (log_softmax, log_softmax_backward),
}

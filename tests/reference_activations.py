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


# How far a value of the core may be off, in eps of the dtype relative to it, over [-80, 80]; 6 where nothing is said. Where
# exp(x) is a factor, the rounding of its argument is worth |argument| / 2 eps more, which is what the functions say.
BOUNDS: dict[str, Callable[[Array], Array]] = {
    "elu": lambda x: np.full(x.shape, 4.0),
    "selu": lambda x: np.full(x.shape, 5.0),
    "exponential": lambda x: np.full(x.shape, 3.0),
    "softsign": lambda x: np.full(x.shape, 2.0),
    "hard_sigmoid": lambda x: np.full(x.shape, 4.0),
    "gelu": lambda x: 6 + x**2,
    "gelu_tanh": lambda x: 8 + 4 * np.abs(x + 0.044715 * x**3),
}

# The exact values far out, at +-1e30 and infinity, where they are others than those of a rectifier.
LIMITS: dict[str, Callable[[Array], Array]] = {
    "elu": lambda x: np.maximum(x, -1.0),
    "exponential": lambda x: np.where(x > 0, np.inf, 0.0),
    "softsign": np.sign,
    "hard_sigmoid": lambda x: np.where(x > 0, 1.0, 0.0),
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
    "log_softmax": (log_softmax, log_softmax_backward),
}

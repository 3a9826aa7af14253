"""The activation functions of Keras on NumPy arrays, with Keras's names and defaults.

Those that `fastnet.functional` has are the same functions, except `relu` and `leaky_relu`, which have Keras's arguments
here. float32 stays float32; integers and booleans give float64. NaN gives NaN.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnet import functional
from fastnet.functional import (
    celu,
    elu,
    exponential,
    gelu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    linear,
    log_sigmoid,
    log_softmax,
    mish,
    relu6,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    squareplus,
    tanh,
    tanh_shrink,
)
from fastnet.functional._floats import Array, floats
from fastnet.support.missing_names import explain_missing
from fastnet.support.text import did_you_mean
from fastnet.support.validation import check_axis, check_number, describe

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

explain_missing(__name__)

Function = Callable[..., Any]

swish = silu
hard_swish = hard_silu


# ---- Functions ------------------------------------------------------------------------------------------------------


def relu(x: ArrayLike, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0) -> Array:
    r"""Return the rectifier of every value, with Keras's options.

    .. math:: f(x) = \min(x, m) \text{ if } x > t \text{, else } a (x - t)

    Parameters
    ----------
    x : array_like
        Any shape.
    negative_slope : float, default 0.0
        The slope a below the threshold.
    max_value : float, optional
        The largest value m of the output.
    threshold : float, default 0.0
        The threshold t.

    Returns
    -------
    ndarray
        An array of the shape of `x`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.activations.relu([-10.0, 2.0, 10.0], max_value=6)
    array([0., 2., 6.])
    >>> fn.activations.relu([-10.0, 2.0, 10.0], negative_slope=0.5, threshold=4)
    array([-7., -1., 10.])
    """
    slope, limit = check_number("negative_slope", negative_slope), check_number("threshold", threshold)
    most = None if max_value is None else check_number("max_value", max_value)
    if limit == 0.0 and most is None:
        return functional.relu(x) if slope == 0.0 else functional.leaky_relu(x, slope)
    (x,) = floats(x=x)
    y = np.where(x <= limit, x.dtype.type(0), x)
    if most is not None:
        y = np.clip(y, 0.0, most)
    return y - x.dtype.type(slope) * np.maximum(x.dtype.type(limit) - x, 0) if slope else y


def leaky_relu(x: ArrayLike, negative_slope: float = 0.2) -> Array:
    r"""Return the rectifier that lets negative values through, scaled down: `fastnet.functional.leaky_relu`.

    Parameters
    ----------
    x : array_like
        Any shape.
    negative_slope : float, default 0.2
        The slope for negative values; that of Keras.

    Returns
    -------
    ndarray
        An array of the shape of `x`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.activations.leaky_relu([-1.0, 2.0])
    array([-0.2,  2. ])
    """
    return functional.leaky_relu(x, negative_slope)


def threshold(x: ArrayLike, threshold: float, default_value: float) -> Array:
    r"""Return the values above a threshold, and another value for the others.

    .. math:: f(x) = x \text{ if } x > t \text{, else } d

    Parameters
    ----------
    x : array_like
        Any shape.
    threshold : float
        The threshold t.
    default_value : float
        The value d of the others.

    Returns
    -------
    ndarray
        An array of the shape of `x`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.activations.threshold([-1.0, 0.5, 2.0], 1.0, 0.0)
    array([0., 0., 2.])
    """
    limit, other = check_number("threshold", threshold), check_number("default_value", default_value)
    (x,) = floats(x=x)
    return np.where(x <= limit, x.dtype.type(other), x)


def glu(x: ArrayLike, axis: int = -1) -> Array:
    r"""Return the first half of the values times the `sigmoid` of the second: Dauphin et al. (2017), arXiv:1612.08083.

    .. math:: f(a, b) = \frac{a}{1 + e^{-b}}

    Parameters
    ----------
    x : array_like
        An array whose size along `axis` is even.
    axis : int, default -1
        The axis that is halved.

    Returns
    -------
    ndarray
        An array of half the size along `axis`.

    Raises
    ------
    ValueError
        The size along `axis` is odd.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.activations.glu([1.0, 2.0, 0.0, 0.0])
    array([0.5, 1. ])
    """
    (x,) = floats(x=x)
    if x.shape[check_axis(axis, "x", x.shape)] % 2:
        raise ValueError(f"x must have an even size along axis {axis}, which is halved; got shape {x.shape}")
    values, gates = np.split(x, 2, axis=axis)
    return values * sigmoid(gates)


def sparsemax(x: ArrayLike, axis: int = -1) -> Array:
    r"""Return the probabilities closest to the values, of which many are 0: Martins and Astudillo (2016), arXiv:1602.02068.

    .. math:: f(x)_i = \max(x_i - \tau(x), 0) \text{, where } \tau \text{ makes the sum 1}

    Parameters
    ----------
    x : array_like
        An array of at least one dimension.
    axis : int, default -1
        The axis along which the probabilities sum to 1.

    Returns
    -------
    ndarray
        An array of the shape of `x`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.activations.sparsemax([2.0, 1.5, -1.0])
    array([0.75, 0.25, 0.  ])
    """
    (x,) = floats(x=x)
    rows = np.moveaxis(x, check_axis(axis, "x", x.shape), -1)
    rows = rows - rows.max(axis=-1, keepdims=True)  # changes nothing, and keeps the digits of large values
    falling = -np.sort(-rows, axis=-1)
    counts = np.arange(1, rows.shape[-1] + 1, dtype=x.dtype)
    excess = falling.cumsum(axis=-1) - 1
    support = np.count_nonzero(counts * falling > excess, axis=-1, keepdims=True)
    tau = np.take_along_axis(excess, np.maximum(support, 1) - 1, axis=-1) / np.maximum(support, 1).astype(x.dtype)
    return np.moveaxis(np.maximum(rows - tau, 0), -1, axis)


# ---- Names ----------------------------------------------------------------------------------------------------------

_OTHERS = ("deserialize", "get", "serialize")


def get(identifier: Any) -> Function:
    """Return the activation function for a name; None is `linear`, and a function stays as it is.

    Raises
    ------
    ValueError
        The name is unknown.
    TypeError
        The identifier is neither a name nor a function.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.activations.get("relu") is fn.activations.relu
    True
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        return deserialize(identifier)
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
    raise TypeError(f"identifier must be None, a name or a function; got {describe(identifier)}")


def serialize(activation: Function) -> str:
    """Return the name of an activation function of this module.

    Raises
    ------
    ValueError
        The function is another one.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.activations.serialize(fn.activations.swish)
    'silu'
    """
    name = getattr(activation, "__name__", "")
    same = name in __all__ and (activation is globals()[name] or activation is getattr(functional, name, None))
    if not same:
        raise ValueError(f"activation must be a function of fastnet.activations; got {describe(activation)}")
    return str(name)


def deserialize(config: str) -> Function:
    """Return the activation function for a name.

    Raises
    ------
    ValueError
        The name is unknown.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.activations.deserialize("hard_swish") is fn.activations.hard_silu
    True
    """
    known = [name for name in __all__ if name not in _OTHERS]
    if config not in known:
        accepted = ", ".join(map(repr, known))
        raise ValueError(
            f"an activation function must be one of {accepted}; got {config!r}{did_you_mean(str(config), known)}"
        )
    return globals()[config]  # type: ignore[no-any-return]

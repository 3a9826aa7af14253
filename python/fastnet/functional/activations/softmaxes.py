"""Activations of whole rows: softmax and its logarithm."""

import numpy as np
from numpy.typing import ArrayLike

from fastnet.functional._floats import Array, floats
from fastnet.functional.activations.table import Facts, Onnx, activate, activate_backward

__all__ = [
    "log_softmax",
    "log_softmax_backward",
    "softmax",
    "softmax_backward",
]


@Facts(
    by_row=True,
    range=(0.0, 1.0),
    onnx=(Onnx("Softmax(x, axis=-1)"),),
    torch="Softmax(dim=-1)",
)
def softmax(x: ArrayLike, axis: int = -1) -> Array:
    r"""Return probabilities over an axis, which sum to 1; they overflow nowhere: Bridle (1990).

    .. math:: f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array_like
        Any shape.
    axis : int, default -1
        The axis along which the probabilities sum to 1.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.softmax([[1e4, 1e4], [0.0, -1e4]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return _activate("softmax", x, axis)


def softmax_backward(grad_output: ArrayLike, output: ArrayLike, axis: int = -1) -> Array:
    r"""Return the gradient with respect to the input of `softmax` with output p: :math:`p_i (g_i - \sum_j g_j p_j)`.

    This is g times the Jacobian :math:`\partial p_i / \partial x_j = p_i (\delta_{ij} - p_j)`, for any loss after it.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.softmax_backward([1.0, 0.0], fn.softmax([0.0, 0.0]))
    array([ 0.25, -0.25])
    """
    return _activate_backward("softmax", grad_output, output, axis)


@Facts(
    by_row=True,
    onnx=(Onnx("LogSoftmax(x, axis=-1)"),),
    torch="LogSoftmax(dim=-1)",
)
def log_softmax(x: ArrayLike, axis: int = -1) -> Array:
    r"""Return the logarithm of `softmax` over an axis, which does not underflow.

    .. math:: f(x)_i = x_i - \log \sum_j e^{x_j}

    Parameters
    ----------
    x : array_like
        Any shape.
    axis : int, default -1
        The axis of the probabilities.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.log_softmax([0.0, -1e4])
    array([     0., -10000.])
    """
    return _activate("log_softmax", x, axis)


def log_softmax_backward(grad_output: ArrayLike, output: ArrayLike, axis: int = -1) -> Array:
    r"""Return the gradient with respect to the input of `log_softmax` with output y.

    :math:`g_i - e^{y_i} \sum_j g_j`.
    """
    return _activate_backward("log_softmax", grad_output, output, axis)


def _activate(name: str, x: ArrayLike, axis: int) -> Array:
    """Return an activation of the core along an axis; the core's is the last one."""
    if axis == -1:
        return activate(name, x)
    (x,) = floats(x=x)
    return np.moveaxis(activate(name, np.moveaxis(x, axis, -1)), -1, axis)


def _activate_backward(name: str, grad_output: ArrayLike, output: ArrayLike, axis: int) -> Array:
    if axis == -1:
        return activate_backward(name, grad_output, output)
    grad_output, output = (np.moveaxis(array, axis, -1) for array in floats(grad_output=grad_output, output=output))
    return np.moveaxis(activate_backward(name, grad_output, output), -1, axis)

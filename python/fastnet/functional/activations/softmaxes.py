"""Activations of whole rows: softmax and its logarithm."""

import numpy as np
from numpy.typing import ArrayLike

from fastnet.functional._floats import Array, floats
from fastnet.functional.activations.table import Facts, Onnx, activate, activate_backward
from fastnet.support.validation import check_axis

Axis = int | tuple[int, ...]

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
def softmax(x: ArrayLike, axis: Axis = -1) -> Array:
    r"""Return probabilities over an axis, which sum to 1; they overflow nowhere: Bridle (1990).

    .. math:: f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Parameters
    ----------
    x : array_like
        Any shape.
    axis : int or tuple of int, default -1
        The axis, or axes, along which the probabilities sum to 1.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.softmax([[1e4, 1e4], [0.0, -1e4]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return _activate("softmax", x, axis)


def softmax_backward(grad_output: ArrayLike, output: ArrayLike, axis: Axis = -1) -> Array:
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
def log_softmax(x: ArrayLike, axis: Axis = -1) -> Array:
    r"""Return the logarithm of `softmax` over an axis, which does not underflow.

    .. math:: f(x)_i = x_i - \log \sum_j e^{x_j}

    Parameters
    ----------
    x : array_like
        Any shape.
    axis : int or tuple of int, default -1
        The axis, or axes, of the probabilities.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.log_softmax([0.0, -1e4])
    array([     0., -10000.])
    """
    return _activate("log_softmax", x, axis)


def log_softmax_backward(grad_output: ArrayLike, output: ArrayLike, axis: Axis = -1) -> Array:
    r"""Return the gradient with respect to the input of `log_softmax` with output y.

    :math:`g_i - e^{y_i} \sum_j g_j`.
    """
    return _activate_backward("log_softmax", grad_output, output, axis)


def _activate(name: str, x: ArrayLike, axis: Axis) -> Array:
    """Return an activation of the core along axes; the core's is the last one."""
    if axis == -1:
        return activate(name, x)
    (x,) = floats(x=x)
    return _from_last(activate(name, _to_last(x, axis)), x.shape, axis)


def _activate_backward(name: str, grad_output: ArrayLike, output: ArrayLike, axis: Axis) -> Array:
    if axis == -1:
        return activate_backward(name, grad_output, output)
    grad_output, output = floats(grad_output=grad_output, output=output)
    by_last = activate_backward(name, _to_last(grad_output, axis), _to_last(output, axis))
    return _from_last(by_last, grad_output.shape, axis)


def _to_last(x: Array, axis: Axis) -> Array:
    """Return an array with the values along some axes in the last one."""
    axes = [check_axis(one, "x", x.shape) for one in np.atleast_1d(axis)]
    moved = np.moveaxis(x, axes, range(-len(axes), 0))
    return moved.reshape(*moved.shape[: -len(axes)], -1)


def _from_last(y: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """Return an array of this shape from what `_to_last` would make of it."""
    axes = np.atleast_1d(axis)
    sizes = [shape[one] for one in axes]
    return np.moveaxis(y.reshape(*y.shape[:-1], *sizes), range(-len(axes), 0), axes)

"""Activations that move values toward zero."""

from numpy.typing import ArrayLike

from fastnet.functional._floats import Array
from fastnet.functional.activations.table import ACTIVATIONS, C, Facts, Onnx, activate, activate_backward

__all__ = [
    "hard_shrink",
    "hard_shrink_backward",
    "soft_shrink",
    "soft_shrink_backward",
    "tanh_shrink",
    "tanh_shrink_backward",
]


@Facts(
    parameter=("threshold", 0.5),
    c=C("0 between -alpha and alpha", "fabs~(v) <= alpha ? 0 : v"),
    onnx=(
        Onnx("Shrink(x, lambd=alpha, bias=0.0)", float64=False),
        Onnx("Where(Greater(Abs(x), alpha), x, 0)"),
    ),
    torch="Hardshrink({alpha!r})",
)
def hard_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    r"""Return the values whose magnitude is above a threshold, and 0 for the others.

    .. math:: f(x) = x \text{ if } |x| > t \text{, else } 0

    Parameters
    ----------
    x : array_like
        Any shape.
    threshold : float, default 0.5
        The threshold t; at least 0.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.hard_shrink([-1.0, 0.25, 2.0])
    array([-1.,  0.,  2.])
    """
    return activate("hard_shrink", x, ACTIVATIONS["hard_shrink"].checked(threshold))


def hard_shrink_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `hard_shrink`: :math:`g` where the output is not 0, else 0."""
    return activate_backward("hard_shrink", grad_output, output)


@Facts(
    parameter=("threshold", 0.5),
    c=C("v moved toward 0 by alpha", "fabs~(v) <= alpha ? 0 : v - copysign~(alpha, v)"),
    onnx=(
        Onnx("Shrink(x, lambd=alpha, bias=alpha)", float64=False),
        Onnx("Sub(x, Max(Min(x, alpha), Neg(alpha)))"),
    ),
    torch="Softshrink({alpha!r})",
)
def soft_shrink(x: ArrayLike, threshold: float = 0.5) -> Array:
    r"""Return the values moved toward zero by a threshold: Donoho (1995), soft thresholding.

    .. math:: f(x) = \mathrm{sign}(x) \max(|x| - t, 0)

    Parameters
    ----------
    x : array_like
        Any shape.
    threshold : float, default 0.5
        The threshold t; at least 0.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.soft_shrink([-1.0, 0.25, 2.0])
    array([-0.5,  0. ,  1.5])
    """
    return activate("soft_shrink", x, ACTIVATIONS["soft_shrink"].checked(threshold))


def soft_shrink_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `soft_shrink`: :math:`g` where the output is not 0, else 0."""
    return activate_backward("soft_shrink", grad_output, output)


@Facts(
    c=C("v - tanh(v)", "v - tanh~(v)"),
    onnx=(Onnx("Sub(x, Tanh(x))"),),
    torch="Tanhshrink()",
)
def tanh_shrink(x: ArrayLike) -> Array:
    r"""Return every value less its hyperbolic tangent, in full precision near zero, too.

    .. math:: f(x) = x - \tanh(x)

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.functional.tanh_shrink(1.0):.4f}")
    0.2384
    """
    return activate("tanh_shrink", x)


def tanh_shrink_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input x of `tanh_shrink`: :math:`g \tanh^2(x)`."""
    return activate_backward("tanh_shrink", grad_output, x, of="x")

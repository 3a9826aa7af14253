"""The rectifiers: straight pieces, of which the exponential ones are bent below zero."""

from math import inf

import numpy as np
from numpy.typing import ArrayLike

from fastnet.functional._floats import Array, floats
from fastnet.functional.activations.table import ACTIVATIONS, C, Facts, Onnx, activate, activate_backward
from fastnet.support.validation import check_number

__all__ = [
    "celu",
    "celu_backward",
    "elu",
    "elu_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "linear_backward",
    "prelu",
    "prelu_backward",
    "relu",
    "relu6",
    "relu6_backward",
    "relu_backward",
    "selu",
    "selu_backward",
    "thresholded_relu",
    "thresholded_relu_backward",
]


@Facts()
def linear(x: ArrayLike) -> Array:
    r"""Return a copy of `x`: the activation of a layer without one.

    .. math:: f(x) = x

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.linear([-1.0, 2.0])
    array([-1.,  2.])
    """
    return activate("linear", x)


def linear_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `linear`: :math:`g`."""
    return activate_backward("linear", grad_output, output)


@Facts(
    range=(0.0, inf),
    c=C("0 below zero", "v <= 0 ? 0 : v"),
    onnx=(Onnx("Relu(x)"),),
    torch="ReLU()",
)
def relu(x: ArrayLike) -> Array:
    r"""Return the rectifier of every value: Nair and Hinton (2010).

    .. math:: f(x) = \max(x, 0)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.relu([-1.0, 2.0])
    array([0., 2.])
    """
    return activate("relu", x)


def relu_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `relu`: :math:`g` where the output is positive, else 0."""
    return activate_backward("relu", grad_output, output)


@Facts(
    parameter=("negative_slope", 0.2),
    c=C("alpha v below zero", "v < 0 ? alpha * v : v"),
    onnx=(
        Onnx("LeakyRelu(x, alpha=alpha)", float64=False),
        Onnx("Where(Greater(x, 0), x, Mul(x, alpha))"),
    ),
    torch="LeakyReLU({alpha!r})",
)
def leaky_relu(x: ArrayLike, negative_slope: float = 0.01) -> Array:
    r"""Return the rectifier that lets negative values through, scaled down: Maas et al. (2013).

    .. math:: f(x) = x \text{ if } x > 0 \text{, else } a x

    Parameters
    ----------
    x : array_like
        Any shape.
    negative_slope : float, default 0.01
        The slope a, as in PyTorch. In layers the name "leaky_relu" stands for 0.2, as in Keras.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.leaky_relu([-1.0, 2.0])
    array([-0.01,  2.  ])
    """
    return activate("leaky_relu", x, check_number("negative_slope", negative_slope))


def leaky_relu_backward(grad_output: ArrayLike, output: ArrayLike, negative_slope: float = 0.01) -> Array:
    r"""Return the gradient with respect to the input of `leaky_relu`: :math:`g` where the output is positive, else :math:`a g`.

    The sign of the input is read from the output, so the slope must be at least 0.
    """
    return activate_backward(
        "leaky_relu", grad_output, output, check_number("negative_slope", negative_slope, minimum=0.0)
    )


@Facts(
    parameter=("alpha", 1.0),
    c=C("alpha (exp(v) - 1) below zero", "v <= 0 ? alpha * expm1~(v) : v"),
    onnx=(
        Onnx("Elu(x, alpha=alpha)", float64=False),
        Onnx("Where(Greater(x, 0), x, Mul(Sub(Exp(Min(x, 0)), 1), alpha))"),
    ),
    torch="ELU({alpha!r})",
)
def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    r"""Return the exponential linear unit of every value: Clevert, Unterthiner and Hochreiter (2016), arXiv:1511.07289.

    .. math:: f(x) = x \text{ if } x > 0 \text{, else } \alpha (e^x - 1)

    Parameters
    ----------
    x : array_like
        Any shape.
    alpha : float, default 1.0
        What the function tends to at minus infinity, with the sign changed; at least 0.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.elu([-100.0, 2.0])
    array([-1.,  2.])
    """
    return activate("elu", x, check_number("alpha", alpha, minimum=0.0))


def elu_backward(grad_output: ArrayLike, output: ArrayLike, alpha: float = 1.0) -> Array:
    r"""Return the gradient with respect to the input of `elu` with output y.

    :math:`g` where y is positive, else :math:`g (y + \alpha)`.
    """
    return activate_backward("elu", grad_output, output, check_number("alpha", alpha, minimum=0.0))


@Facts(
    c=C(
        "s v, and s a (exp(v) - 1) below zero: s a = 1.758...",
        "v <= 0 ? 1.75809934084737685994~ * expm1~(v) : 1.05070098735548049342~ * v",
    ),
    onnx=(
        Onnx("Selu(x, alpha=1.6732632423543772, gamma=1.0507009873554805)", float64=False),
        Onnx("Mul(Where(Greater(x, 0), x, Mul(Sub(Exp(Min(x, 0)), 1), 1.6732632423543772)), 1.0507009873554805)"),
    ),
    torch="SELU()",
)
def selu(x: ArrayLike) -> Array:
    r"""Return the scaled exponential linear unit: Klambauer et al. (2017), arXiv:1706.02515.

    .. math:: f(x) = \lambda \, \mathrm{elu}(x, \alpha), \quad \lambda = 1.0507009873, \; \alpha = 1.6732632424

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.selu(1.0):.4f}")
    1.0507
    """
    return activate("selu", x)


def selu_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `selu` with output y.

    :math:`\lambda g` or :math:`g (y + \lambda \alpha)`.
    """
    return activate_backward("selu", grad_output, output)


@Facts(
    range=(0.0, inf),
    parameter=("max_value", 6.0),
    c=C("v between 0 and alpha", "v <= 0 ? 0 : v >= alpha ? alpha : v"),
    onnx=(Onnx("Clip(x, 0, alpha)"),),
    torch="Hardtanh(0.0, {alpha!r})",
)
def relu6(x: ArrayLike, max_value: float = 6.0) -> Array:
    r"""Return the rectifier that ends at 6, or another value: Krizhevsky (2010).

    .. math:: f(x) = \min(\max(x, 0), m)

    Parameters
    ----------
    x : array_like
        Any shape.
    max_value : float, default 6.0
        The largest value m; at least 0.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.relu6([-1.0, 2.0, 9.0])
    array([0., 2., 6.])
    """
    return activate("relu6", x, ACTIVATIONS["relu6"].checked(max_value))


def relu6_backward(grad_output: ArrayLike, output: ArrayLike, max_value: float = 6.0) -> Array:
    r"""Return the gradient with respect to the input of `relu6`: :math:`g` where the output is between 0 and m, else 0."""
    return activate_backward("relu6", grad_output, output, ACTIVATIONS["relu6"].checked(max_value))


@Facts(
    range=(0.0, inf),
    parameter=("theta", 1.0),
    c=C("0 up to alpha", "v <= alpha ? 0 : v"),
    onnx=(
        Onnx("ThresholdedRelu(x, alpha=alpha)", float64=False),
        Onnx("Where(Greater(x, alpha), x, 0)"),
    ),
    torch="Threshold({alpha!r}, 0.0)",
)
def thresholded_relu(x: ArrayLike, theta: float = 1.0) -> Array:
    r"""Return the values above a threshold, and 0 for the others: Konda, Memisevic and Krueger (2015), arXiv:1402.3337.

    .. math:: f(x) = x \text{ if } x > \theta \text{, else } 0

    Parameters
    ----------
    x : array_like
        Any shape.
    theta : float, default 1.0
        The threshold; at least 0.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.thresholded_relu([-1.0, 0.5, 2.0])
    array([0., 0., 2.])
    """
    return activate("thresholded_relu", x, ACTIVATIONS["thresholded_relu"].checked(theta))


def thresholded_relu_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `thresholded_relu`: :math:`g` where the output is positive, else 0."""
    return activate_backward("thresholded_relu", grad_output, output)


@Facts(
    parameter=("alpha", 1.0),
    positive=True,
    c=C("alpha (exp(v / alpha) - 1) below zero", "v <= 0 ? alpha * expm1~(v / alpha) : v"),
    onnx=(
        Onnx("Celu(x, alpha=alpha)", float64=False),
        Onnx("Where(Greater(x, 0), x, Mul(Sub(Exp(Div(Min(x, 0), alpha)), 1), alpha))"),
    ),
    torch="CELU({alpha!r})",
)
def celu(x: ArrayLike, alpha: float = 1.0) -> Array:
    r"""Return the exponential linear unit whose slope is continuous: Barron (2017), arXiv:1704.07483.

    .. math:: f(x) = x \text{ if } x > 0 \text{, else } \alpha (e^{x / \alpha} - 1)

    Parameters
    ----------
    x : array_like
        Any shape.
    alpha : float, default 1.0
        What the function tends to at minus infinity, with the sign changed; above 0.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.celu([-100.0, 2.0], alpha=0.5)
    array([-0.5,  2. ])
    """
    return activate("celu", x, ACTIVATIONS["celu"].checked(alpha))


def celu_backward(grad_output: ArrayLike, output: ArrayLike, alpha: float = 1.0) -> Array:
    r"""Return the gradient with respect to the input of `celu` with output y.

    :math:`g` where y is positive, else :math:`g (y / \alpha + 1)`.
    """
    return activate_backward("celu", grad_output, output, ACTIVATIONS["celu"].checked(alpha))


def prelu(x: ArrayLike, alpha: ArrayLike) -> Array:
    r"""Return the rectifier with a slope of its own for every column: He et al. (2015), arXiv:1502.01852.

    .. math:: f(x)_i = x_i \text{ if } x_i > 0 \text{, else } \alpha_i x_i

    Parameters
    ----------
    x : array_like, shape (..., columns)
        Any number of rows.
    alpha : array_like, shape (columns,)
        The slopes, which the layer `PReLU` learns.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.prelu([[-1.0, -1.0], [1.0, 1.0]], [0.25, 0.5])
    array([[-0.25, -0.5 ],
           [ 1.  ,  1.  ]])
    """
    x, alpha = _with_slopes(x, alpha)
    return np.where(x > 0, x, alpha * x)


def prelu_backward(grad_output: ArrayLike, x: ArrayLike, alpha: ArrayLike) -> tuple[Array, Array]:
    r"""Return the gradients of `prelu` by x, :math:`g` or :math:`\alpha g`, and by alpha, the sum of :math:`g x` over rows."""
    x, alpha = _with_slopes(x, alpha)
    (grad_output,) = floats(grad_output=grad_output)
    if grad_output.shape != x.shape:
        raise ValueError(f"grad_output must have the shape of x, {x.shape}; got shape {grad_output.shape}")
    by_alpha = (grad_output * np.minimum(x, 0)).reshape(-1, alpha.size).sum(axis=0)
    return np.where(x > 0, grad_output, alpha * grad_output), by_alpha


def _with_slopes(x: ArrayLike, alpha: ArrayLike) -> list[Array]:
    """Return x and the slope of every column, checked."""
    x, alpha = floats(x=x, alpha=alpha)
    if x.ndim == 0 or alpha.shape != x.shape[-1:]:
        raise ValueError(f"alpha must have one value for every column of x, {x.shape}; got shape {alpha.shape}")
    return [x, alpha]

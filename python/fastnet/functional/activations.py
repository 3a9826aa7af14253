"""Activations of NumPy arrays, each beside its gradient.

A gradient takes that of the loss by the activation's output, and the output or, where the output does not tell the slope,
the input; the argument's name says which.

NaN gives NaN. So does its gradient, but for functions of straight pieces, whose slope at NaN is that far below zero, as in Keras: 0 for
`relu` and `hard_sigmoid`, `negative_slope` for `leaky_relu`, its slope for `prelu`, 1 for `linear`.
"""

import numpy as np
from numpy.typing import ArrayLike

from fastnet._core import activation as _core_activation
from fastnet._core import activation_backward as _core_activation_backward
from fastnet.functional._floats import FLOAT_DTYPES, Array, floats
from fastnet.support.validation import check_bool, check_number


def _activate(name: str, x: ArrayLike, alpha: float = 0.0) -> Array:
    """Return an activation of the core, of every value."""
    if not (type(x) is np.ndarray and x.dtype in FLOAT_DTYPES):
        (x,) = floats(x=x)
    return _core_activation(name, x, alpha)


def _activate_backward(
    name: str, grad_output: ArrayLike, kept: ArrayLike, alpha: float = 0.0, *, of: str = "output"
) -> Array:
    """Return the gradient by the input; `of` says whether `kept` is the output or the input."""
    grad_output, kept = floats(**{"grad_output": grad_output, of: kept})
    if grad_output.shape != kept.shape:
        raise ValueError(f"grad_output must have the shape of {of}, {kept.shape}; got shape {grad_output.shape}")
    return _core_activation_backward(name, grad_output, kept, alpha)


def linear(x: ArrayLike) -> Array:
    r"""Return a copy of `x`: the activation of a layer without one.

    .. math:: f(x) = x

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.linear([-1.0, 2.0])
    array([-1.,  2.])
    """
    return _activate("linear", x)


def linear_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `linear`: :math:`g`."""
    return _activate_backward("linear", grad_output, output)


def relu(x: ArrayLike) -> Array:
    r"""Return the rectifier of every value: Nair and Hinton (2010).

    .. math:: f(x) = \max(x, 0)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.relu([-1.0, 2.0])
    array([0., 2.])
    """
    return _activate("relu", x)


def relu_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `relu`: :math:`g` where the output is positive, else 0."""
    return _activate_backward("relu", grad_output, output)


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
    return _activate("leaky_relu", x, check_number("negative_slope", negative_slope))


def leaky_relu_backward(grad_output: ArrayLike, output: ArrayLike, negative_slope: float = 0.01) -> Array:
    r"""Return the gradient by the input of `leaky_relu`: :math:`g` where the output is positive, else :math:`a g`.

    The sign of the input is read from the output, so the slope must be at least 0.
    """
    return _activate_backward(
        "leaky_relu", grad_output, output, check_number("negative_slope", negative_slope, minimum=0.0)
    )


def sigmoid(x: ArrayLike) -> Array:
    r"""Return the logistic function of every value; it overflows nowhere.

    .. math:: f(x) = \frac{1}{1 + e^{-x}}

    Examples
    --------
    A neuron with weights 0 and 1 and bias 4 at the input (2, 3):

    >>> import fastnet as fn
    >>> print(f"{fn.sigmoid(0 * 2 + 1 * 3 + 4):.6f}")
    0.999089
    """
    return _activate("sigmoid", x)


def sigmoid_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `sigmoid` with output y: :math:`g y (1 - y)`."""
    return _activate_backward("sigmoid", grad_output, output)


def tanh(x: ArrayLike) -> Array:
    r"""Return the hyperbolic tangent of every value.

    .. math:: f(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}}

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.tanh([0.0, 100.0])
    array([0., 1.])
    """
    return _activate("tanh", x)


def tanh_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `tanh` with output y: :math:`g (1 - y^2)`."""
    return _activate_backward("tanh", grad_output, output)


def softmax(x: ArrayLike) -> Array:
    r"""Return probabilities over the last axis, which sum to 1; they overflow nowhere: Bridle (1990).

    .. math:: f(x)_i = \frac{e^{x_i}}{\sum_j e^{x_j}}

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.softmax([[1e4, 1e4], [0.0, -1e4]])
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    return _activate("softmax", x)


def softmax_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `softmax` with output p: :math:`p_i (g_i - \sum_j g_j p_j)`.

    This is g times the Jacobian :math:`\partial p_i / \partial x_j = p_i (\delta_{ij} - p_j)`, for any loss after it.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.softmax_backward([1.0, 0.0], fn.softmax([0.0, 0.0]))
    array([ 0.25, -0.25])
    """
    return _activate_backward("softmax", grad_output, output)


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
    return _activate("elu", x, check_number("alpha", alpha, minimum=0.0))


def elu_backward(grad_output: ArrayLike, output: ArrayLike, alpha: float = 1.0) -> Array:
    r"""Return the gradient by the input of `elu` with output y: :math:`g` where y is positive, else :math:`g (y + \alpha)`."""
    return _activate_backward("elu", grad_output, output, check_number("alpha", alpha, minimum=0.0))


def selu(x: ArrayLike) -> Array:
    r"""Return the scaled exponential linear unit: Klambauer et al. (2017), arXiv:1706.02515.

    .. math:: f(x) = \lambda \, \mathrm{elu}(x, \alpha), \quad \lambda = 1.0507009873, \; \alpha = 1.6732632424

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.selu(1.0):.4f}")
    1.0507
    """
    return _activate("selu", x)


def selu_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `selu` with output y: :math:`\lambda g` or :math:`g (y + \lambda \alpha)`."""
    return _activate_backward("selu", grad_output, output)


def exponential(x: ArrayLike) -> Array:
    r"""Return the exponential of every value.

    .. math:: f(x) = e^x

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.exponential([0.0])
    array([1.])
    """
    return _activate("exponential", x)


def exponential_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `exponential` with output y: :math:`g y`."""
    return _activate_backward("exponential", grad_output, output)


def softplus(x: ArrayLike) -> Array:
    r"""Return the smooth rectifier of every value; it overflows nowhere: Dugas et al. (2000).

    .. math:: f(x) = \log(1 + e^x)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.softplus([1000.0])
    array([1000.])
    """
    return _activate("softplus", x)


def softplus_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient by the input x of `softplus`: :math:`g / (1 + e^{-x})`."""
    return _activate_backward("softplus", grad_output, x, of="x")


def softsign(x: ArrayLike) -> Array:
    r"""Return a sigmoid that tends to its limits slowly: Bergstra et al. (2009).

    .. math:: f(x) = \frac{x}{1 + |x|}

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.softsign([-1.0, 3.0])
    array([-0.5 ,  0.75])
    """
    return _activate("softsign", x)


def softsign_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient by the input x of `softsign`: :math:`g / (1 + |x|)^2`."""
    return _activate_backward("softsign", grad_output, x, of="x")


def hard_sigmoid(x: ArrayLike) -> Array:
    r"""Return the piecewise linear sigmoid of Keras 3: Courbariaux, Bengio and David (2015), with another slope.

    .. math:: f(x) = \min(\max(x / 6 + 1 / 2, 0), 1)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.hard_sigmoid([-3.0, 0.0, 3.0])
    array([0. , 0.5, 1. ])
    """
    return _activate("hard_sigmoid", x)


def hard_sigmoid_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `hard_sigmoid`: :math:`g / 6` where the output is between 0 and 1, else 0."""
    return _activate_backward("hard_sigmoid", grad_output, output)


def silu(x: ArrayLike) -> Array:
    r"""Return every value times its sigmoid, also known as swish: Elfwing, Uchibe and Doya (2018), arXiv:1702.03118.

    .. math:: f(x) = \frac{x}{1 + e^{-x}}

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.silu(1.0):.4f}")
    0.7311
    """
    return _activate("silu", x)


def silu_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient by the input x of `silu`, s being its sigmoid: :math:`g s (1 + x (1 - s))`."""
    return _activate_backward("silu", grad_output, x, of="x")


def gelu(x: ArrayLike, approximate: bool = False) -> Array:
    r"""Return every value times the normal distribution at it: Hendrycks and Gimpel (2016), arXiv:1606.08415.

    .. math:: f(x) = \frac{x}{2} \left(1 + \mathrm{erf}(x / \sqrt 2)\right)

    Parameters
    ----------
    x : array_like
        Any shape.
    approximate : bool, default False
        Compute the paper's approximation :math:`x / 2 \, (1 + \tanh(\sqrt{2 / \pi} (x + 0.044715 x^3)))`, which is at
        most 0.0005 off and takes about half the time. In layers its name is "gelu_tanh".

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.gelu(1.0):.5f} {fn.gelu(1.0, approximate=True):.5f}")
    0.84134 0.84119
    """
    return _activate("gelu_tanh" if check_bool("approximate", approximate) else "gelu", x)


def gelu_backward(grad_output: ArrayLike, x: ArrayLike, approximate: bool = False) -> Array:
    r"""Return the gradient by the input x of `gelu`: :math:`g (\Phi(x) + x \varphi(x))`, the normal distribution and density."""
    name = "gelu_tanh" if check_bool("approximate", approximate) else "gelu"
    return _activate_backward(name, grad_output, x, of="x")


def mish(x: ArrayLike) -> Array:
    r"""Return every value times the hyperbolic tangent of its softplus: Misra (2019), arXiv:1908.08681.

    .. math:: f(x) = x \tanh(\log(1 + e^x))

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.mish(1.0):.4f}")
    0.8651
    """
    return _activate("mish", x)


def mish_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient by the input x of `mish`, t being the tangent, s the sigmoid: :math:`g (t + x s (1 - t^2))`."""
    return _activate_backward("mish", grad_output, x, of="x")


def log_softmax(x: ArrayLike) -> Array:
    r"""Return the logarithm of `softmax` over the last axis, which does not underflow.

    .. math:: f(x)_i = x_i - \log \sum_j e^{x_j}

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.log_softmax([0.0, -1e4])
    array([     0., -10000.])
    """
    return _activate("log_softmax", x)


def log_softmax_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient by the input of `log_softmax` with output y: :math:`g_i - e^{y_i} \sum_j g_j`."""
    return _activate_backward("log_softmax", grad_output, output)


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

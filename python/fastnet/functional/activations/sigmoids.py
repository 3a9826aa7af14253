"""Activations that tend to a limit on either side."""

from numpy.typing import ArrayLike

from fastnet.functional._floats import Array
from fastnet.functional.activations.table import C, Facts, Onnx, activate, activate_backward

__all__ = [
    "hard_sigmoid",
    "hard_sigmoid_backward",
    "hard_tanh",
    "hard_tanh_backward",
    "sigmoid",
    "sigmoid_backward",
    "softsign",
    "softsign_backward",
    "sparse_sigmoid",
    "sparse_sigmoid_backward",
    "tanh",
    "tanh_backward",
]


@Facts(
    range=(0.0, 1.0),
    c=C("1 / (1 + exp(-v))", "NAME_sigmoid_of(v)"),
    onnx=(Onnx("Sigmoid(x)"),),
    torch="Sigmoid()",
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
    return activate("sigmoid", x)


def sigmoid_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `sigmoid` with output y: :math:`g y (1 - y)`."""
    return activate_backward("sigmoid", grad_output, output)


@Facts(
    range=(0.0, 1.0),
    c=C(
        "v / 6 + 1 / 2, no less than 0 and no more than 1",
        "v <= -3 ? 0 : v >= 3 ? 1 : (v + 3) * 0.166666666666666666667~",
    ),
    onnx=(
        Onnx("HardSigmoid(x, alpha=0.16666666666666666, beta=0.5)", float64=False),
        Onnx("Clip(Add(Mul(x, 0.16666666666666666), 0.5), 0, 1)"),
    ),
    torch="Hardsigmoid()",
)
def hard_sigmoid(x: ArrayLike) -> Array:
    r"""Return the piecewise linear sigmoid of Keras 3: Courbariaux, Bengio and David (2015), with another slope.

    .. math:: f(x) = \min(\max(x / 6 + 1 / 2, 0), 1)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.hard_sigmoid([-3.0, 0.0, 3.0])
    array([0. , 0.5, 1. ])
    """
    return activate("hard_sigmoid", x)


def hard_sigmoid_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `hard_sigmoid`.

    :math:`g / 6` where the output is between 0 and 1, else 0.
    """
    return activate_backward("hard_sigmoid", grad_output, output)


@Facts(
    range=(-1.0, 1.0),
    c=C("tanh(v)", "tanh~(v)"),
    onnx=(Onnx("Tanh(x)"),),
    torch="Tanh()",
)
def tanh(x: ArrayLike) -> Array:
    r"""Return the hyperbolic tangent of every value.

    .. math:: f(x) = \frac{e^x - e^{-x}}{e^x + e^{-x}}

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.tanh([0.0, 100.0])
    array([0., 1.])
    """
    return activate("tanh", x)


def tanh_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `tanh` with output y: :math:`g (1 - y^2)`."""
    return activate_backward("tanh", grad_output, output)


@Facts(
    range=(-1.0, 1.0),
    c=C(
        "v / (1 + |v|), which rounds to 1 or -1 where |v| is large",
        "fabs~(v) > 1e20~ ? copysign~(1, v) : v / (1 + fabs~(v))",
    ),
    onnx=(Onnx("Softsign(x)", float64=False), Onnx("Div(x, Add(Abs(x), 1))")),
    torch="Softsign()",
)
def softsign(x: ArrayLike) -> Array:
    r"""Return a sigmoid that tends to its limits slowly: Bergstra et al. (2009).

    .. math:: f(x) = \frac{x}{1 + |x|}

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.softsign([-1.0, 3.0])
    array([-0.5 ,  0.75])
    """
    return activate("softsign", x)


def softsign_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input x of `softsign`: :math:`g / (1 + |x|)^2`."""
    return activate_backward("softsign", grad_output, x, of="x")


@Facts(
    range=(-1.0, 1.0),
    c=C("v between -1 and 1", "v < -1 ? -1 : v > 1 ? 1 : v"),
    onnx=(Onnx("Clip(x, -1, 1)"),),
    torch="Hardtanh()",
)
def hard_tanh(x: ArrayLike) -> Array:
    r"""Return every value, but no less than -1 and no more than 1: Collobert (2004).

    .. math:: f(x) = \min(\max(x, -1), 1)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.hard_tanh([-3.0, 0.5, 3.0])
    array([-1. ,  0.5,  1. ])
    """
    return activate("hard_tanh", x)


def hard_tanh_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `hard_tanh`: :math:`g` where the output is between -1 and 1, else 0."""
    return activate_backward("hard_tanh", grad_output, output)


@Facts(
    range=(0.0, 1.0),
    c=C("(v + 1) / 2, no less than 0 and no more than 1", "v <= -1 ? 0 : v >= 1 ? 1 : (v + 1) * 0.5~"),
    onnx=(
        Onnx("HardSigmoid(x, alpha=0.5, beta=0.5)", float64=False),
        Onnx("Clip(Add(Mul(x, 0.5), 0.5), 0, 1)"),
    ),
)
def sparse_sigmoid(x: ArrayLike) -> Array:
    r"""Return the slope of `sparse_plus`: Blondel, Martins and Niculae (2019), arXiv:1901.02324.

    .. math:: f(x) = \min(\max((x + 1) / 2, 0), 1)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.sparse_sigmoid([-1.0, 0.0, 1.0])
    array([0. , 0.5, 1. ])
    """
    return activate("sparse_sigmoid", x)


def sparse_sigmoid_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `sparse_sigmoid`.

    :math:`g / 2` where the output is between 0 and 1, else 0.
    """
    return activate_backward("sparse_sigmoid", grad_output, output)

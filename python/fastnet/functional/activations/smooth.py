"""Smooth relatives of the rectifier, and the exponential."""

from math import inf

from numpy.typing import ArrayLike

from fastnet.functional._floats import Array
from fastnet.functional.activations.table import ACTIVATIONS, C, Facts, Onnx, activate, activate_backward
from fastnet.support.validation import check_bool

__all__ = [
    "exponential",
    "exponential_backward",
    "gelu",
    "gelu_backward",
    "hard_silu",
    "hard_silu_backward",
    "log_sigmoid",
    "log_sigmoid_backward",
    "mish",
    "mish_backward",
    "silu",
    "silu_backward",
    "softplus",
    "softplus_backward",
    "sparse_plus",
    "sparse_plus_backward",
    "squareplus",
    "squareplus_backward",
]


@Facts(
    "gelu_tanh",
    arguments={"approximate": True},
    c=C(
        "v / 2 (1 + tanh(u)) = v sigmoid(2 u) with u = sqrt(2 / pi) (v + 0.044715 v^3)",
        "NAME_times_share(v, NAME_sigmoid_of(1.59576912160573071176~ * v * (1 + 0.044715~ * v * v)))",
    ),
    onnx=(
        Onnx("Gelu(x, approximate='tanh')", opset=20, float64=False),
        Onnx("Mul(Mul(x, 0.5), Add(Tanh(Mul(Add(x, Mul(Mul(Mul(x, x), x), 0.044715)), 0.7978845608028654)), 1))"),
    ),
    torch="GELU(approximate='tanh')",
)
@Facts(
    c=C("v times the normal distribution at v", "NAME_times_share(v, 0.5~ * erfc~(-0.707106781186547524401~ * v))"),
    onnx=(
        Onnx("Gelu(x, approximate='none')", opset=20, float64=False),
        Onnx("Mul(Mul(x, 0.5), Add(Erf(Mul(x, 0.7071067811865476)), 1))"),
    ),
    torch="GELU()",
)
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
    return activate("gelu_tanh" if check_bool("approximate", approximate) else "gelu", x)


def gelu_backward(grad_output: ArrayLike, x: ArrayLike, approximate: bool = False) -> Array:
    r"""Return the gradient with respect to the input x of `gelu`.

    :math:`g (\Phi(x) + x \varphi(x))`, the normal distribution and density.
    """
    name = "gelu_tanh" if check_bool("approximate", approximate) else "gelu"
    return activate_backward(name, grad_output, x, of="x")


# Older onnxruntimes make an operator of Mul and Sigmoid that they lack in float64.
@Facts(
    alias="swish",
    c=C("v / (1 + exp(-v))", "NAME_times_share(v, NAME_sigmoid_of(v))"),
    onnx=(
        Onnx("Mul(x, Sigmoid(x))", float64=False),
        Onnx("Div(x, Add(Exp(Neg(x)), 1))"),
    ),
    torch="SiLU()",
)
def silu(x: ArrayLike) -> Array:
    r"""Return every value times its sigmoid, also known as swish: Elfwing, Uchibe and Doya (2018), arXiv:1702.03118.

    .. math:: f(x) = \frac{x}{1 + e^{-x}}

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.silu(1.0):.4f}")
    0.7311
    """
    return activate("silu", x)


def silu_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input x of `silu`, s being its sigmoid: :math:`g s (1 + x (1 - s))`."""
    return activate_backward("silu", grad_output, x, of="x")


@Facts(
    c=C("v tanh(log(1 + exp(v)))", "NAME_times_share(v, NAME_mish_share(v))"),
    onnx=(
        Onnx("Mish(x)", opset=18, float64=False),
        Onnx("Mul(x, Tanh(softplus(x)))"),
    ),
    torch="Mish()",
)
def mish(x: ArrayLike) -> Array:
    r"""Return every value times the hyperbolic tangent of its softplus: Misra (2019), arXiv:1908.08681.

    .. math:: f(x) = x \tanh(\log(1 + e^x))

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.mish(1.0):.4f}")
    0.8651
    """
    return activate("mish", x)


def mish_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input x of `mish`, t being the tangent, s the sigmoid.

    :math:`g (t + x s (1 - t^2))`.
    """
    return activate_backward("mish", grad_output, x, of="x")


@Facts(
    range=(0.0, inf),
    c=C(
        "log(1 + exp(v)): the exponent is never positive, so nothing overflows",
        "(v > 0 ? v : 0) + log1p~(exp~(-fabs~(v)))",
    ),
    onnx=(
        Onnx("Softplus(x)", float64=False),
        Onnx("Add(Relu(x), Log(Add(Exp(Neg(Abs(x))), 1)))"),
    ),
    torch="Softplus()",
)
def softplus(x: ArrayLike) -> Array:
    r"""Return the smooth rectifier of every value; it overflows nowhere: Dugas et al. (2000).

    .. math:: f(x) = \log(1 + e^x)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.softplus([1000.0])
    array([1000.])
    """
    return activate("softplus", x)


def softplus_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input x of `softplus`: :math:`g / (1 + e^{-x})`."""
    return activate_backward("softplus", grad_output, x, of="x")


@Facts(
    range=(0.0, inf),
    c=C("exp(v)", "exp~(v)"),
    onnx=(Onnx("Exp(x)"),),
)
def exponential(x: ArrayLike) -> Array:
    r"""Return the exponential of every value.

    .. math:: f(x) = e^x

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.exponential([0.0])
    array([1.])
    """
    return activate("exponential", x)


def exponential_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `exponential` with output y: :math:`g y`."""
    return activate_backward("exponential", grad_output, output)


@Facts(
    alias="hard_swish",
    c=C(
        "v times (v + 3) / 6, which is kept between 0 and 1",
        "v <= -3 ? 0 : v >= 3 ? v : v * (v + 3) * 0.166666666666666666667~",
    ),
    onnx=(
        Onnx("HardSwish(x)", opset=14, float64=False),
        Onnx("Mul(x, Clip(Add(Mul(x, 0.16666666666666666), 0.5), 0, 1))"),
    ),
    torch="Hardswish()",
)
def hard_silu(x: ArrayLike) -> Array:
    r"""Return every value times its `hard_sigmoid`, which Keras also calls hard_swish: Howard et al. (2019), arXiv:1905.02244.

    .. math:: f(x) = x \min(\max(x / 6 + 1 / 2, 0), 1)

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.hard_silu([-3.0, 0.0, 3.0])
    array([0., 0., 3.])
    """
    return activate("hard_silu", x)


def hard_silu_backward(grad_output: ArrayLike, x: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input x of `hard_silu`: :math:`g` times 0, :math:`x / 3 + 1 / 2` or 1."""
    return activate_backward("hard_silu", grad_output, x, of="x")


@Facts(
    range=(-inf, 0.0),
    c=C(
        "-log(1 + exp(-v)): the exponent is never positive, so nothing overflows",
        "(v < 0 ? v : 0) - log1p~(exp~(-fabs~(v)))",
    ),
    onnx=(Onnx("Neg(softplus(Neg(x)))"),),
    torch="LogSigmoid()",
)
def log_sigmoid(x: ArrayLike) -> Array:
    r"""Return the logarithm of the `sigmoid` of every value; it overflows nowhere.

    .. math:: f(x) = -\log(1 + e^{-x})

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.log_sigmoid([-1000.0])
    array([-1000.])
    """
    return activate("log_sigmoid", x)


def log_sigmoid_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `log_sigmoid` with output y: :math:`g (1 - e^y)`."""
    return activate_backward("log_sigmoid", grad_output, output)


@Facts(
    range=(0.0, inf),
    c=C("(v + 1)^2 / 4 between 0 and v", "v <= -1 ? 0 : v >= 1 ? v : (v + 1) * (v + 1) * 0.25~"),
    onnx=(Onnx("Where(Greater(x, 1), x, Mul(Mul(Add(Clip(x, -1, 1), 1), 0.25), Add(Clip(x, -1, 1), 1)))"),),
)
def sparse_plus(x: ArrayLike) -> Array:
    r"""Return a smooth rectifier of three pieces: Blondel, Martins and Niculae (2019), arXiv:1901.02324.

    .. math:: f(x) = 0 \text{ up to } -1, \quad (x + 1)^2 / 4 \text{ between, } \quad x \text{ from } 1 \text{ on}

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.sparse_plus([-1.0, 0.0, 3.0])
    array([0.  , 0.25, 3.  ])
    """
    return activate("sparse_plus", x)


def sparse_plus_backward(grad_output: ArrayLike, output: ArrayLike) -> Array:
    r"""Return the gradient with respect to the input of `sparse_plus` with output y: :math:`g \min(\sqrt y, 1)`."""
    return activate_backward("sparse_plus", grad_output, output)


@Facts(
    range=(0.0, inf),
    parameter=("b", 4.0),
    positive=True,
    c=C(
        "(v + sqrt(v^2 + alpha)) / 2, without the digits that the sum would lose below zero",
        "v < 0 ? 0.5~ * alpha / (hypot~(v, sqrt~(alpha)) - v) : 0.5~ * (v + hypot~(v, sqrt~(alpha)))",
    ),
    onnx=(Onnx("Mul(Add(x, Sqrt(Add(Mul(x, x), alpha))), 0.5)"),),
)
def squareplus(x: ArrayLike, b: float = 4.0) -> Array:
    r"""Return the smooth rectifier of a square root: Barron (2021), arXiv:2112.11687.

    .. math:: f(x) = \frac{x + \sqrt{x^2 + b}}{2}

    Parameters
    ----------
    x : array_like
        Any shape.
    b : float, default 4.0
        How far the bend reaches; above 0.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.squareplus([0.0, 1.5])
    array([1., 2.])
    """
    return activate("squareplus", x, ACTIVATIONS["squareplus"].checked(b))


def squareplus_backward(grad_output: ArrayLike, output: ArrayLike, b: float = 4.0) -> Array:
    r"""Return the gradient with respect to the input of `squareplus` with output y: :math:`g y^2 / (y^2 + b / 4)`."""
    return activate_backward("squareplus", grad_output, output, ACTIVATIONS["squareplus"].checked(b))

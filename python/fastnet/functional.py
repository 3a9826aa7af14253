"""Matrix products, activations, losses and their gradients on NumPy arrays.

Arrays may have any shape and strides. float32 stays float32 and float64 stays float64; where they meet, and for
integers and booleans, the result is float64. Results are new arrays.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet import _core
from fastnet._core import gemm as _core_gemm
from fastnet._validation import check_bool, check_choice, check_number

__all__ = [
    "binary_crossentropy",
    "binary_crossentropy_backward",
    "categorical_crossentropy",
    "categorical_crossentropy_backward",
    "gemm",
    "leaky_relu",
    "leaky_relu_backward",
    "linear",
    "linear_backward",
    "mse",
    "mse_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "sparse_categorical_crossentropy",
    "sparse_categorical_crossentropy_backward",
    "tanh",
    "tanh_backward",
]

Array = NDArray[Any]

_FLOAT_DTYPES = (np.dtype(np.float32), np.dtype(np.float64))


# --- Matrix product --------------------------------------------------------------------------------------------------


def gemm(
    a: ArrayLike,
    b: ArrayLike,
    *,
    transpose_a: bool = False,
    transpose_b: bool = False,
    alpha: float = 1.0,
    beta: float = 0.0,
    out: Array | None = None,
    compute_dtype: str | None = None,
) -> Array:
    """Return ``alpha * op(a) @ op(b) + beta * out``, the general matrix product of BLAS.

    Parameters
    ----------
    a : array_like, shape (m, k), or (k, m) with `transpose_a`
        The left factor.
    b : array_like, shape (k, n), or (n, k) with `transpose_b`
        The right factor.
    transpose_a, transpose_b : bool, default False
        Whether op transposes the factor.
    alpha : float, default 1.0
        The factor of the product.
    beta : float, default 0.0
        The factor of what `out` holds before. With 0 it is not read, so NaN in it does no harm.
    out : ndarray of shape (m, n), optional
        Where the result goes. It may overlap `a` and `b`.
    compute_dtype : {None, "bfloat16"}, default None
        With "bfloat16" the factors, which must be float32, are rounded to bfloat16 (8 significant bits, the range of
        float32; ties to even, subnormal numbers to zero) before they are multiplied; products, sums and the result are
        float32. Where `show_config` says that bfloat16 is native, this takes about half the time.

    Returns
    -------
    ndarray of shape (m, n)
        `out` if it is given, else a new array.

    Raises
    ------
    ValueError
        An argument is not two-dimensional, the shapes do not fit, `out` is read-only or has another dtype than the
        product, or it is missing while `beta` is not 0.
    TypeError
        A factor does not hold real numbers or, with `compute_dtype`, is not float32; `out` is not an array; or another
        argument has the wrong type.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> fn.gemm([[1.0, 2.0]], [[3.0, 4.0]], transpose_b=True)
    array([[11.]])
    """
    # The core takes arrays of one dtype of its own as they are: the shortest way for small ones.
    if not (type(a) is type(b) is np.ndarray and a.dtype is b.dtype and a.dtype in _FLOAT_DTYPES):
        a, b = _floats(a=a, b=b)
    bfloat16 = compute_dtype is not None and check_choice("compute_dtype", compute_dtype, ["bfloat16"]) == "bfloat16"
    if bfloat16 and a.dtype != np.float32:
        raise TypeError(f"a and b must be float32 for compute_dtype='bfloat16'; got {a.dtype}")
    if out is not None:
        if not isinstance(out, np.ndarray):
            raise TypeError(f"out must be an ndarray; got {type(out).__name__}")
    elif beta != 0.0:
        raise ValueError(f"out must be given when beta is not 0; got out=None and beta={beta}")
    try:
        return _core_gemm(a, b, transpose_a, transpose_b, alpha, beta, out, bfloat16)
    except TypeError:  # found out afterwards, so that a good call pays nothing for it
        check_bool("transpose_a", transpose_a)
        check_bool("transpose_b", transpose_b)
        check_number("alpha", alpha)
        check_number("beta", beta)
        raise


def _floats(**arrays: ArrayLike) -> list[Array]:
    """Return the arguments as arrays of one floating-point dtype that the core computes with."""
    converted = [np.asarray(array) for array in arrays.values()]
    for name, array in zip(arrays, converted, strict=True):
        if array.dtype.kind not in "fiub":
            raise TypeError(f"{name} must hold real numbers; got dtype {array.dtype}")
    common = np.result_type(*converted)
    dtype = np.float32 if common in (np.float16, np.float32) else np.float64
    return [array.astype(dtype, copy=False) for array in converted]


# --- Activations -----------------------------------------------------------------------------------------------------


def _activate(name: str, x: ArrayLike, alpha: float = 0.0) -> Array:
    if not (type(x) is np.ndarray and x.dtype in _FLOAT_DTYPES):
        (x,) = _floats(x=x)
    return _core.activation(name, x, alpha)


def _activate_backward(name: str, grad_output: ArrayLike, output: ArrayLike, alpha: float = 0.0) -> Array:
    grad_output, output = _floats(grad_output=grad_output, output=output)
    if grad_output.shape != output.shape:
        raise ValueError(f"grad_output must have the shape of output, {output.shape}; got shape {grad_output.shape}")
    return _core.activation_backward(name, grad_output, output, alpha)


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


# --- Losses: the mean over samples, and its gradient by the prediction -----------------------------------------------


def mse(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean squared error.

    .. math:: L = \frac{1}{n} \sum_i (\hat y_i - y_i)^2

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.functional.mse([1, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    return _loss("mse", y_true, y_pred)


def mse_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `mse` by `y_pred`: :math:`2 (\hat y_i - y_i) / n`."""
    return _loss_backward("mse", y_true, y_pred)


def binary_crossentropy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean cross-entropy of probabilities of yes.

    .. math:: L = -\frac{1}{n} \sum_i y_i \log p_i + (1 - y_i) \log (1 - p_i)

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets between 0 and 1 and probabilities, of the same shape; n counts all values. Probabilities are kept
        1e-7 away from 0 and 1, as in Keras.

    Returns
    -------
    float

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.functional.binary_crossentropy([1, 0], [0.5, 0.5]):.4f}")
    0.6931
    """
    return _loss("binary_crossentropy", y_true, y_pred)


def binary_crossentropy_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `binary_crossentropy` by `y_pred`: :math:`((1-y_i)/(1-p_i) - y_i/p_i) / n`."""
    return _loss_backward("binary_crossentropy", y_true, y_pred)


def categorical_crossentropy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean cross-entropy of probabilities of classes.

    .. math:: L = -\frac{1}{n} \sum_i \sum_k y_{ik} \log p_{ik}

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., classes)
        One-hot rows and rows of probabilities, of the same shape; n counts the rows. Probabilities are kept 1e-7 away
        from 0 and 1, as in Keras.

    Returns
    -------
    float

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.functional.categorical_crossentropy([[0, 1]], [[0.5, 0.5]]):.4f}")
    0.6931
    """
    return _loss("categorical_crossentropy", y_true, y_pred)


def categorical_crossentropy_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `categorical_crossentropy` by `y_pred`: :math:`-y_{ik} / (n p_{ik})`."""
    return _loss_backward("categorical_crossentropy", y_true, y_pred)


def sparse_categorical_crossentropy(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return `categorical_crossentropy` for labels instead of one-hot rows.

    .. math:: L = -\frac{1}{n} \sum_i \log p_{i y_i}

    Parameters
    ----------
    y_true : array_like of int, shape (...,)
        Labels 0 to classes - 1.
    y_pred : array_like, shape (..., classes)
        Rows of probabilities.

    Returns
    -------
    float

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.functional.sparse_categorical_crossentropy([1], [[0.5, 0.5]]):.4f}")
    0.6931
    """
    return categorical_crossentropy(*_with_one_hot(y_true, y_pred))


def sparse_categorical_crossentropy_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `sparse_categorical_crossentropy` by `y_pred`: :math:`-1 / (n p_{i y_i})` at the labels."""
    return categorical_crossentropy_backward(*_with_one_hot(y_true, y_pred))


def _loss(name: str, y_true: ArrayLike, y_pred: ArrayLike) -> float:
    y_true, y_pred = _targets_and_predictions(y_true, y_pred)
    return _core.loss(name, _as_rows(name, y_true), _as_rows(name, y_pred))


def _loss_backward(name: str, y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    y_true, y_pred = _targets_and_predictions(y_true, y_pred)
    return _core.loss_backward(name, _as_rows(name, y_true), _as_rows(name, y_pred)).reshape(y_pred.shape)


def _targets_and_predictions(y_true: ArrayLike, y_pred: ArrayLike) -> list[Array]:
    y_true, y_pred = _floats(y_true=y_true, y_pred=y_pred)
    if y_true.shape != y_pred.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {y_pred.shape}; got shape {y_true.shape}")
    if not y_pred.size:
        raise ValueError(f"y_pred must hold at least one value; got shape {y_pred.shape}")
    return [y_true, y_pred]


def _as_rows(name: str, values: Array) -> Array:
    """Return samples by outputs: one vector is one row of class probabilities, but many samples of anything else."""
    by_row = values.ndim > 1 or (values.ndim == 1 and name == "categorical_crossentropy")
    return values.reshape(-1, values.shape[-1] if by_row else 1)


def _with_one_hot(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    labels = np.asarray(y_true)
    (probabilities,) = _floats(y_pred=y_pred)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"y_true must hold integer labels; got dtype {labels.dtype}")
    if labels.shape != probabilities.shape[:-1] or probabilities.ndim == 0:
        raise ValueError(
            f"y_true must have the shape of y_pred without its last axis, {probabilities.shape[:-1]}; "
            f"got shape {labels.shape}"
        )
    classes = probabilities.shape[-1]
    if labels.size and (labels.min() < 0 or labels.max() >= classes):
        wrong = labels[(labels < 0) | (labels >= classes)][0]
        raise ValueError(f"labels in y_true must be in 0..{classes - 1}; got {wrong}")
    return np.equal(labels[..., None], np.arange(classes)).astype(probabilities.dtype), probabilities

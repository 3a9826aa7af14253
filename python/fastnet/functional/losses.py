"""Losses of NumPy arrays: the mean over samples, and its gradient by the prediction.

A NaN among targets or predictions makes the loss NaN, and the gradient by its own prediction.
"""

import numpy as np
from numpy.typing import ArrayLike

from fastnet._core import loss as _core_loss
from fastnet._core import loss_backward as _core_loss_backward
from fastnet.functional._floats import Array, floats
from fastnet.support.validation import check_number, without_mask


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


def mae(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean absolute error.

    .. math:: L = \frac{1}{n} \sum_i |\hat y_i - y_i|

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return _loss("mae", y_true, y_pred)


def mae_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `mae` by `y_pred`: :math:`\mathrm{sign}(\hat y_i - y_i) / n`."""
    return _loss_backward("mae", y_true, y_pred)


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> float:
    r"""Return the mean of squares near zero and of absolute differences beyond: Huber (1964).

    .. math:: L = \frac{1}{n} \sum_i \begin{cases} e_i^2 / 2 & |e_i| \le \delta \\ \delta |e_i| - \delta^2 / 2 & \text{else} \end{cases}, \quad e = \hat y - y

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.
    delta : float, default 1.0
        Where the squares end.

    Returns
    -------
    float
    """
    return _loss("huber", y_true, y_pred, [0.0, check_number("delta", delta, minimum=0.0)])


def huber_backward(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> Array:
    r"""Return the gradient of `huber` by `y_pred`: :math:`e_i / n`, or :math:`\delta\, \mathrm{sign}(e_i) / n` beyond delta."""
    return _loss_backward("huber", y_true, y_pred, [0.0, check_number("delta", delta, minimum=0.0)])


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean of the logarithms of the hyperbolic cosines of the differences.

    .. math:: L = \frac{1}{n} \sum_i \log \cosh(\hat y_i - y_i)

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return _loss("log_cosh", y_true, y_pred)


def log_cosh_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `log_cosh` by `y_pred`: :math:`\tanh(\hat y_i - y_i) / n`."""
    return _loss_backward("log_cosh", y_true, y_pred)


def mape(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean absolute error in percent of the targets, whose magnitude is at least 1e-7.

    .. math:: L = \frac{100}{n} \sum_i \left| \frac{\hat y_i - y_i}{y_i} \right|

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return _loss("mape", y_true, y_pred)


def mape_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `mape` by `y_pred`: :math:`100\, \mathrm{sign}(\hat y_i - y_i) / (n |y_i|)`."""
    return _loss_backward("mape", y_true, y_pred)


def msle(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the mean squared difference of logarithms, of values that are at least 1e-7.

    .. math:: L = \frac{1}{n} \sum_i (\log(1 + \hat y_i) - \log(1 + y_i))^2

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return _loss("msle", y_true, y_pred)


def msle_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `msle` by `y_pred`: :math:`2 (\log(1 + \hat y_i) - \log(1 + y_i)) / (n (1 + \hat y_i))`."""
    return _loss_backward("msle", y_true, y_pred)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the loss of counts whose expected value is predicted.

    .. math:: L = \frac{1}{n} \sum_i \hat y_i - y_i \log(\hat y_i + 10^{-7})

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return _loss("poisson", y_true, y_pred)


def poisson_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `poisson` by `y_pred`: :math:`(1 - y_i / (\hat y_i + 10^{-7})) / n`."""
    return _loss_backward("poisson", y_true, y_pred)


def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the loss of a margin, for targets of -1 and 1, or 0 and 1.

    .. math:: L = \frac{1}{n} \sum_i \max(1 - y_i \hat y_i, 0)

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return _loss("hinge", y_true, y_pred)


def hinge_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `hinge` by `y_pred`: :math:`-y_i / n` within the margin, else 0."""
    return _loss_backward("hinge", y_true, y_pred)


def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the squared loss of a margin, for targets of -1 and 1, or 0 and 1.

    .. math:: L = \frac{1}{n} \sum_i \max(1 - y_i \hat y_i, 0)^2

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.

    Returns
    -------
    float
    """
    return _loss("squared_hinge", y_true, y_pred)


def squared_hinge_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `squared_hinge` by `y_pred`: :math:`-2 y_i \max(1 - y_i \hat y_i, 0) / n`."""
    return _loss_backward("squared_hinge", y_true, y_pred)


def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the margin between the right class and the best of the others: Crammer and Singer (2001).

    .. math:: L = \frac{1}{n} \sum_i \max(\max_k (1 - y_{ik}) \hat y_{ik} - \sum_k y_{ik} \hat y_{ik} + 1, 0)

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., outputs)
        Targets and predictions of the same shape; n counts the rows.

    Returns
    -------
    float
    """
    return _loss("categorical_hinge", y_true, y_pred)


def categorical_hinge_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `categorical_hinge` by `y_pred`: 1 at the best of the other classes and -1 at the right one, over n."""
    return _loss_backward("categorical_hinge", y_true, y_pred)


def quantile(y_true: ArrayLike, y_pred: ArrayLike, quantile: float = 0.5) -> float:
    r"""Return the pinball loss, whose minimum is a quantile of the targets: Koenker and Bassett (1978).

    .. math:: L = \frac{1}{n} \sum_i \max(q e_i, (q - 1) e_i), \quad e = y - \hat y

    Parameters
    ----------
    y_true, y_pred : array_like
        Targets and predictions of the same shape; n counts all values.
    quantile : float, default 0.5
        Which quantile, between 0 and 1.

    Returns
    -------
    float
    """
    return _loss("quantile", y_true, y_pred, [0.0, check_number("quantile", quantile, minimum=0.0, maximum=1.0)])


def quantile_backward(y_true: ArrayLike, y_pred: ArrayLike, quantile: float = 0.5) -> Array:
    r"""Return the gradient of `quantile` by `y_pred`: :math:`-q / n` where the target is larger, :math:`(1 - q) / n` where it is smaller."""
    return _loss_backward(
        "quantile", y_true, y_pred, [0.0, check_number("quantile", quantile, minimum=0.0, maximum=1.0)]
    )


def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the divergence of predicted from true probabilities, which are kept in [1e-7, 1]: Kullback and Leibler (1951).

    .. math:: L = \frac{1}{n} \sum_i \sum_k y_{ik} \log \frac{y_{ik}}{p_{ik}}

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., outputs)
        Targets and predictions of the same shape; n counts the rows.

    Returns
    -------
    float
    """
    return _loss("kl_divergence", y_true, y_pred)


def kl_divergence_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `kl_divergence` by `y_pred`: :math:`-y_{ik} / (n p_{ik})`."""
    return _loss_backward("kl_divergence", y_true, y_pred)


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike) -> float:
    r"""Return the negative cosine of the angle between targets and predictions.

    .. math:: L = -\frac{1}{n} \sum_i \frac{y_i \cdot \hat y_i}{|y_i| |\hat y_i|}

    Parameters
    ----------
    y_true, y_pred : array_like, shape (..., outputs)
        Targets and predictions of the same shape; n counts the rows.

    Returns
    -------
    float
    """
    return _loss("cosine_similarity", y_true, y_pred)


def cosine_similarity_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `cosine_similarity` by `y_pred`: the part of the target's direction across the prediction, over its length and n, negative."""
    return _loss_backward("cosine_similarity", y_true, y_pred)


# Losses of whole rows: one vector is one row, not many samples of one value.
_ROWWISE = frozenset(["categorical_crossentropy", "categorical_hinge", "kl_divergence", "cosine_similarity"])


def _loss(name: str, y_true: ArrayLike, y_pred: ArrayLike, parameters: list[float] | None = None) -> float:
    """Return the mean of a loss of the core over the rows."""
    rows = targets_and_predictions(y_true, y_pred, rowwise=name in _ROWWISE)
    return float(np.mean(_core_loss(name, *rows, _padded(parameters))))


def _loss_backward(name: str, y_true: ArrayLike, y_pred: ArrayLike, parameters: list[float] | None = None) -> Array:
    """Return the gradient of that mean, in the shape of the predictions."""
    rows = targets_and_predictions(y_true, y_pred, rowwise=name in _ROWWISE)
    return _core_loss_backward(name, *rows, _padded(parameters)).reshape(np.shape(y_pred))


def _padded(parameters: list[float] | None) -> list[float]:
    """Return the four numbers that a loss of the core takes."""
    return [*(parameters or []), 0.0, 0.0, 0.0, 0.0][:4]


def targets_and_predictions(
    y_true: ArrayLike, y_pred: ArrayLike, *, rowwise: bool, labels: bool = False
) -> tuple[Array, Array]:
    """Return targets and predictions as rows of one shape; with `labels` integers may stand for one-hot rows."""
    if labels and np.ndim(y_true) == np.ndim(y_pred) - 1 and np.shape(y_true) == np.shape(y_pred)[:-1]:
        y_true, y_pred = _with_one_hot(y_true, y_pred)
    true, pred = floats(y_true=y_true, y_pred=y_pred)
    if true.shape != pred.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {pred.shape}; got shape {true.shape}")
    if not pred.size:
        raise ValueError(f"y_pred must hold at least one value; got shape {pred.shape}")
    by_row = pred.ndim > 1 or (pred.ndim == 1 and rowwise)
    columns = pred.shape[-1] if by_row else 1
    return true.reshape(-1, columns), pred.reshape(-1, columns)


def _with_one_hot(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Array, Array]:
    """Return labels as one-hot rows, and the predictions."""
    labels = np.asarray(without_mask("y_true", y_true))
    (probabilities,) = floats(y_pred=y_pred)
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

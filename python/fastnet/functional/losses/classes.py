"""Losses of classes: cross-entropies of probabilities, and margins."""

from numpy.typing import ArrayLike

from fastnet.functional._floats import Array
from fastnet.functional.losses.rows import mean_loss, mean_loss_backward, with_one_hot

__all__ = [
    "binary_crossentropy",
    "binary_crossentropy_backward",
    "categorical_crossentropy",
    "categorical_crossentropy_backward",
    "categorical_hinge",
    "categorical_hinge_backward",
    "hinge",
    "hinge_backward",
    "kl_divergence",
    "kl_divergence_backward",
    "sparse_categorical_crossentropy",
    "sparse_categorical_crossentropy_backward",
    "squared_hinge",
    "squared_hinge_backward",
]


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
    return mean_loss("binary_crossentropy", y_true, y_pred)


def binary_crossentropy_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `binary_crossentropy` by `y_pred`: :math:`((1-y_i)/(1-p_i) - y_i/p_i) / n`."""
    return mean_loss_backward("binary_crossentropy", y_true, y_pred)


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
    return mean_loss("categorical_crossentropy", y_true, y_pred, by_row=True)


def categorical_crossentropy_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `categorical_crossentropy` by `y_pred`: :math:`-y_{ik} / (n p_{ik})`."""
    return mean_loss_backward("categorical_crossentropy", y_true, y_pred, by_row=True)


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
    return categorical_crossentropy(*with_one_hot(y_true, y_pred))


def sparse_categorical_crossentropy_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `sparse_categorical_crossentropy` by `y_pred`: :math:`-1 / (n p_{i y_i})` at the labels."""
    return categorical_crossentropy_backward(*with_one_hot(y_true, y_pred))


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
    return mean_loss("kl_divergence", y_true, y_pred, by_row=True)


def kl_divergence_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `kl_divergence` by `y_pred`: :math:`-y_{ik} / (n p_{ik})`."""
    return mean_loss_backward("kl_divergence", y_true, y_pred, by_row=True)


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
    return mean_loss("hinge", y_true, y_pred)


def hinge_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `hinge` by `y_pred`: :math:`-y_i / n` within the margin, else 0."""
    return mean_loss_backward("hinge", y_true, y_pred)


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
    return mean_loss("squared_hinge", y_true, y_pred)


def squared_hinge_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `squared_hinge` by `y_pred`: :math:`-2 y_i \max(1 - y_i \hat y_i, 0) / n`."""
    return mean_loss_backward("squared_hinge", y_true, y_pred)


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
    return mean_loss("categorical_hinge", y_true, y_pred, by_row=True)


def categorical_hinge_backward(y_true: ArrayLike, y_pred: ArrayLike) -> Array:
    r"""Return the gradient of `categorical_hinge` by `y_pred`: 1 at the best of the other classes and -1 at the right one, over n."""
    return mean_loss_backward("categorical_hinge", y_true, y_pred, by_row=True)

"""Losses of NumPy arrays: the mean over samples, and its gradient by the prediction."""

import numpy as np
from numpy.typing import ArrayLike

from fastnet import _core
from fastnet.functional._floats import Array, floats


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
    y_true, y_pred = floats(y_true=y_true, y_pred=y_pred)
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

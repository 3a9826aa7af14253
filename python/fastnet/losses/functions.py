"""The losses as functions, as in Keras: one value for each sample.

The classes compute them; arguments have the names and meanings that they have there. The values have the shape of the
predictions without their last axis, or without `axis`.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.losses.base import Loss
from fastnet.losses.classification import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    KLDivergence,
    SparseCategoricalCrossentropy,
)
from fastnet.losses.embeddings import Circle, embeddings_of, labels_of
from fastnet.losses.overlap import CategoricalGeneralizedCrossEntropy, Dice, Tversky
from fastnet.losses.regression import (
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SquaredHinge,
)

__all__ = [
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "categorical_hinge",
    "circle",
    "cosine_similarity",
    "dice",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "tversky",
]


def _each(loss: Loss, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the loss of every sample; vectors are one sample."""
    if np.ndim(y_pred) == 1 and np.shape(y_true) == np.shape(y_pred):
        y_true, y_pred = np.asarray(y_true)[None], np.asarray(y_pred)[None]
        return np.asarray(loss.sample_losses(y_true, y_pred)).reshape(())
    return loss.sample_losses(y_true, y_pred)


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the mean squared error: `MeanSquaredError`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.mean_squared_error([[0.0, 1.0]], [[0.5, 0.5]])
    array([0.25])
    """
    return _each(MeanSquaredError(), y_true, y_pred)


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the mean absolute error: `MeanAbsoluteError`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.mean_absolute_error([[0.0, 1.0]], [[0.5, 0.5]])
    array([0.5])
    """
    return _each(MeanAbsoluteError(), y_true, y_pred)


def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the mean absolute error in percent of the targets: `MeanAbsolutePercentageError`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.mean_absolute_percentage_error([[2.0, 1.0]], [[1.0, 1.0]])
    array([25.])
    """
    return _each(MeanAbsolutePercentageError(), y_true, y_pred)


def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the mean squared difference of logarithms: `MeanSquaredLogarithmicError`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.mean_squared_logarithmic_error([[1.0]], [[1.0]])
    array([0.])
    """
    return _each(MeanSquaredLogarithmicError(), y_true, y_pred)


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> NDArray[np.float64]:
    """Return the mean of squares near zero and of absolute differences beyond `delta`: `Huber`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.huber([[0.0, 0.0]], [[1.0, 3.0]])
    array([1.5])
    """
    return _each(Huber(delta=delta), y_true, y_pred)


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the mean of the logarithms of the hyperbolic cosines of the differences: `LogCosh`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.log_cosh([[0.0]], [[0.0]])
    array([0.])
    """
    return _each(LogCosh(), y_true, y_pred)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the loss of counts whose expected value is predicted: `Poisson`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.poisson([[0.0]], [[2.0]])
    array([2.])
    """
    return _each(Poisson(), y_true, y_pred)


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Return the negative cosine of the angle between targets and predictions: `CosineSimilarity`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.cosine_similarity([[0.0, 1.0]], [[1.0, 0.0]])
    array([-0.])
    """
    return _each(CosineSimilarity(axis=axis), y_true, y_pred)


def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the loss of a margin; targets are -1 and 1, or 0 and 1: `Hinge`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.hinge([[1.0, -1.0]], [[0.5, 0.5]])
    array([1.])
    """
    return _each(Hinge(), y_true, y_pred)


def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the squared loss of a margin; targets are -1 and 1, or 0 and 1: `SquaredHinge`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.squared_hinge([[1.0, -1.0]], [[0.5, 0.5]])
    array([1.25])
    """
    return _each(SquaredHinge(), y_true, y_pred)


def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the margin between the right class and the best of the others: `CategoricalHinge`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.categorical_hinge([[0.0, 1.0]], [[0.5, 0.5]])
    array([1.])
    """
    return _each(CategoricalHinge(), y_true, y_pred)


def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
    """Return the divergence of predicted from true probabilities: `KLDivergence`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.kl_divergence([[0.5, 0.5]], [[0.5, 0.5]])
    array([0.])
    """
    return _each(KLDivergence(), y_true, y_pred)


def binary_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> NDArray[np.float64]:
    """Return the cross-entropy of probabilities of yes: `BinaryCrossentropy`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.binary_crossentropy([[1.0, 0.0]], [[0.5, 0.5]]).round(4)
    array([0.6931])
    """
    return _each(
        BinaryCrossentropy(from_logits=from_logits, label_smoothing=label_smoothing, axis=axis), y_true, y_pred
    )


def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> NDArray[np.float64]:
    """Return the cross-entropy of probabilities of yes that gives less weight to what is classified well: `BinaryFocalCrossentropy`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.binary_focal_crossentropy([[1.0, 0.0]], [[0.5, 0.5]]).round(4)
    array([0.1733])
    """
    return _each(
        BinaryFocalCrossentropy(
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        ),
        y_true,
        y_pred,
    )


def categorical_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, label_smoothing: float = 0.0, axis: int = -1
) -> NDArray[np.float64]:
    """Return the cross-entropy of probabilities of classes: `CategoricalCrossentropy`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    array([0.6931])
    """
    return _each(
        CategoricalCrossentropy(from_logits=from_logits, label_smoothing=label_smoothing, axis=axis), y_true, y_pred
    )


def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> NDArray[np.float64]:
    """Return the cross-entropy of probabilities of classes that gives less weight to what is classified well: `CategoricalFocalCrossentropy`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).round(4)
    array([0.0433])
    """
    return _each(
        CategoricalFocalCrossentropy(
            alpha=alpha, gamma=gamma, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis
        ),
        y_true,
        y_pred,
    )


def sparse_categorical_crossentropy(
    y_true: ArrayLike, y_pred: ArrayLike, from_logits: bool = False, ignore_class: int | None = None, axis: int = -1
) -> NDArray[np.float64]:
    """Return the cross-entropy of probabilities of classes, for labels: `SparseCategoricalCrossentropy`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.sparse_categorical_crossentropy([1], [[0.5, 0.5]]).round(4)
    array([0.6931])
    """
    return _each(
        SparseCategoricalCrossentropy(from_logits=from_logits, ignore_class=ignore_class, axis=axis), y_true, y_pred
    )


def dice(y_true: ArrayLike, y_pred: ArrayLike, axis: int | Sequence[int] | None = None) -> NDArray[np.float64]:
    """Return the one less the Dice coefficient; a number unless `axis` is given: `Dice`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.dice([[1.0, 0.0]], [[1.0, 0.0]]).round(4)
    np.float64(0.0)
    """
    return _each(Dice(axis=axis), y_true, y_pred)


def tversky(
    y_true: ArrayLike, y_pred: ArrayLike, alpha: float = 0.5, beta: float = 0.5, axis: int | Sequence[int] | None = None
) -> NDArray[np.float64]:
    """Return the one less the Tversky index; a number unless `axis` is given: `Tversky`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.tversky([[1.0, 0.0]], [[1.0, 0.0]]).round(4)
    np.float64(0.0)
    """
    return _each(Tversky(alpha=alpha, beta=beta, axis=axis), y_true, y_pred)


def categorical_generalized_cross_entropy(y_true: ArrayLike, y_pred: ArrayLike, q: float = 0.5) -> NDArray[np.float64]:
    """Return the cross-entropy that trusts wrong labels less: `CategoricalGeneralizedCrossEntropy`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.categorical_generalized_cross_entropy([0], [[0.25, 0.75]])
    array([1.])
    """
    return _each(CategoricalGeneralizedCrossEntropy(q=q), y_true, y_pred)


def circle(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    ref_labels: ArrayLike | None = None,
    ref_embeddings: ArrayLike | None = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
) -> NDArray[np.float64]:
    """Return the circle loss of every embedding, compared with the others or with references: `Circle`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.circle([0, 1], [[1.0, 0.0], [0.0, 1.0]], [0, 1], [[0.6, 0.8], [0.8, 0.6]], False, gamma=1.0).round(4)
    array([0.9617, 0.9617])
    """
    loss = Circle(gamma=gamma, margin=margin, remove_diagonal=remove_diagonal)
    labels, embeddings = labels_of("y_true", y_true), embeddings_of("y_pred", y_pred)
    others = labels if ref_labels is None else labels_of("ref_labels", ref_labels)
    references = embeddings if ref_embeddings is None else embeddings_of("ref_embeddings", ref_embeddings)
    return loss.similarities(labels, embeddings, others, references).losses

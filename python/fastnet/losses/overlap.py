"""Losses that are computed in NumPy: overlaps of whole batches, and a cross-entropy for labels with errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.functional._floats import floats
from fastnet.losses.base import Loss, losses
from fastnet.losses.domains import DISTRIBUTIONS, PROBABILITIES
from fastnet.support.validation import check_axis, check_integer, check_number, describe

__all__ = ["CategoricalGeneralizedCrossEntropy", "Dice", "Tversky"]

_EPSILON = 1e-7  # that of Keras, which keeps quotients of zeros finite


class _Overlap(Loss):
    """One less the overlap of targets t and predictions p: ``1 - tp / (tp + alpha fp + beta fn + epsilon)``.

    As in Keras, fp is the sum of ``t (1 - p)`` and fn that of ``p (1 - t)``.
    """

    domain = PROBABILITIES
    in_python = True
    core_name = "custom"
    alpha: float
    beta: float
    epsilon: float = _EPSILON

    def __init__(self, axis: Any, reduction: Any, name: str, dtype: Any) -> None:
        super().__init__(reduction, name, dtype=dtype)
        self.axes = _checked_axes(axis)

    @property
    def for_any_shape(self) -> bool:
        return self.axes is None

    def sample_losses(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """Return the loss of the batch, or of what is left of its shape without the axes of the sums."""
        both, total, _, _ = self._sums(y_true, y_pred)
        return np.asarray(1.0 - both / total)

    def _weighted_gradient(self, y_true: ArrayLike, y_pred: ArrayLike, factors: NDArray[np.float64]) -> NDArray[Any]:
        both, total, true, pred = self._sums(y_true, y_pred, keepdims=True)
        slope_of_total = true * (1.0 - self.alpha - self.beta) + self.beta
        slope = (both * slope_of_total - true * total) / np.square(total)
        return np.asarray((factors.reshape(total.shape) * slope).astype(pred.dtype).reshape(np.shape(y_pred)))

    def _sums(self, y_true: ArrayLike, y_pred: ArrayLike, keepdims: bool = False) -> tuple[NDArray[Any], ...]:
        """Return the true positives, the divisor, the targets and the predictions."""
        true, pred = floats(**dict(zip(("y_true", "y_pred"), self._arrays(y_true, y_pred), strict=True)))
        if true.shape != pred.shape:
            raise ValueError(f"y_true must have the shape of y_pred, {pred.shape}; got shape {true.shape}")
        for axis in self.axes or ():
            check_axis(axis, "y_pred", pred.shape)
        exact, axes = true.astype(np.float64), self.axes
        both = (exact * pred).sum(axis=axes, keepdims=keepdims)
        missed = (exact * (1.0 - pred)).sum(axis=axes, keepdims=keepdims)
        wrong = (pred * (1.0 - exact)).sum(axis=axes, keepdims=keepdims)
        return both, both + self.alpha * missed + self.beta * wrong + self.epsilon, exact, pred

    def get_config(self) -> dict[str, Any]:
        axes = {} if self.axes is None else {"axis": list(self.axes)}
        return {**super().get_config(), **axes}


def _checked_axes(axis: Any) -> tuple[int, ...] | None:
    if axis is None:
        return None
    given = [axis] if isinstance(axis, int) else axis
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise TypeError(f"axis must be None, an integer or a sequence of integers; got {describe(axis)}")
    return tuple(check_integer("every axis", one, minimum=-64, maximum=64) for one in given)


@losses.add("dice")
class Dice(_Overlap):
    r"""One less the Dice coefficient of a batch, for masks and labels: Sudre et al. (2017), arXiv:1707.03237.

    .. math:: L = 1 - \frac{2 \sum y \hat y}{\sum y + \sum \hat y + 10^{-7}}

    The sums are those of the whole batch; in distributed training, of the samples of a rank. Training calls Python for
    every batch.

    Parameters
    ----------
    axis : int or sequence of int, optional
        The axes of the sums; by default all of them.
    reduction, name, dtype
        See `Loss`.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.losses.Dice()([[1.0, 0.0]], [[0.5, 0.5]]), 6)
    0.5
    """

    identifier = "dice"
    alpha = beta = 0.5
    epsilon = _EPSILON / 2  # of half the divisor

    def __init__(
        self,
        reduction: Any = "sum_over_batch_size",
        name: str = "dice",
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(axis, reduction, name, dtype)


@losses.add("tversky")
class Tversky(_Overlap):
    r"""One less the Tversky index of a batch, which weighs its two kinds of errors: Salehi et al. (2017), arXiv:1706.05721.

    .. math:: L = 1 - \frac{\sum y \hat y}{\sum y \hat y + \alpha \sum y (1 - \hat y) + \beta \sum \hat y (1 - y) + 10^{-7}}

    The weights are those of Keras, in which `alpha` is that of the missed positives. Training calls Python for every batch.

    Parameters
    ----------
    alpha, beta : float, default 0.5
        The weights of missed positives and of false ones; at least 0.
    axis : int or sequence of int, optional
        The axes of the sums; by default all of them.
    reduction, name, dtype
        See `Loss`.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.losses.Tversky(alpha=1.0, beta=0.0)([[1.0, 0.0]], [[0.25, 0.5]]), 6)
    0.75
    """

    identifier = "tversky"

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: Any = "sum_over_batch_size",
        name: str = "tversky",
        axis: int | Sequence[int] | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(axis, reduction, name, dtype)
        self.alpha = check_number("alpha", alpha, minimum=0.0)
        self.beta = check_number("beta", beta, minimum=0.0)

    def get_config(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "beta": self.beta, **super().get_config()}


@losses.add("categorical_generalized_cross_entropy")
class CategoricalGeneralizedCrossEntropy(Loss):
    r"""A cross-entropy that trusts wrong labels less: Zhang and Sabuncu (2018), arXiv:1805.07836.

    .. math:: L = \frac{1}{n} \sum_i \frac{1 - p_{i y_i}^q}{q}

    It tends to the cross-entropy for q near 0, and is the mean absolute error for q near 1. Targets are labels or one-hot
    rows. Training calls Python for every batch.

    Parameters
    ----------
    q : float, default 0.5
        Between 0 and 1.
    reduction, name, dtype
        See `Loss`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.CategoricalGeneralizedCrossEntropy()([0], [[0.25, 0.75]])
    1.0
    """

    identifier = "categorical_generalized_cross_entropy"
    core_name = "custom"
    takes_labels = True
    by_row = True
    in_python = True
    domain = DISTRIBUTIONS

    def __init__(
        self,
        q: float = 0.5,
        reduction: Any = "sum_over_batch_size",
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype=dtype)
        self.q = check_number("q", q, above=0.0, below=1.0)

    def sample_losses(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """Return the loss of every sample."""
        true, pred, shape = self._rows(y_true, y_pred)
        right = (true * pred).sum(axis=1, dtype=np.float64)
        return np.asarray((1.0 - right**self.q) / self.q).reshape(shape)

    def _weighted_gradient(self, y_true: ArrayLike, y_pred: ArrayLike, factors: NDArray[np.float64]) -> NDArray[Any]:
        true, pred, _ = self._rows(y_true, y_pred)
        right = np.maximum(
            (true * pred).sum(axis=1, keepdims=True, dtype=np.float64), _EPSILON
        )  # the slope is infinite at 0
        slope = -true * right ** (self.q - 1.0) * factors.reshape(-1, 1)
        return np.asarray(slope.astype(pred.dtype).reshape(np.shape(y_pred)))

    def get_config(self) -> dict[str, Any]:
        return {"q": self.q, **super().get_config()}

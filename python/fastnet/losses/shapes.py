"""The shapes of targets, predictions and sample weights: from what users pass to arrays that fit each other."""

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.support.validation import without_mask

__all__ = ["Reduction", "of_same_rank", "weights_of"]


def of_same_rank(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return targets and predictions; of an axis of size 1 that only one of them has, the other gets one, too, as in Keras."""
    true, pred = np.asarray(without_mask("y_true", y_true)), np.asarray(without_mask("y_pred", y_pred))
    if pred.ndim == true.ndim + 1 and pred.shape[-1] == 1:
        return (true[..., None], pred) if true.ndim == 1 else (true, pred[..., 0])
    if true.ndim == pred.ndim + 1 and true.shape[-1] == 1:
        return (true, pred[..., None]) if pred.ndim == 1 else (true[..., 0], pred)
    return true, pred


class Reduction(NamedTuple):
    """What makes one number of the losses of samples: the sum of their products with weights, divided.

    Attributes
    ----------
    weights : ndarray
        A weight for each loss.
    divisor : float
        At least 0; where it is 0, so is the result.
    """

    weights: NDArray[np.float64]
    divisor: float

    @classmethod
    def of(
        cls,
        shape: tuple[int, ...],
        sample_weight: ArrayLike | None,
        reduction: str,
        mask: NDArray[np.bool_] | None = None,
    ) -> Self:
        """Return the weights and the divisor of a reduction of `Loss`.

        Parameters
        ----------
        shape : tuple of int
            The shape of the losses; () for one loss of a whole batch.
        sample_weight : array_like, optional
            A number, or an array whose axes are the first ones of the losses.
        reduction : str
            One of those of `Loss`.
        mask : ndarray of bool, optional
            Which of the losses count.

        Raises
        ------
        ValueError
            The weights do not fit the losses.
        """
        weights = weights_of(shape, sample_weight)
        if mask is not None:
            weights = weights * mask.reshape(shape)
        if reduction in ("none", "sum"):
            return cls(weights, 1.0)
        if reduction == "mean_with_sample_weight":
            return cls(weights, float(weights.sum()))
        return cls(weights, float(weights.size if mask is None else np.count_nonzero(mask)))

    def applied(self, losses: NDArray[np.float64]) -> float:
        """Return the number that it makes of losses."""
        return float((losses * self.weights).sum() / self.divisor) if self.divisor else 0.0

    def factors(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the slope of that number with respect to each loss."""
        factors = self.weights / self.divisor if self.divisor else np.zeros_like(self.weights)
        return factors if factors.shape == shape else factors.sum().reshape(shape)


def weights_of(shape: tuple[int, ...], sample_weight: ArrayLike | None) -> NDArray[np.float64]:
    """Return the weights of values of this shape, of whose last axes the given ones may lack some.

    A single value, of shape (), has all the weights.

    Raises
    ------
    ValueError
        The weights do not fit the values.
    """
    given = 1.0 if sample_weight is None else without_mask("sample_weight", sample_weight)
    weight = np.asarray(given, np.float64)
    if not shape:
        return weight
    if weight.ndim > len(shape) and weight.shape[len(shape) :] == (1,) * (weight.ndim - len(shape)):
        weight = weight.reshape(weight.shape[: len(shape)])
    if weight.ndim:
        weight = weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim))
    fits = all(have in (1, wanted) for have, wanted in zip(weight.shape, shape, strict=False))
    if weight.ndim > len(shape) or not fits:
        raise ValueError(f"sample_weight must have {shape[0]} values, one for each sample; got shape {weight.shape}")
    return np.broadcast_to(weight, shape)

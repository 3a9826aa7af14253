"""A loss of embeddings: samples of one class are to be near each other, and those of others far."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.functional._floats import floats
from fastnet.losses.base import Loss, losses
from fastnet.support.validation import check_bool, check_number, without_mask

__all__ = ["Circle"]


class _Similarities(NamedTuple):
    """How embeddings compare with references.

    Attributes
    ----------
    below : ndarray of shape (n, m)
        Whether a cosine is below 1, so that the distance is above 0 and follows the embeddings.
    losses : ndarray of shape (n,)
    slopes : ndarray of shape (n, m)
        The derivative of the loss of each row with respect to the distances.
    """

    below: NDArray[np.bool_]
    losses: NDArray[np.float64]
    slopes: NDArray[np.float64]


@losses.add("circle")
class Circle(Loss):
    r"""The circle loss of labels and embeddings whose rows have length 1: Sun et al. (2020), arXiv:2002.10857.

    .. math:: L_i = \log\Big(1 + \sum_{j: y_j = y_i} e^{-\gamma [m + d_{ij}]_+ (m - d_{ij})}
              \sum_{k: y_k \ne y_i} e^{\gamma [1 + m - d_{ik}]_+ (1 - m - d_{ik})}\Big), \quad d_{ij} = [1 - x_i \cdot x_j]_+

    Every sample is compared with the others of its batch. A sample whose label no other one has, or all others, has a loss
    of 0 and does not count in the mean. Training calls Python for every batch; in distributed training the others are
    those of a shard. Labels are any whole numbers.

    Parameters
    ----------
    gamma : float, default 80.0
        The scale of the distances; above 0.
    margin : float, default 0.4
        The distance m that is wanted within a class; the one between classes is 1 - m.
    remove_diagonal : bool, default True
        Whether a sample is not compared with itself.
    reduction, name, dtype
        See `Loss`.

    Notes
    -----
    `LayerNormalization` without center and scale, then `Rescaling`, end a model in rows of length 1, as in the example.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> round(fn.losses.Circle(gamma=1.0)([0, 0, 1, 1], [[1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]]), 4)
    1.4917
    >>> unit = [fn.layers.LayerNormalization(center=False, scale=False, epsilon=1e-6), fn.Rescaling(8**-0.5)]
    >>> model = fn.Sequential([fn.Dense(8, input_shape=(2,)), *unit], seed=0)
    >>> model.compile("adam", "circle")
    >>> x, y = np.random.default_rng(0).normal(size=(64, 2)), np.arange(64) % 2
    >>> history = model.fit(x + 2 * y[:, None], y, epochs=5, verbose=0)
    >>> bool(history.history["loss"][-1] < history.history["loss"][0])
    True
    """

    identifier = "circle"
    core_name = "custom"
    takes_labels = True
    by_row = True
    in_python = True
    free_labels = True

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: Any = "sum_over_batch_size",
        name: str = "circle",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype=dtype)
        self.gamma = check_number("gamma", gamma, above=0.0)
        self.margin = check_number("margin", margin)
        self.remove_diagonal = check_bool("remove_diagonal", remove_diagonal)

    def sample_losses(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """Return the loss of every sample."""
        labels, embeddings = labels_of("y_true", y_true), self._embeddings(y_pred)
        return self.similarities(labels, embeddings, labels, embeddings).losses

    def similarities(
        self,
        labels: NDArray[np.int64],
        embeddings: NDArray[Any],
        ref_labels: NDArray[np.int64],
        references: NDArray[Any],
    ) -> _Similarities:
        """Return how labeled embeddings compare with others."""
        for name, one, of in (("y_true", labels, embeddings), ("ref_labels", ref_labels, references)):
            if len(one) != len(of):
                raise ValueError(f"{name} must have a label for each of {len(of)} embeddings; got {len(one)}")
        if embeddings.shape[1] != references.shape[1]:
            raise ValueError(
                f"ref_embeddings must have {embeddings.shape[1]} columns, as y_pred; got shape {references.shape}"
            )
        cosines = embeddings.astype(np.float64) @ references.astype(np.float64).T
        distances = np.maximum(1.0 - cosines, 0.0)
        same = labels[:, None] == ref_labels
        near = np.where(np.eye(*same.shape), False, same) if self.remove_diagonal else same
        pull, push = np.maximum(self.margin + distances, 0.0), np.maximum(1.0 + self.margin - distances, 0.0)
        far = 1.0 - self.margin - distances
        of_near, shares_near = _log_sum(-self.gamma * pull * (self.margin - distances), near)
        of_far, shares_far = _log_sum(self.gamma * push * far, ~same)
        total = of_near + of_far
        slopes = shares_near * (pull - (pull > 0) * (self.margin - distances)) - shares_far * (push + (push > 0) * far)
        with np.errstate(invalid="ignore"):  # NaN stays NaN
            each = np.logaddexp(0.0, total)
            return _Similarities(cosines < 1.0, each, self.gamma * slopes * np.exp(total - each)[:, None])

    def _weighted_gradient(self, y_true: ArrayLike, y_pred: ArrayLike, factors: NDArray[np.float64]) -> NDArray[Any]:
        labels, embeddings = labels_of("y_true", y_true), self._embeddings(y_pred)
        found = self.similarities(labels, embeddings, labels, embeddings)
        slopes = -found.slopes * found.below * factors[:, None]  # a distance falls where the product rises
        return np.asarray(((slopes + slopes.T) @ embeddings.astype(np.float64)).astype(embeddings.dtype))

    def _embeddings(self, y_pred: ArrayLike) -> NDArray[Any]:
        return embeddings_of("y_pred", y_pred, self._dtype)

    def _counted(self, y_true: ArrayLike, losses: NDArray[np.float64], /) -> NDArray[np.bool_]:
        del y_true
        return ~(losses <= 0)  # NaN counts

    def get_config(self) -> dict[str, Any]:
        own = {"gamma": self.gamma, "margin": self.margin, "remove_diagonal": self.remove_diagonal}
        return {**own, **super().get_config()}


def embeddings_of(name: str, values: ArrayLike, dtype: Any = None) -> NDArray[Any]:
    """Return embeddings, one a row, as numbers with fractions."""
    (array,) = floats(**{name: np.asarray(without_mask(name, values))})
    if array.ndim != 2:
        raise ValueError(f"{name} must have shape (n, features), one embedding a row; got {array.shape}")
    return array if dtype is None else array.astype(dtype, copy=False)


def labels_of(name: str, values: ArrayLike) -> NDArray[np.int64]:
    """Return labels, one a row."""
    array = np.asarray(without_mask(name, values))
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must have shape (n,) or (n, 1), one label a row; got shape {array.shape}")
    if array.dtype.kind == "f" and (odd := ~np.isfinite(array) | (array != np.floor(array))).any():
        raise ValueError(f"{name} must hold whole numbers; got {array[odd][0]}")
    if array.dtype.kind == "f" and (large := np.abs(array) >= 2.0**63).any():
        raise ValueError(f"{name} must hold labels of less than 2**63; got {array[large][0]}")
    return array.astype(np.int64)


def _log_sum(
    exponents: NDArray[np.float64], where: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the logarithm of each row's sum of exponentials, minus infinity without any, and each term's share of the sum."""
    known = np.where(where, exponents, -np.inf)
    highest = known.max(axis=1, initial=-np.inf, keepdims=True)
    terms = np.exp(known - np.where(np.isfinite(highest), highest, 0.0))
    sums = terms.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore"):
        return (np.log(sums) + np.where(np.isfinite(highest), highest, 0.0))[:, 0], terms / np.where(sums, sums, 1.0)

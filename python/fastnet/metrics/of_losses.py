"""Losses as metrics: the mean of the losses of the samples."""

from typing import Any, ClassVar

from numpy.typing import ArrayLike, NDArray

from fastnet import losses
from fastnet.losses.base import Loss
from fastnet.losses.shapes import weights_of
from fastnet.metrics.base import Array, Averaged, as_rows, metrics


class LossMetric(Averaged):
    """The mean of a loss over the samples.

    Parameters
    ----------
    loss : Loss
        The loss.
    name, dtype
        See `Metric`.
    """

    direction = "down"
    sign: ClassVar[float] = 1.0

    def __init__(self, loss: Loss, name: str | None = None, dtype: Any = None) -> None:
        self.loss = loss
        self._of_rows = type(loss).from_config({**loss.get_config(), "axis": -1}) if loss.axis != -1 else loss
        self.of_values = not loss.by_row  # type: ignore[misc]
        super().__init__(name, dtype)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        if self.loss.axis != -1:  # rows are those along the last axis
            y_true, y_pred = self.loss._arrays(y_true, y_pred)
        super().update_state(y_true, y_pred, sample_weight)

    def _values(self, true: NDArray[Any], pred: Array, /) -> Any:
        rows = true if self.loss.ignore_class is not None or self.loss.free_labels else as_rows(true, pred)
        return self.sign * self._of_rows.sample_losses(rows, pred).reshape(-1)


class _OfLoss(LossMetric):
    """A metric of the loss of the same name, without arguments."""

    kind: ClassVar[type[Loss]]

    def __init__(self, name: str | None = None, dtype: Any = None) -> None:
        super().__init__(self.kind(), name, dtype)  # type: ignore[call-arg]


# ---- Cross-entropies ------------------------------------------------------------------------------------------------


@metrics.add("binary_crossentropy", "bce", "BCE")
class BinaryCrossentropy(LossMetric):
    """The mean of the loss `fastnet.losses.BinaryCrossentropy`.

    Parameters
    ----------
    name : str, default "binary_crossentropy"
        The name in the history.
    dtype
        See `Metric`.
    from_logits, label_smoothing
        As for the loss.

    Examples
    --------
    >>> import fastnet as fn
    >>> print(f"{fn.metrics.BinaryCrossentropy()([[1], [0]], [[0.5], [0.5]]):.4f}")
    0.6931
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(losses.BinaryCrossentropy(from_logits, label_smoothing), name, dtype)
        self.from_logits, self.label_smoothing = self.loss.from_logits, self.loss.label_smoothing

    def get_config(self) -> dict[str, Any]:
        own = {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing}
        return {**own, **super().get_config()}


@metrics.add("categorical_crossentropy")
class CategoricalCrossentropy(LossMetric):
    """The mean of the loss `fastnet.losses.CategoricalCrossentropy`.

    Parameters
    ----------
    name : str, default "categorical_crossentropy"
        The name in the history.
    dtype
        See `Metric`.
    from_logits, label_smoothing, axis
        As for the loss.
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.CategoricalCrossentropy(from_logits, label_smoothing, axis), name, dtype)
        self.from_logits, self.label_smoothing, self.axis = from_logits, self.loss.label_smoothing, axis

    def get_config(self) -> dict[str, Any]:
        axis = {} if self.axis == -1 else {"axis": self.axis}
        own = {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing, **axis}
        return {**own, **super().get_config()}


@metrics.add("sparse_categorical_crossentropy")
class SparseCategoricalCrossentropy(LossMetric):
    """The mean of the loss `fastnet.losses.SparseCategoricalCrossentropy`.

    Parameters
    ----------
    name : str, default "sparse_categorical_crossentropy"
        The name in the history.
    dtype
        See `Metric`.
    from_logits, ignore_class, axis
        As for the loss. As in Keras, samples of `ignore_class` have a loss of 0, and only weights leave them out of the mean.
    """

    def __init__(
        self,
        name: str | None = None,
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(losses.SparseCategoricalCrossentropy(from_logits, ignore_class, axis), name, dtype)
        self.from_logits, self.ignore_class, self.axis = from_logits, ignore_class, axis

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        if sample_weight is not None and self.ignore_class is not None:
            counted = self.loss._counted(y_true, self.loss.sample_losses(y_true, y_pred))
            assert counted is not None
            sample_weight = weights_of(counted.shape, sample_weight) * counted
        super().update_state(y_true, y_pred, sample_weight)

    def get_config(self) -> dict[str, Any]:
        axis = {} if self.axis == -1 else {"axis": self.axis}
        own = {"from_logits": self.from_logits, "ignore_class": self.ignore_class, **axis}
        return {**own, **super().get_config()}


@metrics.add("kl_divergence", "kullback_leibler_divergence", "kld", "KLD")
class KLDivergence(_OfLoss):
    """The mean of the loss `fastnet.losses.KLDivergence`.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    """

    default_name = "kl_divergence"
    kind = losses.KLDivergence


# ---- Margins --------------------------------------------------------------------------------------------------------


@metrics.add("hinge")
class Hinge(_OfLoss):
    """The mean of the loss `fastnet.losses.Hinge`.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    """

    kind = losses.Hinge


@metrics.add("squared_hinge")
class SquaredHinge(_OfLoss):
    """The mean of the loss `fastnet.losses.SquaredHinge`.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    """

    kind = losses.SquaredHinge


@metrics.add("categorical_hinge")
class CategoricalHinge(_OfLoss):
    """The mean of the loss `fastnet.losses.CategoricalHinge`.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    """

    kind = losses.CategoricalHinge


# ---- Numbers --------------------------------------------------------------------------------------------------------


@metrics.add("mape", "MAPE", "mean_absolute_percentage_error")
class MeanAbsolutePercentageError(_OfLoss):
    """The mean of the loss `fastnet.losses.MeanAbsolutePercentageError`.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    """

    kind = losses.MeanAbsolutePercentageError


@metrics.add("msle", "MSLE", "mean_squared_logarithmic_error")
class MeanSquaredLogarithmicError(_OfLoss):
    """The mean of the loss `fastnet.losses.MeanSquaredLogarithmicError`.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    """

    kind = losses.MeanSquaredLogarithmicError


@metrics.add("poisson")
class Poisson(_OfLoss):
    """The mean of the loss `fastnet.losses.Poisson`.

    Parameters
    ----------
    name, dtype
        See `Metric`.
    """

    kind = losses.Poisson


@metrics.add("logcosh", "log_cosh", "log_cosh_error")
class LogCoshError(_OfLoss):
    """The mean of the loss `fastnet.losses.LogCosh`.

    Parameters
    ----------
    name : str, default "logcosh"
        The name in the history.
    dtype
        See `Metric`.
    """

    default_name = "logcosh"
    kind = losses.LogCosh


@metrics.add("cosine_similarity")
class CosineSimilarity(LossMetric):
    """The mean cosine of the angle between targets and predictions: the loss with the sign changed.

    Parameters
    ----------
    name : str, default "cosine_similarity"
        The name in the history.
    dtype
        See `Metric`.
    axis : int, default -1
        The axis of the vectors.

    Examples
    --------
    >>> import fastnet as fn
    >>> round(fn.metrics.CosineSimilarity()([[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 1.0]]), 6)
    0.5
    """

    direction = "up"
    sign = -1.0

    def __init__(self, name: str | None = None, dtype: Any = None, axis: int = -1) -> None:
        super().__init__(losses.CosineSimilarity(axis), name, dtype)
        self.axis = self.loss.axis

    def get_config(self) -> dict[str, Any]:
        return {**({} if self.axis == -1 else {"axis": self.axis}), **super().get_config()}

"""Losses of probabilities."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.losses.base import Classifying, Loss, losses
from fastnet.losses.domains import DISTRIBUTIONS, PROBABILITIES
from fastnet.support.validation import check_bool, check_integer, check_number, without_mask

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "KLDivergence",
    "SparseCategoricalCrossentropy",
]


@losses.add("bce", "BCE", "binary_crossentropy")
class BinaryCrossentropy(Classifying):
    """The cross-entropy of probabilities of yes, for sigmoid outputs: see `fastnet.functional.binary_crossentropy`.

    Parameters
    ----------
    from_logits : bool, default False
        Whether the model has no sigmoid: its outputs are the logits.
    label_smoothing : float, default 0.0
        Targets t become ``t * (1 - label_smoothing) + label_smoothing / 2``.
    axis, reduction, name, dtype
        See `Loss`.
    """

    identifier = core_name = "binary_crossentropy"
    domain = PROBABILITIES

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Any = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, reduction, name, axis=axis, dtype=dtype)


@losses.add("categorical_crossentropy")
class CategoricalCrossentropy(Classifying):
    """The cross-entropy of probabilities of classes: see `fastnet.functional.categorical_crossentropy`.

    In `fit` and `evaluate` the targets are one-hot rows or integer labels.

    Parameters
    ----------
    from_logits : bool, default False
        Whether the model has no softmax: its outputs are the logits.
    label_smoothing : float, default 0.0
        Targets t become ``t * (1 - label_smoothing) + label_smoothing / classes``.
    axis, reduction, name, dtype
        See `Loss`.
    """

    identifier = core_name = "categorical_crossentropy"
    takes_labels = True
    by_row = True
    domain = DISTRIBUTIONS

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Any = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits, label_smoothing, reduction, name, axis=axis, dtype=dtype)


@losses.add("sparse_categorical_crossentropy")
class SparseCategoricalCrossentropy(Classifying):
    """The same as `CategoricalCrossentropy`, under the name that Keras users give it for integer labels.

    In `fit` and `evaluate` the targets are integer labels or one-hot rows.

    Parameters
    ----------
    from_logits : bool, default False
        Whether the model has no softmax: its outputs are the logits.
    ignore_class : int, optional
        A label that says nothing, such as -1: the loss of such samples is 0, and means are those over the others of a batch.
        Training then takes one call of Python for every batch. Samples whose label is not a class of the model count in no
        metric but those with an `ignore_class` of their own.
    axis, reduction, name, dtype
        See `Loss`.
    """

    identifier = "sparse_categorical_crossentropy"
    core_name = "categorical_crossentropy"
    takes_labels = True
    by_row = True
    domain = DISTRIBUTIONS

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: Any = "sum_over_batch_size",
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(from_logits, 0.0, reduction, name, axis=axis, dtype=dtype)
        self.ignore_class = (
            None if ignore_class is None else check_integer("ignore_class", ignore_class, minimum=-(2**62))
        )

    @property
    def in_python(self) -> bool:
        return self.ignore_class is not None  # the core divides by all samples or by their weights

    def _arrays(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        true, pred = super()._arrays(y_true, y_pred)
        ignored = self._ignored(true)
        if ignored is None:
            return true, pred
        if true.shape not in (pred.shape[:-1], (*pred.shape[:-1], 1)):
            raise ValueError(
                f"ignore_class needs labels: y_true must have the shape of y_pred without its last axis, {pred.shape[:-1]}; "
                f"got shape {true.shape}"
            )
        silent = ignored.reshape(*pred.shape[:-1], 1)
        return np.where(ignored, 0, true), np.where(silent, np.eye(1, pred.shape[-1], dtype=pred.dtype)[0], pred)

    def _ignored(self, y_true: ArrayLike) -> NDArray[np.bool_] | None:
        return None if self.ignore_class is None else np.equal(without_mask("y_true", y_true), self.ignore_class)

    def sample_losses(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        values = super().sample_losses(y_true, y_pred)
        counted = self._counted(y_true, values)
        return values if counted is None else np.where(counted.reshape(values.shape), values, 0.0)

    def _counted(self, y_true: ArrayLike, losses: NDArray[np.float64], /) -> NDArray[np.bool_] | None:
        del losses
        ignored = self._ignored(y_true)
        if ignored is None:
            return None
        return ~(ignored[..., 0] if ignored.ndim > 1 and ignored.shape[-1] == 1 else ignored)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["label_smoothing"]
        return config if self.ignore_class is None else {**config, "ignore_class": self.ignore_class}


@losses.add("kl_divergence", "kullback_leibler_divergence", "kld", "KLD")
class KLDivergence(Loss):
    """The divergence of predicted from true probabilities: see `fastnet.functional.kl_divergence`.

    Parameters
    ----------
    reduction, name
        See `Loss`.
    """

    identifier = core_name = "kl_divergence"
    takes_labels = True
    by_row = True
    domain = DISTRIBUTIONS

    def __init__(self, reduction: Any = "sum_over_batch_size", name: str = "kl_divergence", dtype: Any = None) -> None:
        super().__init__(reduction, name, dtype=dtype)


class _Focal(Classifying):
    """A cross-entropy that gives less weight to samples that are already classified well: Lin et al. (2017), arXiv:1708.02002."""

    def __init__(self, alpha: float, gamma: float, from_logits: bool, label_smoothing: float, reduction: Any, name: str, **keywords: Any) -> None:  # fmt: skip
        super().__init__(from_logits, label_smoothing, reduction, name, **keywords)
        self.alpha = check_number("alpha", alpha, minimum=0.0)
        self.gamma = check_number("gamma", gamma, minimum=0.0)

    def get_config(self) -> dict[str, Any]:
        return {"alpha": self.alpha, "gamma": self.gamma, **super().get_config()}


@losses.add("binary_focal_crossentropy")
class BinaryFocalCrossentropy(_Focal):
    """`BinaryCrossentropy` times ``(1 - p_t)**gamma``, p_t being the probability of the truth.

    Parameters
    ----------
    apply_class_balancing : bool, default False
        Whether samples of 1 weigh `alpha` and those of 0 weigh ``1 - alpha``.
    alpha, gamma : float, default 0.25 and 2.0
        See Lin et al. (2017), arXiv:1708.02002.
    from_logits, label_smoothing, axis, reduction, name, dtype
        See `BinaryCrossentropy`.
    """

    identifier = core_name = "binary_focal_crossentropy"
    domain = PROBABILITIES

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Any = "sum_over_batch_size",
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(alpha, gamma, from_logits, label_smoothing, reduction, name, axis=axis, dtype=dtype)
        self.apply_class_balancing = check_bool("apply_class_balancing", apply_class_balancing)

    @property
    def settings(self) -> tuple[float, ...]:
        return (self.gamma, self.alpha, float(self.apply_class_balancing))

    def get_config(self) -> dict[str, Any]:
        return {"apply_class_balancing": self.apply_class_balancing, **super().get_config()}


@losses.add("categorical_focal_crossentropy")
class CategoricalFocalCrossentropy(_Focal):
    """`CategoricalCrossentropy` with each class's term times ``alpha * (1 - p)**gamma``.

    Parameters
    ----------
    alpha, gamma : float, default 0.25 and 2.0
        See Lin et al. (2017), arXiv:1708.02002.
    from_logits, label_smoothing, axis, reduction, name, dtype
        See `CategoricalCrossentropy`.
    """

    identifier = core_name = "categorical_focal_crossentropy"
    takes_labels = True
    by_row = True
    domain = DISTRIBUTIONS

    def __init__(
        self,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: Any = "sum_over_batch_size",
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(alpha, gamma, from_logits, label_smoothing, reduction, name, axis=axis, dtype=dtype)

    @property
    def settings(self) -> tuple[float, ...]:
        return (self.gamma, self.alpha)

"""What training makes small, with Keras's names and defaults."""

from typing import Any, ClassVar

from numpy.typing import ArrayLike

from fastnet import functional
from fastnet._registry import Configurable, Registry
from fastnet._validation import reject_keywords

__all__ = [
    "BinaryCrossentropy",
    "CategoricalCrossentropy",
    "Loss",
    "MeanSquaredError",
    "SparseCategoricalCrossentropy",
    "deserialize",
    "get",
    "serialize",
]

_KERAS_DEFAULTS = {
    "from_logits": False,
    "label_smoothing": 0.0,
    "ignore_class": None,
    "axis": -1,
    "reduction": "sum_over_batch_size",
    "dtype": None,
}


class Loss(Configurable):
    """The base of all losses: the mean over samples, each times its weight.

    Attributes
    ----------
    identifier : str
        The short name: that of the function in `fastnet.functional`, and the one in saved files.
    core_name : str
        What the compiled core calls it.
    takes_labels : bool
        Whether integer labels may stand for one-hot rows.
    """

    identifier: ClassVar[str]
    core_name: ClassVar[str]
    takes_labels: ClassVar[bool] = False

    def __init__(self, name: str, **keywords: Any) -> None:
        reject_keywords(type(self).__name__, keywords, _KERAS_DEFAULTS)
        self.name = name

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike) -> float:
        """Return the loss of predictions, as the function of the same name in `fastnet.functional` does."""
        value: float = getattr(functional, self.identifier)(y_true, y_pred)
        return value

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name}


_losses = Registry(
    "loss",
    Loss,
    keras_only=[
        *["mae", "mean_absolute_error", "MAE", "MeanAbsoluteError", "huber", "Huber", "log_cosh", "LogCosh"],
        *["mape", "mean_absolute_percentage_error", "MAPE", "MeanAbsolutePercentageError", "poisson", "Poisson"],
        *["msle", "mean_squared_logarithmic_error", "MSLE", "MeanSquaredLogarithmicError", "hinge", "Hinge"],
        *["squared_hinge", "SquaredHinge", "categorical_hinge", "CategoricalHinge", "kl_divergence", "KLDivergence"],
        *["cosine_similarity", "CosineSimilarity", "binary_focal_crossentropy", "BinaryFocalCrossentropy"],
        *["categorical_focal_crossentropy", "CategoricalFocalCrossentropy", "ctc", "CTC", "dice", "Dice"],
    ],
)
get = _losses.get
serialize = _losses.serialize
deserialize = _losses.deserialize


@_losses.add("mse", "MSE", "mean_squared_error")
class MeanSquaredError(Loss):
    """The mean of the squared differences: see `fastnet.functional.mse`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.MeanSquaredError()([1, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """

    identifier = "mse"
    core_name = "mse"

    def __init__(
        self, reduction: str = "sum_over_batch_size", name: str = "mean_squared_error", dtype: str | None = None
    ) -> None:
        super().__init__(name, reduction=reduction, dtype=dtype)


@_losses.add("bce", "BCE", "binary_crossentropy")
class BinaryCrossentropy(Loss):
    """The cross-entropy of probabilities of yes, for sigmoid outputs: see `fastnet.functional.binary_crossentropy`."""

    identifier = "binary_crossentropy"
    core_name = "binary_crossentropy"

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(
            name, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis, reduction=reduction, dtype=dtype
        )


@_losses.add("categorical_crossentropy")
class CategoricalCrossentropy(Loss):
    """The cross-entropy of probabilities of classes: see `fastnet.functional.categorical_crossentropy`.

    In `fit` and `evaluate` the targets are one-hot rows or integer labels.
    """

    identifier = "categorical_crossentropy"
    core_name = "categorical_crossentropy"
    takes_labels = True

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(
            name, from_logits=from_logits, label_smoothing=label_smoothing, axis=axis, reduction=reduction, dtype=dtype
        )


@_losses.add("sparse_categorical_crossentropy")
class SparseCategoricalCrossentropy(Loss):
    """The same as `CategoricalCrossentropy`, under the name that Keras users give it for integer labels.

    In `fit` and `evaluate` the targets are integer labels or one-hot rows.
    """

    identifier = "sparse_categorical_crossentropy"
    core_name = "categorical_crossentropy"
    takes_labels = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        super().__init__(
            name, from_logits=from_logits, ignore_class=ignore_class, axis=axis, reduction=reduction, dtype=dtype
        )

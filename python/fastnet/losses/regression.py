"""Losses of numbers."""

from typing import Any

from fastnet.losses.base import Loss, losses
from fastnet.losses.domains import DISTRIBUTIONS, NOT_NEGATIVE, SIGNS
from fastnet.support.validation import check_number

__all__ = [
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "Quantile",
    "SquaredHinge",
]


class _Plain(Loss):
    """A loss without parameters of its own: reduction, name and dtype are those of `Loss`."""

    def __init__(self, reduction: Any = "sum_over_batch_size", name: str | None = None, dtype: Any = None) -> None:
        super().__init__(reduction, name or self.keras_name, dtype=dtype)

    keras_name: str


@losses.add("mse", "MSE", "mean_squared_error")
class MeanSquaredError(_Plain):
    """The mean of the squared differences: see `fastnet.functional.mse`.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.losses.MeanSquaredError()([1, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """

    identifier = core_name = "mse"
    keras_name = "mean_squared_error"


@losses.add("mae", "MAE", "mean_absolute_error")
class MeanAbsoluteError(_Plain):
    """The mean of the absolute differences: see `fastnet.functional.mae`."""

    identifier = core_name = "mae"
    keras_name = "mean_absolute_error"


@losses.add("mape", "MAPE", "mean_absolute_percentage_error")
class MeanAbsolutePercentageError(_Plain):
    """The mean of the absolute differences in percent of the targets: see `fastnet.functional.mape`."""

    identifier = core_name = "mape"
    keras_name = "mean_absolute_percentage_error"


@losses.add("msle", "MSLE", "mean_squared_logarithmic_error")
class MeanSquaredLogarithmicError(_Plain):
    """The mean of the squared differences of logarithms: see `fastnet.functional.msle`."""

    identifier = core_name = "msle"
    keras_name = "mean_squared_logarithmic_error"
    domain = NOT_NEGATIVE


@losses.add("log_cosh", "logcosh")
class LogCosh(_Plain):
    """The logarithm of the hyperbolic cosine of the differences: see `fastnet.functional.log_cosh`."""

    identifier = core_name = keras_name = "log_cosh"


@losses.add("poisson")
class Poisson(_Plain):
    """The loss of counts, whose expected value is predicted: see `fastnet.functional.poisson`."""

    identifier = core_name = keras_name = "poisson"
    domain = NOT_NEGATIVE


@losses.add("cosine_similarity")
class CosineSimilarity(Loss):
    """The cosine of the angle between targets and predictions, negative: see `fastnet.functional.cosine_similarity`.

    Parameters
    ----------
    axis, reduction, name, dtype
        See `Loss`.
    """

    identifier = core_name = "cosine_similarity"
    by_row = True

    def __init__(
        self,
        axis: int = -1,
        reduction: Any = "sum_over_batch_size",
        name: str = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, axis=axis, dtype=dtype)


@losses.add("huber")
class Huber(Loss):
    """Squared near zero and absolute beyond: see `fastnet.functional.huber`.

    Parameters
    ----------
    delta : float, default 1.0
        Where the one becomes the other.
    reduction, name
        See `Loss`.
    """

    identifier = core_name = "huber"

    def __init__(
        self,
        delta: float = 1.0,
        reduction: Any = "sum_over_batch_size",
        name: str = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype=dtype)
        self.delta = check_number("delta", delta, minimum=0.0)

    @property
    def settings(self) -> tuple[float, ...]:
        return (self.delta,)

    def get_config(self) -> dict[str, Any]:
        return {"delta": self.delta, **super().get_config()}


@losses.add("quantile", "pinball")
class Quantile(Loss):
    """The loss whose minimum is a quantile of the targets, also known as pinball loss: see `fastnet.functional.quantile`.

    Parameters
    ----------
    quantile : float, default 0.5
        Which quantile, between 0 and 1; 0.5 is the median.
    reduction, name
        See `Loss`.
    """

    identifier = core_name = "quantile"

    def __init__(
        self,
        quantile: float = 0.5,
        reduction: Any = "sum_over_batch_size",
        name: str = "quantile",
        dtype: Any = None,
    ) -> None:
        super().__init__(reduction, name, dtype=dtype)
        self.quantile = check_number("quantile", quantile, minimum=0.0, maximum=1.0)

    @property
    def settings(self) -> tuple[float, ...]:
        return (self.quantile,)

    def get_config(self) -> dict[str, Any]:
        return {"quantile": self.quantile, **super().get_config()}


@losses.add("hinge")
class Hinge(_Plain):
    """The loss of a margin: see `fastnet.functional.hinge`. Targets are -1 and 1, or 0 and 1."""

    identifier = core_name = keras_name = "hinge"
    domain = SIGNS


@losses.add("squared_hinge")
class SquaredHinge(_Plain):
    """The squared loss of a margin: see `fastnet.functional.squared_hinge`. Targets are -1 and 1, or 0 and 1."""

    identifier = core_name = keras_name = "squared_hinge"
    domain = SIGNS


@losses.add("categorical_hinge")
class CategoricalHinge(_Plain):
    """The margin between the right class and the best of the others: see `fastnet.functional.categorical_hinge`."""

    identifier = core_name = keras_name = "categorical_hinge"
    takes_labels = True
    by_row = True
    domain = DISTRIBUTIONS

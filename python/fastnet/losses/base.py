"""What all losses have in common."""

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet._core import loss as _core_loss
from fastnet._core import loss_backward as _core_loss_backward
from fastnet.losses.domains import Domain
from fastnet.losses.shapes import Reduction, of_same_rank
from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import (
    LARGEST_INTEGER,
    check_bool,
    check_choice,
    check_float_dtype,
    check_integer,
    check_number,
    describe,
    reject_keywords,
)

REDUCTIONS = ("sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none")


class Loss(Configurable):
    """The base of all losses.

    Parameters
    ----------
    reduction : {"sum_over_batch_size", "sum", "mean", "mean_with_sample_weight", "none", None}
        How the losses of samples, each times its weight, become one number: their sum divided by the number of samples
        ("mean" is the same), their sum, their sum divided by that of the weights, or not at all. A model trains with all
        but the last, by batch.
    name : str
        Optional name.
    axis : int, default -1
        The axis of the outputs of a sample, for losses that have it in Keras. A model trains along the last one.
    dtype : str, optional
        What the loss is computed in where it is called, "float32" or "float64", by default that of the predictions, which
        is "float64" for integers. With "float16" or "bfloat16" it is "float32". Training takes the model's.

    Attributes
    ----------
    identifier : str
        The short name: that of the function in `fastnet.functional`, and the one in saved files.
    core_name : str
        What the compiled core calls it.
    takes_labels : bool
        Whether integer labels may stand for one-hot rows.
    domain : Domain or None
        The targets that the loss is defined for, which `fit` and `evaluate` check; None for all finite numbers.
    from_logits : bool
        Whether the predictions are what a sigmoid or a softmax would be applied to.
    ignore_class : int or None
        The label of samples that do not count, for a loss that has one.
    free_labels : bool
        Whether labels are any whole numbers, not those of the outputs.
    """

    identifier: ClassVar[str]
    core_name: ClassVar[str]
    takes_labels: ClassVar[bool] = False
    domain: ClassVar[Domain | None] = None
    keras_methods: ClassVar[dict[str, str]] = {
        "call": "give compile() a function of y_true and y_pred that returns the value of a batch and its gradient by y_pred, "
        "as there is no automatic differentiation"
    }
    from_logits: bool = False
    ignore_class: int | None = None
    free_labels: ClassVar[bool] = False
    label_smoothing: float = 0.0
    direction = "down"  # of a loss as a metric

    def __init__(self, reduction: Any, name: str, *, axis: int = -1, dtype: Any = None, **keywords: Any) -> None:
        reject_keywords(type(self), keywords, {})
        self.reduction = check_choice("reduction", "none" if reduction is None else reduction, REDUCTIONS)
        self.name = name
        self.axis = check_integer("axis", axis, minimum=-LARGEST_INTEGER)
        self._dtype = check_float_dtype("dtype", dtype)

    @property
    def settings(self) -> tuple[float, ...]:
        """Per-loss settings: the numbers in the formula besides predictions and targets."""
        return ()

    @property
    def core_parameters(self) -> list[float]:
        """The settings for the compiled core: the label smoothing and three per-loss settings."""
        return [self.label_smoothing, *self.settings, 0.0, 0.0, 0.0][:4]

    @property
    def in_python(self) -> bool:
        """Whether training calls `value_and_gradient` for every batch, as the core does not know the loss."""
        return False

    @property
    def of_batches(self) -> bool:
        """Whether evaluation computes it batch by batch, as the mean of parts of other sizes is another number."""
        return True

    @property
    def for_any_shape(self) -> bool:
        """Whether it is the same for outputs of several dimensions as for all of a sample in one row."""
        return not self.by_row

    def sample_losses(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[np.float64]:
        """Return the loss of every sample: the shape of the predictions without the axis of the outputs."""
        true, pred, shape = self._rows(y_true, y_pred)
        return _core_loss(self.core_name, true, pred, self.core_parameters, self.from_logits).reshape(shape)

    def __call__(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> Any:
        """Return the loss of predictions.

        Parameters
        ----------
        y_true, y_pred : array_like
            Targets and predictions of the same shape, or labels for rows of class probabilities. An axis of size 1 at
            the end may be missing in one of them.
        sample_weight : array_like, optional
            What the loss of each sample is multiplied by: a number, or an array of shape (n,) or of that of the losses.

        Returns
        -------
        float, or with the reduction "none" an ndarray of the shape of the losses, such as (n,)
        """
        values = self.sample_losses(y_true, y_pred)
        reduction = Reduction.of(values.shape, sample_weight, self.reduction, self._counted(y_true, values))
        return values * reduction.weights if self.reduction == "none" else reduction.applied(values)

    def gradient(self, y_true: ArrayLike, y_pred: ArrayLike) -> NDArray[Any]:
        """Return the gradient of the mean over the samples with respect to the predictions."""
        values = self.sample_losses(y_true, y_pred)
        factors = Reduction.of(values.shape, None, "mean", self._counted(y_true, values)).factors(values.shape)
        return self._weighted_gradient(y_true, y_pred, factors)

    def value_and_gradient(
        self, y_true: NDArray[Any], y_pred: NDArray[Any], sample_weight: NDArray[Any] | None
    ) -> tuple[float, NDArray[Any]]:
        """Return the loss of a batch and its gradient with respect to the predictions."""
        values = self.sample_losses(y_true, y_pred)
        reduction = Reduction.of(values.shape, sample_weight, self.reduction, self._counted(y_true, values))
        gradient = self._weighted_gradient(y_true, y_pred, reduction.factors(values.shape))
        return reduction.applied(values), gradient

    def _weighted_gradient(self, y_true: ArrayLike, y_pred: ArrayLike, factors: NDArray[np.float64]) -> NDArray[Any]:
        """Return the gradient of the sum of the losses times their factors."""
        true, pred, shape = self._rows(y_true, y_pred)
        of_mean = _core_loss_backward(self.core_name, true, pred, self.core_parameters, self.from_logits)
        by_pred: NDArray[Any] = of_mean * (factors.reshape(-1, 1) * len(pred)).astype(pred.dtype)
        if shape == np.shape(y_pred):  # every value is a row
            return by_pred.reshape(shape)
        return np.moveaxis(by_pred.reshape(*shape, -1), -1, self.axis).reshape(np.shape(y_pred))

    def _counted(self, _y_true: ArrayLike, _losses: NDArray[np.float64], /) -> NDArray[np.bool_] | None:
        """Return which of the losses count, if there are others."""
        return None

    def _rows(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], tuple[int, ...]]:
        """Return targets and predictions as rows of one floating-point type, and the shape of the losses."""
        from fastnet.functional.losses.rows import targets_and_predictions

        true, pred = self._arrays(y_true, y_pred)
        rows = targets_and_predictions(true, pred, rowwise=self.by_row, labels=self.takes_labels)
        return *rows, pred.shape[:-1] if pred.ndim > 1 or self.by_row else pred.shape

    def _arrays(self, y_true: ArrayLike, y_pred: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return targets and predictions with the outputs of a sample along the last axis."""
        true, pred = of_same_rank(y_true, y_pred)
        dtype = self._dtype or (pred.dtype if pred.dtype == np.float32 else None)
        if dtype is not None and pred.dtype.kind in "fiub":
            pred = pred.astype(dtype, copy=False)
            labels = self.takes_labels and true.shape != pred.shape
            true = true if labels or true.dtype.kind not in "fiub" else true.astype(dtype)
        if self.axis == -1 or pred.ndim < 2:
            return true, pred
        if not -pred.ndim <= self.axis < pred.ndim:
            raise ValueError(f"axis must be an axis of y_pred, of shape {pred.shape}; got {self.axis}")
        true = np.moveaxis(true, self.axis, -1) if true.ndim == pred.ndim else true
        return true, np.moveaxis(pred, self.axis, -1)

    by_row: ClassVar[bool] = False  # whether one vector is one sample, not many samples of one value

    def get_config(self) -> dict[str, Any]:
        axis = {} if self.axis == -1 else {"axis": self.axis}
        return {"name": self.name, "reduction": self.reduction, **axis}

    @property
    def identifier_or_config(self) -> Any:
        """What `get` makes this loss from again: the short name, where that says everything."""
        same = losses.get(self.identifier)
        return self.identifier if same.get_config() == self.get_config() else losses.serialize(self)


class CustomLoss(Loss):
    """A loss that is a Python function of targets and predictions.

    Parameters
    ----------
    function : callable
        ``f(y_true, y_pred)`` returns ``(value, gradient)``: the loss of a batch, and its gradient by `y_pred`. `y_true` is
        what `fit` was given, labels or rows. A parameter `sample_weight` receives the weights of the batch's samples, or
        None; without it `fit` refuses weights.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> def cubed(y_true, y_pred):
    ...     error = y_pred - y_true
    ...     return np.mean(np.abs(error) ** 3), 3 * error * np.abs(error) / error.size
    >>> model = fn.Sequential([fn.Dense(1, input_shape=(1,))], seed=0)
    >>> model.compile(fn.optimizers.Adam(0.1), loss=cubed)
    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> history = model.fit(x, 2 * x, epochs=200, verbose=0)
    >>> bool(history.history["loss"][-1] < 1e-3)
    True
    """

    identifier = "custom"
    core_name = "custom"
    takes_labels = True
    in_python = True
    for_any_shape = False
    of_batches = False

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__("sum_over_batch_size", getattr(function, "__name__", type(function).__name__))
        self.function = function
        self._takes_weights = _has_parameter(function, "sample_weight")

    def value_and_gradient(
        self, y_true: NDArray[Any], y_pred: NDArray[Any], sample_weight: NDArray[Any] | None
    ) -> tuple[float, NDArray[Any]]:
        """Return what the function returns, checked."""
        if self._takes_weights:
            answer = self.function(y_true, y_pred, sample_weight=sample_weight)
        elif sample_weight is None:
            answer = self.function(y_true, y_pred)
        else:
            raise ValueError(
                f"the loss {self.name!r} takes no weights of samples or classes: give it a parameter sample_weight"
            )
        if not isinstance(answer, tuple) or len(answer) != 2:
            raise TypeError(
                f"the loss {self.name!r} must return (value, gradient), the gradient by y_pred; got {describe(answer)}"
            )
        value, gradient = float(np.asarray(answer[0])), np.asarray(answer[1], y_pred.dtype)
        if gradient.shape != y_pred.shape:
            raise ValueError(
                f"the gradient of the loss {self.name!r} must have the shape of y_pred, {y_pred.shape}; "
                f"got {gradient.shape}"
            )
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise ValueError(f"the loss {self.name!r} must be finite, and its gradient too; got the value {value}")
        return value, gradient

    @property
    def identifier_or_config(self) -> Any:
        return {"function": self.name}


def _has_parameter(function: Callable[..., Any], name: str) -> bool:
    """Return whether a function has a parameter of this name; one that cannot be looked into has not."""
    try:
        return name in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False


losses = Registry("loss", Loss, "losses")


class Classifying(Loss):
    """A loss of probabilities, or of the logits in front of them."""

    def __init__(self, from_logits: bool, label_smoothing: float, reduction: Any, name: str, **keywords: Any) -> None:
        super().__init__(reduction, name, **keywords)
        self.from_logits = check_bool("from_logits", from_logits)
        self.label_smoothing = check_number("label_smoothing", label_smoothing, minimum=0.0, maximum=1.0)

    def get_config(self) -> dict[str, Any]:
        own = {"from_logits": self.from_logits, "label_smoothing": self.label_smoothing}
        return {**own, **super().get_config()}

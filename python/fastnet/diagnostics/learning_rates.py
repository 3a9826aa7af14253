"""The learning rate range test, which suggests an initial learning rate."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.callbacks.base import Callback, Logs
from fastnet.schedules import LearningRateSchedule
from fastnet.support.figures import figure_axes, legend_above
from fastnet.support.validation import check_integer, check_number
from fastnet.training.inspection import Inspector
from fastnet.training.receipt import Receipt

__all__ = ["LearningRateSweep", "find_learning_rate"]

_SMOOTHING = 0.9  # of the moving average of the losses
_DIVERGED = 4.0  # times the lowest loss so far


@dataclass(frozen=True)
class LearningRateSweep:
    """Result of `find_learning_rate`.

    Attributes
    ----------
    learning_rates, losses : ndarray of shape (steps,)
        The learning rates of the steps, and the losses before them, smoothed.
    suggestion : float
        A tenth of the learning rate with the lowest loss.
    """

    learning_rates: NDArray[np.float64]
    losses: NDArray[np.float64]
    suggestion: float

    def plot(self, ax: Any = None) -> Any:
        """Plot the losses over the learning rates, and the suggestion.

        Needs matplotlib: ``pip install "fastnet-nn[plot]"``.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            The axes to plot on; by default new ones.

        Returns
        -------
        matplotlib Axes
        """
        axis = figure_axes(1)[0] if ax is None else ax
        axis.semilogx(self.learning_rates, self.losses)
        axis.axvline(self.suggestion, linestyle="--", color="gray", label=f"suggestion {self.suggestion:.2g}")
        axis.set(xlabel="learning rate", ylabel="loss")
        legend_above(axis)
        return axis


class _Sweep(Callback):
    """Multiply the learning rate after every batch, and end training when the loss grows."""

    def __init__(self, start: float, factor: float, steps: int) -> None:
        super().__init__()
        self._rate, self._factor, self._steps = start, factor, steps
        self._average, self._lowest = 0.0, np.inf
        self._sum = self._seen = 0.0
        self.rates: list[float] = []
        self.losses: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._sum = self._seen = 0.0

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.model.optimizer.learning_rate = self._rate

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        # The logs contain the mean of the epoch so far.
        total = (logs or {})["loss"] * (batch + 1)
        loss, self._sum = total - self._sum, total
        self._average = _SMOOTHING * self._average + (1 - _SMOOTHING) * loss
        smooth = self._average / (1 - _SMOOTHING ** (len(self.losses) + 1))
        if not np.isfinite(smooth) or (len(self.losses) > 5 and smooth > _DIVERGED * self._lowest):
            self.model.stop_training = True
            return
        self._lowest = min(self._lowest, smooth)
        self.rates.append(self._rate)
        self.losses.append(smooth)
        self._rate *= self._factor
        if len(self.losses) >= self._steps:
            self.model.stop_training = True


def find_learning_rate(
    model: Inspector,
    x: Any,
    y: Any,
    *,
    batch_size: int = 32,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
) -> LearningRateSweep:
    """Suggest an initial learning rate, by training with an increasing rate until the loss grows.

    The learning rate range test of Smith (2017), arXiv:1506.01186, section 3.3. Afterwards, the weights, the optimizer
    and the random state of the model are restored.

    Parameters
    ----------
    model : Sequential
        A compiled model, whose learning rate must be a number.
    x, y : array_like
        As in `fit`.
    batch_size : int, default 32
        The batch size of the planned training, on which a good learning rate depends.
    lowest, highest : float, default 1e-6 and 10
        The first and the last learning rate.
    steps : int, default 100
        The number of steps between them. The data are repeated as often as needed.

    Returns
    -------
    LearningRateSweep

    Raises
    ------
    ValueError
        The model is not compiled, `lowest` is not below `highest`, or the optimizer follows a schedule.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> x, y = fn.datasets.digits.load_data()
    >>> layers = [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(64, "relu"), fn.Dense(10, "softmax")]
    >>> model = fn.Sequential(layers, seed=0)
    >>> model.compile("adam", "sparse_categorical_crossentropy")
    >>> sweep = fn.find_learning_rate(model, x, y)
    >>> bool(1e-3 < sweep.suggestion < 1e-1)
    True
    """
    lowest = check_number("lowest", lowest, minimum=1e-30)
    highest = check_number("highest", highest)
    steps = check_integer("steps", steps, minimum=10)
    if lowest >= highest:
        raise ValueError(f"lowest must be below highest; got {lowest} and {highest}")
    network = model._trainable_network("find_learning_rate", x, y)
    if isinstance(model.optimizer._learning_rate, LearningRateSchedule):
        raise ValueError("the optimizer follows a schedule: compile the model with a number as learning_rate")
    rate, state = model.optimizer.learning_rate, network.get_state()
    history, figures, receipt = model.history, model.figures, model._receipt
    names, ranges = model.feature_names, model.feature_ranges
    random = model._generator.bit_generator.state
    model._receipt = Receipt()  # the sweep leaves the weights unchanged
    sweep = _Sweep(lowest, (highest / lowest) ** (1 / (steps - 1)), steps)
    try:
        model.fit(x, y, batch_size=batch_size, epochs=steps, verbose=0, callbacks=[sweep])
    finally:
        network.set_state(*state)
        model._weights.changes.spread()
        model.optimizer._count(network.finished_steps)
        model.optimizer.learning_rate = rate
        model.history, model.figures, model._receipt = history, figures, receipt
        model.feature_names, model.feature_ranges = names, ranges
        model._generator.bit_generator.state = random
    rates, losses = np.array(sweep.rates), np.array(sweep.losses)
    if not len(losses):
        raise ValueError(f"the loss is not finite at the lowest learning rate, {lowest}")
    return LearningRateSweep(rates, losses, float(rates[losses.argmin()] / 10))

"""The base of all schedules, and how their values are checked."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import check_number

Floats = NDArray[np.float64]


class LearningRateSchedule(Configurable):
    """The base of all schedules.

    A schedule of your own defines `__call__`, which is given an array of step numbers and returns an array, and keeps
    its arguments in attributes of their names, or defines `get_config`.

    Examples
    --------
    >>> import fastnet as fn
    >>> class Harmonic(fn.schedules.LearningRateSchedule):
    ...     def __init__(self, first):
    ...         self.first = first
    ...
    ...     def __call__(self, step):
    ...         return self.first / (step + 1)
    >>> fn.optimizers.SGD(Harmonic(0.5)).learning_rate
    0.5
    """

    def __call__(self, step: ArrayLike) -> Any:
        """Return the learning rate of a step, counted from 0.

        Parameters
        ----------
        step : int or array_like of int
            The number of batches that came before.

        Returns
        -------
        float or ndarray of float64
            A number for a number, an array of the same shape for an array.
        """
        values = self._values(np.asarray(step, np.float64))
        return values if values.ndim else float(values)

    def _values(self, step: Floats, /) -> Floats:
        raise NotImplementedError(f"{type(self).__name__} must define __call__(step)")

    def get_config(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


schedules = Registry("learning rate schedule", LearningRateSchedule, "schedules")


def learning_rates(schedule: LearningRateSchedule, first: int, count: int) -> Floats:
    """Return the checked learning rates of `count` steps from step number `first` on."""
    steps = np.arange(first, first + count)
    values = np.asarray(schedule(steps), np.float64)
    if values.shape not in ((), steps.shape):
        raise ValueError(
            f"{type(schedule).__name__} must return an array of shape {steps.shape} for steps of that shape; "
            f"got an array of shape {values.shape}"
        )
    values = np.broadcast_to(values, steps.shape)
    wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0.0)))
    if wrong.size:
        raise ValueError(
            f"learning_rate must be finite and at least 0; "
            f"{type(schedule).__name__} returned {values[wrong[0]]:g} for step {steps[wrong[0]]}"
        )
    return values


def rate(name: str, value: Any) -> float:
    """Return a checked learning rate."""
    return check_number(name, value, minimum=0.0)


def steps(name: str, value: Any) -> float:
    """Return a number of steps, which may be a fraction, as epochs * samples / batch_size is."""
    return check_number(name, value, minimum=1.0)

"""Schedules that fall by a power, a quotient or in steps."""

from collections.abc import Sequence

import numpy as np

from fastnet.schedules.base import Floats, LearningRateSchedule, rate, schedules, steps
from fastnet.support.validation import check_bool, check_number, describe

__all__ = ["ExponentialDecay", "InverseScaling", "InverseTimeDecay", "PiecewiseConstantDecay", "PolynomialDecay"]


@schedules.add()
class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate * decay_rate ** (step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
        The learning rate of step 0.
    decay_steps : float
        After how many steps the rate has changed by the factor `decay_rate`.
    decay_rate : float
        That factor.
    staircase : bool, default False
        Whether the exponent is rounded down, so that the rate falls once in `decay_steps` steps: step decay.
    name : str, default "ExponentialDecay"
        Optional name.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5, staircase=True)([0, 99, 100, 200])
    array([0.1  , 0.1  , 0.05 , 0.025])
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = steps("decay_steps", decay_steps)
        self.decay_rate = rate("decay_rate", decay_rate)
        self.staircase = check_bool("staircase", staircase)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        done = step / self.decay_steps
        return self.initial_learning_rate * np.power(self.decay_rate, np.floor(done) if self.staircase else done)


@schedules.add()
class InverseTimeDecay(LearningRateSchedule):
    """``initial_learning_rate / (1 + decay_rate * step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
        The learning rate of step 0.
    decay_steps : float
        How many steps count as one unit of time.
    decay_rate : float
        How fast the rate falls: after one unit of time it is divided by ``1 + decay_rate``.
    staircase : bool, default False
        Whether the time is rounded down to whole units.
    name : str, default "InverseTimeDecay"
        Optional name.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.InverseTimeDecay(0.1, decay_steps=100, decay_rate=1.0)([0, 100, 300])
    array([0.1  , 0.05 , 0.025])
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = steps("decay_steps", decay_steps)
        self.decay_rate = rate("decay_rate", decay_rate)
        self.staircase = check_bool("staircase", staircase)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        done = step / self.decay_steps
        return self.initial_learning_rate / (1.0 + self.decay_rate * (np.floor(done) if self.staircase else done))


@schedules.add()
class InverseScaling(LearningRateSchedule):
    """``initial_learning_rate / (1 + step / unit)**power``, which scikit-learn calls "invscaling".

    Parameters
    ----------
    initial_learning_rate : float
        The learning rate of step 0.
    power : float, default 0.5
        How fast the rate falls.
    unit : float, default 1.0
        How many steps count as one. scikit-learn's `MLPClassifier` counts samples and changes the rate after every epoch;
        ``unit=1 / batch_size`` counts as it does, and changes it after every batch.
    name : str, default "InverseScaling"
        Optional name.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.InverseScaling(0.1)([0, 3, 99])
    array([0.1 , 0.05, 0.01])
    """

    def __init__(
        self, initial_learning_rate: float, power: float = 0.5, unit: float = 1.0, name: str = "InverseScaling"
    ) -> None:
        self.initial_learning_rate = rate("initial_learning_rate", initial_learning_rate)
        self.power = check_number("power", power, minimum=0.0)
        self.unit = check_number("unit", unit, minimum=1e-12)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        return self.initial_learning_rate / (1.0 + step / self.unit) ** self.power


@schedules.add()
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` for the steps after ``boundaries[i - 1]``, up to and with ``boundaries[i]``.

    Parameters
    ----------
    boundaries : sequence of float
        The last step of each value but the last, in increasing order.
    values : sequence of float
        The learning rates, one more than boundaries.
    name : str, default "PiecewiseConstant"
        Optional name.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001])([0, 10, 11, 20, 21])
    array([0.1  , 0.1  , 0.01 , 0.01 , 0.001])
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        self.boundaries = [check_number("every one of boundaries", boundary) for boundary in boundaries]
        self.values = [rate("every one of values", value) for value in values]
        self.name = name
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"values must have one entry more than boundaries; got {len(self.values)} and {len(self.boundaries)}"
            )
        if self.boundaries != sorted(self.boundaries):
            raise ValueError(f"boundaries must be in increasing order; got {describe(boundaries)}")

    def _values(self, step: Floats) -> Floats:
        return np.asarray(np.array(self.values)[np.searchsorted(self.boundaries, step)])


@schedules.add()
class PolynomialDecay(LearningRateSchedule):
    """From one learning rate to another along a power of the time that is left.

    With ``left = 1 - min(step, decay_steps) / decay_steps`` the learning rate is
    ``(initial_learning_rate - end_learning_rate) * left ** power + end_learning_rate``.

    Parameters
    ----------
    initial_learning_rate : float
        The learning rate of step 0.
    decay_steps : float
        The step at which the end is reached.
    end_learning_rate : float, default 0.0001
        The learning rate at the end and after it.
    power : float, default 1.0
        1 is a straight line.
    cycle : bool, default False
        Whether, at the end, `decay_steps` grows to its next multiple, so that the rate rises again and falls slower.
    name : str, default "PolynomialDecay"
        Optional name.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.PolynomialDecay(0.1, decay_steps=100, end_learning_rate=0.0)([0, 50, 75, 100, 200])
    array([0.1  , 0.05 , 0.025, 0.   , 0.   ])
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = steps("decay_steps", decay_steps)
        self.end_learning_rate = rate("end_learning_rate", end_learning_rate)
        self.power = rate("power", power)
        self.cycle = check_bool("cycle", cycle)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        cycles = np.maximum(np.ceil(step / self.decay_steps), 1.0) if self.cycle else 1.0
        left = 1.0 - np.minimum(step / (self.decay_steps * cycles), 1.0)
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate

"""Learning rates that change with every batch, with Keras's names and arguments, and PyTorch's one-cycle.

A schedule is given to an optimizer as its `learning_rate`. The batches are counted from 0 at the first batch after
`compile`; `fit` evaluates the schedule for all batches of an epoch at once and the epoch runs in compiled code. A number
as the learning rate is the constant schedule.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnet.support.missing_names import explain_missing
from fastnet.support.registry import Configurable, Registry
from fastnet.support.validation import check_bool, check_choice, check_integer, check_number, describe

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseScaling",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "OneCycle",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "get",
    "serialize",
]
explain_missing(__name__)

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


_schedules = Registry("learning rate schedule", LearningRateSchedule, "schedules")
get = _schedules.get
serialize = _schedules.serialize
deserialize = _schedules.deserialize


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


def _rate(name: str, value: Any) -> float:
    return check_number(name, value, minimum=0.0)


def _steps(name: str, value: Any) -> float:
    """Return a number of steps, which may be a fraction, as epochs * samples / batch_size is."""
    return check_number(name, value, minimum=1.0)


@_schedules.add()
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
        A name of your own.

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
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _steps("decay_steps", decay_steps)
        self.decay_rate = _rate("decay_rate", decay_rate)
        self.staircase = check_bool("staircase", staircase)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        done = step / self.decay_steps
        return self.initial_learning_rate * np.power(self.decay_rate, np.floor(done) if self.staircase else done)


@_schedules.add()
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
        A name of your own.

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
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _steps("decay_steps", decay_steps)
        self.decay_rate = _rate("decay_rate", decay_rate)
        self.staircase = check_bool("staircase", staircase)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        done = step / self.decay_steps
        return self.initial_learning_rate / (1.0 + self.decay_rate * (np.floor(done) if self.staircase else done))


@_schedules.add()
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
        A name of your own.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.InverseScaling(0.1)([0, 3, 99])
    array([0.1 , 0.05, 0.01])
    """

    def __init__(
        self, initial_learning_rate: float, power: float = 0.5, unit: float = 1.0, name: str = "InverseScaling"
    ) -> None:
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.power = check_number("power", power, minimum=0.0)
        self.unit = check_number("unit", unit, minimum=1e-12)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        return self.initial_learning_rate / (1.0 + step / self.unit) ** self.power


@_schedules.add()
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` for the steps after ``boundaries[i - 1]``, up to and with ``boundaries[i]``.

    Parameters
    ----------
    boundaries : sequence of float
        The last step of each value but the last, in increasing order.
    values : sequence of float
        The learning rates, one more than boundaries.
    name : str, default "PiecewiseConstant"
        A name of your own.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001])([0, 10, 11, 20, 21])
    array([0.1  , 0.1  , 0.01 , 0.01 , 0.001])
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        self.boundaries = [check_number("every one of boundaries", boundary) for boundary in boundaries]
        self.values = [_rate("every one of values", value) for value in values]
        self.name = name
        if len(self.values) != len(self.boundaries) + 1:
            raise ValueError(
                f"values must have one entry more than boundaries; got {len(self.values)} and {len(self.boundaries)}"
            )
        if self.boundaries != sorted(self.boundaries):
            raise ValueError(f"boundaries must be in increasing order; got {describe(boundaries)}")

    def _values(self, step: Floats) -> Floats:
        return np.asarray(np.array(self.values)[np.searchsorted(self.boundaries, step)])


@_schedules.add()
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
        A name of your own.

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
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _steps("decay_steps", decay_steps)
        self.end_learning_rate = _rate("end_learning_rate", end_learning_rate)
        self.power = _rate("power", power)
        self.cycle = check_bool("cycle", cycle)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        cycles = np.maximum(np.ceil(step / self.decay_steps), 1.0) if self.cycle else 1.0
        left = 1.0 - np.minimum(step / (self.decay_steps * cycles), 1.0)
        return (self.initial_learning_rate - self.end_learning_rate) * left**self.power + self.end_learning_rate


def _cosine(done: Floats) -> Floats:
    """Return half a period of the cosine, from 1 at the start to 0 at the end."""
    return 0.5 * (1.0 + np.cos(np.pi * done))


@_schedules.add()
class CosineDecay(LearningRateSchedule):
    """Half a cosine down, after a straight line up on request: Loshchilov and Hutter (2017), arXiv:1608.03983.

    With ``done = min(step, decay_steps) / decay_steps`` the learning rate is
    ``initial_learning_rate * ((1 - alpha) * (1 + cos(pi * done)) / 2 + alpha)``. With a `warmup_target` it goes in a
    straight line from `initial_learning_rate` to `warmup_target` first, and the cosine starts from there.

    Parameters
    ----------
    initial_learning_rate : float
        The learning rate of step 0.
    decay_steps : float
        How many steps the cosine takes; the warm-up is not counted.
    alpha : float, default 0.0
        The share of the largest learning rate that is left at the end.
    name : str, default "CosineDecay"
        A name of your own.
    warmup_target : float, optional
        The learning rate at the end of the warm-up; None for no warm-up.
    warmup_steps : int, default 0
        How many steps the warm-up takes.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.CosineDecay(0.0, decay_steps=100, warmup_target=0.1, warmup_steps=10)([0, 5, 10, 60, 110])
    array([0.  , 0.05, 0.1 , 0.05, 0.  ])
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _steps("decay_steps", decay_steps)
        self.alpha = _rate("alpha", alpha)
        self.name = name
        self.warmup_target = None if warmup_target is None else _rate("warmup_target", warmup_target)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, minimum=0)

    def _values(self, step: Floats) -> Floats:
        first, peak, warmup = self.initial_learning_rate, self.warmup_target, self.warmup_steps
        if peak is None:
            peak, warmup = first, 0
        done = np.clip((step - warmup) / self.decay_steps, 0.0, 1.0)
        falling = peak * ((1.0 - self.alpha) * _cosine(done) + self.alpha)
        rising = first + (peak - first) * step / max(warmup, 1)
        return np.where(step < warmup, rising, falling)


@_schedules.add()
class CosineDecayRestarts(LearningRateSchedule):
    """Half cosines down, one after the other: SGDR, Loshchilov and Hutter (2017), arXiv:1608.03983.

    Parameters
    ----------
    initial_learning_rate : float
        The learning rate of step 0.
    first_decay_steps : float
        How many steps the first cosine takes.
    t_mul : float, default 2.0
        How many times as long each cosine is as the one before, at least 1.
    m_mul : float, default 1.0
        How many times as high each cosine starts as the one before.
    alpha : float, default 0.0
        The share of the largest learning rate that is added to the cosine times ``1 - alpha``.
    name : str, default "SGDRDecay"
        A name of your own.

    Examples
    --------
    >>> import fastnet as fn
    >>> fn.schedules.CosineDecayRestarts(0.1, first_decay_steps=100, m_mul=0.5)([0, 50, 100, 200, 300])
    array([0.1  , 0.05 , 0.05 , 0.025, 0.025])
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = _rate("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = _steps("first_decay_steps", first_decay_steps)
        self.t_mul = check_number("t_mul", t_mul, minimum=1.0)
        self.m_mul = _rate("m_mul", m_mul)
        self.alpha = _rate("alpha", alpha)
        self.name = name

    def _values(self, step: Floats) -> Floats:
        done = step / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = np.floor(done)
            done = done - restarts
        else:
            # The first `restarts` cosines take (t_mul**restarts - 1) / (t_mul - 1) times first_decay_steps. Rounding of
            # the logarithm must not put the first step of a cosine at the end of the one before.
            restarts = np.floor(np.log1p(done * (self.t_mul - 1.0)) / np.log(self.t_mul) + 1e-9)
            length = self.t_mul**restarts
            done = (done - (length - 1.0) / (self.t_mul - 1.0)) / length
        height = self.m_mul**restarts * _cosine(done)
        return self.initial_learning_rate * ((1.0 - self.alpha) * height + self.alpha)


@_schedules.add()
class OneCycle(LearningRateSchedule):
    """Up and further down again: "super-convergence", Smith and Topin (2018), arXiv:1708.07120.

    The learning rate goes from ``max_learning_rate / div_factor`` at step 0 to `max_learning_rate` at step
    ``pct_start * total_steps - 1`` and from there to ``max_learning_rate / div_factor / final_div_factor`` at step
    ``total_steps - 1``, where it stays. These are the values of PyTorch's `OneCycleLR`; the momentum does not cycle.

    Parameters
    ----------
    max_learning_rate : float
        The largest learning rate.
    total_steps : int
        The number of batches of the whole training: ``epochs * ceil(samples / batch_size)``.
    pct_start : float, default 0.3
        The share of the steps in which the rate rises.
    div_factor : float, default 25.0
        How many times smaller the rate is at the start than at its largest.
    final_div_factor : float, default 10000.0
        How many times smaller the rate is at the end than at the start.
    anneal_strategy : {"cos", "linear"}, default "cos"
        Whether each way is half a cosine or a straight line.
    name : str, default "OneCycle"
        A name of your own.

    Examples
    --------
    >>> import fastnet as fn
    >>> schedule = fn.schedules.OneCycle(0.5, total_steps=101, pct_start=51 / 101, final_div_factor=1, div_factor=5)
    >>> schedule([0, 25, 50, 75, 100, 200])
    array([0.1, 0.3, 0.5, 0.3, 0.1, 0.1])
    """

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        anneal_strategy: str = "cos",
        name: str = "OneCycle",
    ) -> None:
        self.max_learning_rate = _rate("max_learning_rate", max_learning_rate)
        self.total_steps = check_integer("total_steps", total_steps)
        self.pct_start = check_number("pct_start", pct_start, minimum=0.0, maximum=1.0)
        self.div_factor = check_number("div_factor", div_factor, minimum=1.0)
        self.final_div_factor = check_number("final_div_factor", final_div_factor, minimum=1.0)
        self.anneal_strategy = check_choice("anneal_strategy", anneal_strategy, ["cos", "linear"])
        self.name = name

    def _values(self, step: Floats) -> Floats:
        first = self.max_learning_rate / self.div_factor
        last_step = self.total_steps - 1
        peak_step = self.pct_start * self.total_steps - 1
        step = np.minimum(step, last_step)
        rises = step < peak_step
        start = np.where(rises, first, self.max_learning_rate)
        end = np.where(rises, self.max_learning_rate, first / self.final_div_factor)
        # A way without steps has length 0 and is not taken.
        done = np.where(rises, step / (peak_step or 1.0), (step - peak_step) / ((last_step - peak_step) or 1.0))
        left = _cosine(done) if self.anneal_strategy == "cos" else 1.0 - done
        return end + (start - end) * left

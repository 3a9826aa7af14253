"""Schedules along half a cosine, with restarts, and up and down again."""

import numpy as np

from fastnet.schedules.base import Floats, LearningRateSchedule, rate, schedules, steps
from fastnet.support.validation import check_choice, check_integer, check_number

__all__ = ["CosineDecay", "CosineDecayRestarts", "OneCycle"]


def _cosine(done: Floats) -> Floats:
    """Return half a period of the cosine, from 1 at the start to 0 at the end."""
    return 0.5 * (1.0 + np.cos(np.pi * done))


@schedules.add()
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
        Optional name.
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
        self.initial_learning_rate = rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = steps("decay_steps", decay_steps)
        self.alpha = rate("alpha", alpha)
        self.name = name
        self.warmup_target = None if warmup_target is None else rate("warmup_target", warmup_target)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, minimum=0)

    def _values(self, step: Floats) -> Floats:
        first, peak, warmup = self.initial_learning_rate, self.warmup_target, self.warmup_steps
        if peak is None:
            peak, warmup = first, 0
        done = np.clip((step - warmup) / self.decay_steps, 0.0, 1.0)
        falling = peak * ((1.0 - self.alpha) * _cosine(done) + self.alpha)
        rising = first + (peak - first) * step / max(warmup, 1)
        return np.where(step < warmup, rising, falling)


@schedules.add()
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
        Optional name.

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
        self.initial_learning_rate = rate("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = steps("first_decay_steps", first_decay_steps)
        self.t_mul = check_number("t_mul", t_mul, minimum=1.0)
        self.m_mul = rate("m_mul", m_mul)
        self.alpha = rate("alpha", alpha)
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


@schedules.add()
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
        Optional name.

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
        self.max_learning_rate = rate("max_learning_rate", max_learning_rate)
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

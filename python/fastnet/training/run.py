"""The state of a run of `fit`: its plan and its progress."""

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnet.callbacks.base import Logs
from fastnet.callbacks.history import History
from fastnet.callbacks.running import CallbackList
from fastnet.inputs.batches import Batches
from fastnet.inputs.samples import Samples
from fastnet.inputs.windows import Data
from fastnet.layers.weights import Network
from fastnet.training.stepping import Stepper


class Watch(Protocol):
    """Observer of a run with `debug`."""

    def after_epoch(self, epoch: int) -> None:
        """Check the model after an epoch."""

    def not_finite(
        self, epoch: int, batch: int, before: NDArray[Any], samples: Samples, order: NDArray[np.int64] | None
    ) -> None:
        """Diagnose a step after which the loss or a weight is not finite; `before`: the weights before it."""


class Plan(NamedTuple):
    """The data and settings of a run of `fit`."""

    data: Data
    validation: Data | None
    batch_size: int
    epochs: range
    shuffle: bool
    steps: int | None
    validation_steps: int | None
    validation_batch_size: int
    validates: Callable[[int], bool]
    max_time: float | None
    watch: Watch | None = None
    shards: int | None = None  # of every batch, if training is distributed

    def without_given(self) -> "Plan":
        """Return the plan without references to samples that have been copied."""
        data, validation = self.data, self.validation
        if isinstance(data, Samples):
            data = data.without_given()
        if isinstance(validation, Samples):
            validation = validation.without_given()
        if data is self.data and validation is self.validation:
            return self
        return self._replace(data=data, validation=validation)

    @property
    def all_steps(self) -> int | None:
        """The number of batches in one pass over the data, if it is known."""
        return self.data.steps if isinstance(self.data, Batches) else -(-len(self.data) // self.batch_size)

    @property
    def steps_per_epoch(self) -> int | None:
        """The number of batches in an epoch, if it is known."""
        steps, most = self.steps, self.all_steps
        return most if steps is None else steps if most is None else min(steps, most)

    def batches_passed(self, epoch: int) -> int:
        """Return how many batches of the current pass over the data earlier epochs took.

        As in Keras, an epoch continues where the previous one stopped, and ends with the data at the latest. Then the
        data start over, in a new order if they are shuffled.
        """
        if self.steps is None or self.all_steps is None:
            return 0
        return (epoch - self.epochs.start) % -(-self.all_steps // self.steps) * self.steps


class Position:
    """Progress of a run between two steps.

    Attributes
    ----------
    epoch, steps : int
        The current epoch, and how many of its steps are done.
    loss, metric : float
        Sums over the `rows` of those steps.
    bad : int
        The first step whose loss was not finite, or -1.
    rate : float or None
        The learning rate of the epoch, unless it follows a schedule.
    random : dict
        The state of the model's generator before it drew the current order of the data.
    validations : int
        The number of validations so far.
    """

    def __init__(
        self,
        epoch: int,
        steps: int = 0,
        loss: float = 0.0,
        metric: float = 0.0,
        rows: int = 0,
        bad: int = -1,
        rate: float | None = None,
        random: dict[str, Any] | None = None,
        validations: int = 0,
    ) -> None:
        self.epoch, self.steps, self.rows = epoch, steps, rows
        self.loss, self.metric, self.bad = loss, metric, bad
        self.rate, self.random, self.validations = rate, random or {}, validations

    @property
    def done(self) -> tuple[int, float, float, int]:
        """The progress within the epoch, in the core's form."""
        return self.steps, self.loss, self.metric, self.bad

    def next_epoch(self) -> None:
        """Go on to the next epoch."""
        self.epoch += 1
        self.steps, self.loss, self.metric, self.rows, self.bad = 0, 0.0, 0.0, 0, -1


class Run:
    """One run of `fit`.

    Attributes
    ----------
    position : Position
        The progress.
    logs : dict
        The logs of the last complete epoch.
    best, best_values : float, ndarray or None
        The loss of the best epoch so far, and the weights after it.
    started : float
        The start time, moved by the time spent before an interruption.
    """

    def __init__(
        self, model: Stepper, plan: Plan, callbacks: CallbackList, history: History, position: Position
    ) -> None:
        self.model, self.plan, self.callbacks, self.history = model, plan, callbacks, history
        self.position = position
        self.logs: Logs = {}
        self.best = math.inf
        self.best_values: NDArray[np.floating] | None = None
        self.started = time.perf_counter()

    @property
    def network(self) -> Network:
        """The compiled network that is trained."""
        assert self.model._network is not None
        return self.model._network

    @property
    def finished_steps(self) -> int:
        """The number of steps since the model was compiled."""
        return self.network.finished_steps

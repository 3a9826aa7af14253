"""Learning rates that are a function of the epoch."""

from collections.abc import Callable
from typing import Any

from fastnet.callbacks.base import Logs, WithArguments, say
from fastnet.support.validation import check_number, describe


class LearningRateScheduler(WithArguments):
    """Set the learning rate of every epoch.

    The history records "learning_rate". A schedule of `fastnet.schedules`, which an optimizer takes, changes it with
    every batch instead.

    Parameters
    ----------
    schedule : callable
        ``schedule(epoch, learning_rate)`` returns the rate of an epoch, counted from 0, given the previous rate; a
        function of the epoch alone is accepted, too.
    verbose : {0, 1}, default 0
        Whether to print the learning rate.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(1, input_shape=(2,))], seed=0)
    >>> model.compile(fn.optimizers.SGD(0.5), "mse")
    >>> halve = fn.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    >>> model.fit(np.ones((4, 2)), np.ones(4), epochs=2, verbose=0, callbacks=[halve]).history["learning_rate"]
    [0.25, 0.125]
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise TypeError(f"schedule must be a function of the epoch and the learning rate; got {describe(schedule)}")
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        try:
            rate = self.schedule(epoch, self.model.optimizer.learning_rate)
        except TypeError:  # as in Keras, for a function of the epoch alone
            rate = self.schedule(epoch)
        self.model.optimizer.learning_rate = check_number("the result of schedule", rate, minimum=0.0)
        if self.verbose:
            say(f"Epoch {epoch + 1}: LearningRateScheduler setting learning rate to {float(rate)}.")

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        if logs is not None:
            logs["learning_rate"] = self.model.optimizer.learning_rate

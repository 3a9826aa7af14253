"""The loop of `fit`: epochs, validation, a budget of time, interruption, and the best weights so far."""

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fastnet._data_adapter import Samples
from fastnet._data_batches import Batches
from fastnet._weights import finite
from fastnet.callbacks.base import Logs
from fastnet.callbacks.history import History
from fastnet.callbacks.running import CallbackList
from fastnet.exceptions import NonFiniteLossWarning

if TYPE_CHECKING:
    from fastnet._doctor import Watch
    from fastnet._training import Trainer

_TRAIN_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")

_REPORT_SECONDS = 0.05
_ESTIMATE_SECONDS = 0.25  # of training, from which the time of the rest is told
_FORWARD_SHARE = 0.35  # of the time of training on a sample, to evaluate it


@dataclass(frozen=True)
class Plan:
    """What a run of `fit` is to do."""

    data: Samples | Batches
    validation: Samples | Batches | None
    batch_size: int
    epochs: range
    shuffle: bool
    steps: int | None
    validation_steps: int | None
    validation_batch_size: int
    validates: Callable[[int], bool]
    max_time: float | None
    watch: "Watch | None" = None

    @property
    def steps_per_epoch(self) -> int | None:
        """The number of batches in an epoch, where it is known."""
        if isinstance(self.data, Batches):
            known = self.data.steps
        else:
            known = -(-len(self.data) // self.batch_size)
        given = [steps for steps in (self.steps, known) if steps is not None]
        return min(given) if given else None


class Fitting:
    """One run of `fit`."""

    def __init__(self, model: "Trainer", plan: Plan, callbacks: CallbackList) -> None:
        self._model = model
        self._plan = plan
        self._callbacks = callbacks
        self.history: History = callbacks.history
        self._started = time.perf_counter()
        self._first_report: tuple[float, int] | None = None
        self._seconds_known = False
        self._ends_early = False
        self._warned = False
        self._partial_loss = math.nan
        self._best = math.inf
        self._best_values: NDArray[np.floating] | None = None

    def run(self) -> History:
        """Train, and return the history; Ctrl-C and the end of the time keep the best weights."""
        model, callbacks = self._model, self._callbacks
        logs: Logs = {}
        model.stop_training = False
        callbacks.call("on_train_begin", logs)
        try:
            for epoch in self._plan.epochs:
                logs = self._epoch(epoch, logs)
                if model.stop_training or self._ends_early:
                    break
        except KeyboardInterrupt:
            self.history.interrupted = True
            self._keep_the_best()
        else:
            if not self._ends_early:
                model._use_average()
        finally:
            callbacks.call("on_train_end", logs)
        return self.history

    def _epoch(self, epoch: int, logs: Logs) -> Logs:
        """Run an epoch and its validation; return its logs, or those of the epoch before where it is cut short."""
        plan, callbacks = self._plan, self._callbacks
        callbacks.call("on_epoch_begin", epoch, {})
        self._partial_loss = math.nan
        latest = self._train(epoch)
        if self._ends_early:
            self._partial_loss = latest.get("loss", math.nan)
            self.history.out_of_time = True
            self._keep_the_best()
            return logs
        if plan.validation is not None and plan.validates(epoch + 1):
            results = self._model._evaluate_any(
                plan.validation, plan.validation_batch_size, callbacks, plan.validation_steps, of=" of validation_data"
            )
            latest |= {f"val_{name}": value for name, value in results.items()}
        if self._model.optimizer.scheduled:
            latest["learning_rate"] = self._model.optimizer.learning_rate
        self._remember_if_best(latest)
        if plan.watch is not None:
            plan.watch.after_epoch(epoch)
        callbacks.call("on_epoch_end", epoch, latest)
        self._tell_time(len(plan.epochs) * (time.perf_counter() - self._started) / (len(self.history.epoch) or 1))
        if plan.max_time is not None and time.perf_counter() - self._started >= plan.max_time:
            self._ends_early = self.history.out_of_time = True
            self._keep_the_best()
        return latest

    # --- One epoch ---

    def _train(self, epoch: int) -> Logs:
        """Run the steps of one epoch and return their running means."""
        plan, model = self._plan, self._model
        model._reset_metrics()
        generator = model._generator
        if isinstance(plan.data, Batches):
            return self._by_batches(epoch, plan.data)
        data = plan.data
        order = generator.permutation(len(data)) if plan.shuffle else None
        if plan.steps is not None:
            order = (np.arange(len(data)) if order is None else order)[: plan.steps * plan.batch_size]
        if plan.watch is not None or self._callbacks.override(*_TRAIN_BATCH_HOOKS):
            return self._one_by_one(epoch, data, np.arange(len(data)) if order is None else order)
        report = self._reporter(epoch, 0)
        interval = _REPORT_SECONDS if plan.max_time is None else 0.0
        steps, loss, metric, bad = model._step(data, order, plan.batch_size, report, interval)
        self._warn_if_not_finite(epoch, bad, steps)
        return model._logs(loss, metric)

    def _one_by_one(self, epoch: int, data: Samples, order: NDArray[np.int64]) -> Logs:
        """Run an epoch batch by batch, for callbacks that want to see each."""
        size = self._plan.batch_size
        batches = (order[start : start + size] for start in range(0, len(order), size))
        return self._steps(epoch, ((data, rows, len(rows)) for rows in batches))

    def _by_batches(self, epoch: int, source: Batches) -> Logs:
        """Run an epoch of batches that come from somewhere else."""
        order = self._model._generator.permutation if self._plan.shuffle else None
        batches = (
            self._model._samples(*batch, of=f" of batch {number}")
            for number, batch in enumerate(source.epoch(self._plan.steps, order), 1)
        )
        logs = self._steps(epoch, ((samples, None, len(samples)) for samples in batches))
        if not logs:
            raise ValueError("x must yield at least one batch an epoch; got none")
        return logs

    def _steps(self, epoch: int, batches: "Callable[..., object] | object") -> Logs:
        """Take a step for every (samples, order, rows) and return the running means."""
        model, callbacks = self._model, self._callbacks
        mean = model._running_mean()
        logs: Logs = {}
        for batch, (samples, order, rows) in enumerate(batches):  # type: ignore[arg-type, var-annotated]
            callbacks.call("on_train_batch_begin", batch, {})
            watch = self._plan.watch
            before = np.empty(0) if watch is None else model._values()
            _, loss, metric, bad = model._step(samples, order, rows, None, 0.0)
            if watch is None:
                self._warn_if_not_finite(epoch, batch if bad >= 0 else -1, None)
            elif bad >= 0 or not finite(model._values()):
                watch.not_finite(epoch, batch, before, samples, order)
            mean.add(rows, loss, metric)
            logs = model._logs(*mean.values)
            proceeds = self._reporter(epoch, batch)(1, self._plan.steps_per_epoch or batch + 1, *mean.values)
            callbacks.call("on_train_batch_end", batch, logs)
            if model.stop_training or not proceeds:
                break
        return logs

    def _reporter(self, epoch: int, before: int) -> Callable[[int, int, float, float], bool]:
        """Return what the core calls now and then in an epoch, `before` steps of which are done."""
        started = [time.perf_counter()]

        def report(step: int, steps: int, loss: float, metric: float) -> bool:
            now = time.perf_counter()
            self._partial_loss = loss
            self._estimate(now, epoch, before + step, steps)
            if now - started[0] >= _REPORT_SECONDS or before:
                started[0] = now
                self._callbacks.call(
                    "on_train_progress", before + step, steps, self._model._logs(loss, metric, quick=True)
                )
            limit = self._plan.max_time
            self._ends_early = limit is not None and now - self._started >= limit
            return not (self._ends_early or self._model.stop_training)

        return report

    # --- Time ---

    def _estimate(self, now: float, epoch: int, step: int, steps: int) -> None:
        """Tell how long all epochs will take, from the pace of the first steps."""
        if self._seconds_known or epoch != self._plan.epochs.start:
            return
        if self._first_report is None:
            self._first_report = (now, step)
            return
        then, steps_then = self._first_report
        if now - then >= _ESTIMATE_SECONDS and step > steps_then:
            pace = (now - then) / (step - steps_then)
            self._tell_time(len(self._plan.epochs) * pace * (steps + self._validation_in_steps()))

    def _validation_in_steps(self) -> float:
        """Return how many steps of training take as long as a validation."""
        validation = self._plan.validation
        rows = len(validation) if isinstance(validation, Samples) else 0
        return _FORWARD_SHARE * rows / self._plan.batch_size

    def _tell_time(self, seconds: float) -> None:
        if not self._seconds_known:
            self._seconds_known = True
            self.history.estimated_seconds = seconds
            self._callbacks.call("on_train_estimate", seconds)

    # --- Weights ---

    def _remember_if_best(self, logs: Logs) -> None:
        """Keep a copy of the weights where an epoch was the best by its validation, else by its loss."""
        name = "loss" if self._plan.validation is None else "val_loss"
        if logs.get(name, math.inf) < self._best:
            self._best = logs[name]
            self._best_values = self._model._values()

    def _keep_the_best(self) -> None:
        """Give the model its best weights.

        Without validation the epoch in progress counts with its loss so far; with one, only validated epochs do.
        """
        if self._best_values is None:
            return
        if self._plan.validation is not None or not self._partial_loss <= self._best:
            self._model._set_values(self._best_values)

    def _warn_if_not_finite(self, epoch: int, batch: int, steps: int | None) -> None:
        if batch < 0 or self._warned:
            return
        self._warned = True
        of = "" if steps is None else f" of {steps}"
        warnings.warn(
            f"the loss is not finite from epoch {epoch + 1}, batch {batch + 1}{of} on: try a smaller learning rate or "
            "clipnorm, and fit(debug=True), which names the layer",
            NonFiniteLossWarning,
            stacklevel=4,
        )

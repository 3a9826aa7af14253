"""The training loop of `fit`: epochs, validation, time limit, interruption, and the best weights so far."""

import math
import time
import warnings
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from fastnet.callbacks.base import Logs
from fastnet.callbacks.history import History
from fastnet.exceptions import NonFiniteLossWarning
from fastnet.inputs.batches import Batches, warn_of_few
from fastnet.inputs.samples import Samples
from fastnet.inputs.windows import Data, Window
from fastnet.layers.weights import finite
from fastnet.training.checkpoints import Checkpoints
from fastnet.training.figures import RunningMean
from fastnet.training.passes import Pass
from fastnet.training.ranks import INTERRUPTED, OUT_OF_TIME, STOPPED, shared
from fastnet.training.run import Run

_TRAIN_BATCH_HOOKS = ("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end")

_REPORT_SECONDS = 0.05
_ESTIMATE_SECONDS = 0.25  # of training, from which the time for the rest is estimated
_FORWARD_SHARE = 0.35  # the time to evaluate a sample, relative to training on it


class Fitting:
    """Training loop of one run of `fit`."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._model, self._plan, self._callbacks, self._history = run.model, run.plan, run.callbacks, run.history
        self._first_report: tuple[float, int] | None = None
        self._seconds_known = False
        self._ends_early = False
        self._agreed = 0  # why training ends on all ranks, as flags
        self._warned: set[object] = set()
        self._pass = Pass(run.plan)
        self._partial_loss = math.nan
        run.model.stop_training = False
        self._ranks, self._sharding = shared(run, self._wishes, self._obey)
        self._checkpoints = Checkpoints(run, run.callbacks.backup)

    def run(self) -> History:
        """Train, and return the history; after Ctrl-C or the time limit the model gets its best weights."""
        model, checkpoints = self._model, self._checkpoints
        resumed = checkpoints.begin()
        if resumed:
            self._pass_over_batches()
            self._decide("the checkpoint")
        over = resumed and self._ends_epoch
        try:
            with checkpoints.holding_interrupts():
                for epoch in range(self._run.position.epoch, self._plan.epochs.stop) if not over else ():
                    self._epoch(epoch)
                    if self._ends_epoch:
                        break
                if self._ranks is not None:
                    self._ranks.agree("the end of training")
                checkpoints.after_last_epoch(complete=not self._ends_early)
        except KeyboardInterrupt:
            if self._ranks is not None and not self._agreed & INTERRUPTED:
                raise  # the second Ctrl-C, which does not wait for the other ranks
            self._history.interrupted = True
            self._keep_the_best()
        else:
            self._history.out_of_time = self._ends_early
            if self._ends_early:
                self._keep_the_best()
                self._record_partial_epoch()
            else:
                model._use_average()
        finally:
            self._pass.end_reading()
            checkpoints.close()
            self._callbacks.call("on_train_end", self._run.logs)
        if not (self._history.interrupted or self._ends_early):
            checkpoints.after_training()
        return self._history

    def _epoch(self, epoch: int) -> None:
        """Run an epoch, or the rest of one, and its validation, unless training ends early."""
        plan, callbacks = self._plan, self._callbacks
        if not self._run.position.steps:
            callbacks.call("on_epoch_begin", epoch, {})
        self._partial_loss = math.nan
        latest = self._train(epoch)
        if self._ends_early or not latest:
            self._partial_loss = latest.get("loss", math.nan)
            return
        if plan.validation is not None and plan.validates(epoch + 1):
            with self._checkpoints.validating():
                figures = self._validate(plan.validation)
            latest |= figures
            self._run.position.validations += 1
        figures = dict(latest)
        latest |= self._scheduled_rate()
        is_best = self._remember_if_best(latest)
        if plan.watch is not None:
            plan.watch.after_epoch(epoch)
        callbacks.call("on_epoch_end", epoch, latest)
        self._report_estimate(
            len(plan.epochs) * (time.perf_counter() - self._run.started) / (len(self._history.epoch) or 1)
        )
        self._run.logs = latest
        self._decide(f"the end of epoch {epoch + 1}", figures)
        self._run.position.next_epoch()
        self._checkpoints.after_epoch(best=is_best)

    def _record_partial_epoch(self) -> None:
        """Give the history the figures of the epoch that the time limit cut, over its steps so far."""
        position = self._run.position
        if position.steps:
            means = position.loss / position.rows, position.metric / position.rows
            self._history.on_epoch_end(
                position.epoch, self._model._compiled("training").logs(*means) | self._scheduled_rate()
            )

    def _scheduled_rate(self) -> Logs:
        """Return the learning rate for the logs, if it follows a schedule."""
        optimizer = self._model.optimizer
        return {"learning_rate": optimizer.learning_rate} if optimizer.scheduled else {}

    # --- One epoch ---

    def _train(self, epoch: int) -> Logs:
        """Run the steps of one epoch and return their running means."""
        plan, model, position = self._plan, self._model, self._run.position
        generator, data = model._generator, plan.data
        if not position.steps:
            compilation = model._compiled("training")
            compilation.reset()
            optimizer = compilation.optimizer
            position.rate = None if optimizer.scheduled else optimizer.learning_rate
        passed = plan.batches_passed(epoch)
        if not position.steps and not passed:
            self._pass.start_over()
            if self._checkpoints.wanted:
                position.random = dict(generator.bit_generator.state)
        self._pass.draw(generator)
        if isinstance(data, Batches):
            return self._by_batches(data, passed)
        rows = len(data)
        if plan.steps is not None:
            rows = min(plan.steps * plan.batch_size, rows - passed * plan.batch_size)
            self._warn_of_few("x", -(-rows // plan.batch_size), "steps_per_epoch", plan.steps)
        window_at = self._pass.windows(data, rows, passed)
        one_by_one = plan.watch is not None or self._callbacks.override(*_TRAIN_BATCH_HOOKS)
        if one_by_one if self._ranks is None else self._ranks.any(one_by_one, f"the beginning of epoch {epoch + 1}"):
            logs = self._one_by_one(rows, window_at)
        else:
            logs = self._as_a_whole(epoch, rows, window_at)
        if passed * plan.batch_size + rows == len(data):
            self._pass.end_reading()  # which frees memory for the validation
        return logs

    def _as_a_whole(self, epoch: int, rows: int, window_at: Callable[[int], Window]) -> Logs:
        """Run an epoch in the core, window by window, with pauses for checkpoints."""
        plan, model, position, checkpoints = self._plan, self._model, self._run.position, self._checkpoints
        steps = -(-rows // plan.batch_size)
        window: Window | None = None
        report = self._reporter(epoch, 0)
        interval = min(_REPORT_SECONDS if plan.max_time is None else 0.0, checkpoints.interval)
        while True:
            if window is None or window.last <= position.steps < steps:
                window = window_at(min(position.steps, steps - 1))
                rates: float | NDArray[np.float64] | None = position.rate
                if rates is None:  # a schedule is evaluated for a whole window, wherever it was cut
                    count = window.last - window.first
                    rates = model.optimizer.learning_rates(count, position.steps - window.first)
            done, loss, metric, bad, sums = model._step(
                window.samples,
                window.order,
                plan.batch_size,
                report,
                interval,
                rates,
                position.done,
                checkpoints.end,
                (window.first, rows),
                self._sharding,
            )
            position.steps, position.bad, (position.loss, position.metric) = done, bad, sums
            position.rows = min(done * plan.batch_size, rows)
            self._partial_loss = loss
            if done == steps or self._ends_epoch:
                break
            checkpoints.save_if_due()
        self._warn_if_not_finite(epoch, bad, done)
        return model._compiled("training").logs(loss, metric)

    def _one_by_one(self, rows: int, window_at: Callable[[int], Window]) -> Logs:
        """Run an epoch batch by batch, for callbacks with hooks for batches."""
        size = self._plan.batch_size

        def batches() -> Iterator[tuple[Samples, NDArray[np.int64], int]]:
            for step in range(self._run.position.steps, -(-rows // size)):
                window = window_at(step)
                begin, count = (step - window.first) * size, min(size, rows - step * size)
                every = np.arange(begin, begin + count)
                yield window.samples, every if window.order is None else window.order[every], count

        return self._steps(batches())

    def _by_batches(self, source: Batches, passed: int) -> Logs:
        """Run an epoch of batches from a source; end training once the source is exhausted."""
        steps, done = self._plan.steps, self._run.position.steps
        batches: Iterable[Samples] = (
            self._model._training_samples(*batch, of=f" of batch {number}")
            for number, batch in enumerate(source.epoch(steps, self._pass.order, passed, done), done + 1)
        )
        if self._ranks is not None:
            batches = map(self._ranks.same_batch, batches)
        logs = self._steps((samples, None, len(samples)) for samples in batches)
        if not self._ends_epoch:
            if not logs and not self._history.epoch:
                raise ValueError(f"{source.name} must yield at least one batch; got none")
            self._warn_of_few("x", self._run.position.steps, "steps_per_epoch", steps, ends=source.ends)
            if source.ends and self._run.position.steps < (steps or 1):
                self._model.stop_training = True
        return logs

    def _validate(self, data: Data) -> Logs:
        """Return the results of a validation; empty once its source of batches is exhausted."""
        plan = self._plan
        size, steps = plan.validation_batch_size, plan.validation_steps
        division = None if self._ranks is None else self._ranks.division_of_validation(self._callbacks)
        arguments = data, size, self._callbacks, steps, " of validation_data", division
        results, done = self._model._evaluate_any(*arguments)
        if not (done or self._run.position.validations):
            raise ValueError("validation_data must have at least one batch; got none")
        self._warn_of_few("validation_data", done, "validation_steps", steps, ends=not done)
        return {f"val_{name}": value for name, value in results.items()}

    def _warn_of_few(self, source: str, done: int, argument: str, wanted: int | None, *, ends: bool = False) -> None:
        """Warn once if there are fewer batches than requested; `ends`: the source is exhausted."""
        if done >= (wanted or 1) or (source, ends) in self._warned:
            return
        self._warned.add((source, ends))
        epoch = f"epoch {self._run.position.epoch + 1}"
        if source == "x":
            then = "training ends" if ends else f"{epoch} ends with the data, and the next one starts over"
        else:
            then = f"there is no validation from {epoch} on" if ends else "only they are evaluated"
        remedy = f": give an object that can be iterated again, or {argument} * epochs batches" if ends else ""
        warn_of_few(source, done, argument, wanted, then + remedy)

    def _pass_over_batches(self) -> None:
        """Advance the sources of batches past the epochs that are done."""
        plan, position = self._plan, self._run.position
        if isinstance(plan.data, Batches):
            plan.data.pass_over(position.epoch - plan.epochs.start, plan.steps, position.steps)
        if isinstance(plan.validation, Batches):
            for _ in range(position.validations):
                plan.validation.start_over()
                plan.validation.pass_over(1, plan.validation_steps)

    def _steps(self, batches: Iterable[tuple[Samples, NDArray[np.int64] | None, int]]) -> Logs:
        """Take a step for every (samples, order, rows) and return the running means."""
        model, callbacks, position, watch = self._model, self._callbacks, self._run.position, self._plan.watch
        mean = RunningMean(position.rows, position.loss, position.metric)
        logs: Logs = model._compiled("training").logs(*mean.values) if position.steps else {}
        for batch, (samples, order, rows) in enumerate(batches, position.steps):
            callbacks.call("on_train_batch_begin", batch, {})
            before = np.empty(0) if watch is None else model._values()
            _, loss, metric, bad, _ = model._step(samples, order, rows, None, 0.0, sharding=self._sharding)
            if watch is None:
                self._warn_if_not_finite(position.epoch, batch if bad >= 0 else -1, None)
            elif bad >= 0 or not finite(model._values()):
                watch.not_finite(position.epoch, batch, before, samples, order)
            mean.add(rows, loss, metric)
            logs = model._compiled("training").logs(*mean.values)
            position.steps, position.rows, (position.loss, position.metric) = batch + 1, mean.rows, mean.sums
            self._reporter(position.epoch, batch)(1, self._plan.steps_per_epoch or batch + 1, *mean.values)
            callbacks.call("on_train_batch_end", batch, logs)
            if self._ranks is not None:
                self._ranks.agree(f"the end of batch {batch + 1} of epoch {position.epoch + 1}")
            if self._ends_epoch:
                break
            self._checkpoints.save_if_due()
        return logs

    def _reporter(self, epoch: int, before: int) -> Callable[[int, int, float, float], bool]:
        """Return the progress callback for the core, for an epoch with `before` steps done."""
        started = [time.perf_counter()]

        def report(step: int, steps: int, loss: float, metric: float) -> bool:
            now = time.perf_counter()
            self._partial_loss = loss
            self._estimate(now, epoch, before + step, steps)
            if now - started[0] >= _REPORT_SECONDS or before:
                started[0] = now
                logs = self._model._compiled("training").logs(loss, metric, quick=True)
                self._callbacks.call("on_train_progress", before + step, steps, logs)
            if self._ranks is not None:
                return True  # ranks report at different times: an epoch ends in `_obey`
            self._ends_early = self._is_out_of_time()
            return not (self._ends_epoch or self._checkpoints.must_pause())

        return report

    # --- The end of training, which all ranks decide together ---

    @property
    def _ends_epoch(self) -> bool:
        """Whether training ends after this step."""
        stops = self._model.stop_training if self._ranks is None else bool(self._agreed & STOPPED)
        return self._ends_early or stops

    def _decide(self, place: str, figures: Logs | None = None) -> None:
        """Decide at a place between two epochs whether training ends."""
        if self._ranks is None:
            self._ends_early = self._is_out_of_time()
        else:
            self._ranks.agree(place, figures)

    def _wishes(self) -> int:
        """Return why training should end according to this rank, as flags."""
        stopped, over = bool(self._model.stop_training), self._is_out_of_time()
        return STOPPED * stopped | OUT_OF_TIME * over | INTERRUPTED * self._checkpoints.noted

    def _obey(self, wishes: int) -> bool:
        """Do what any rank wishes, and return whether the epoch goes on."""
        self._agreed |= wishes
        self._model.stop_training |= bool(wishes & STOPPED)
        self._ends_early |= bool(wishes & OUT_OF_TIME)
        if wishes & INTERRUPTED:
            self._checkpoints.interrupt()
        return not (wishes or self._checkpoints.must_pause())

    # --- Time ---

    def _is_out_of_time(self) -> bool:
        limit = self._plan.max_time
        return limit is not None and time.perf_counter() - self._run.started >= limit

    def _estimate(self, now: float, epoch: int, step: int, steps: int) -> None:
        """Estimate and report how long all epochs will take, from the pace of the first steps."""
        if self._seconds_known or epoch != self._plan.epochs.start:
            return
        if self._first_report is None:
            self._first_report = (now, step)
            return
        then, steps_then = self._first_report
        if now - then >= _ESTIMATE_SECONDS and step > steps_then:
            pace = (now - then) / (step - steps_then)
            self._report_estimate(len(self._plan.epochs) * pace * (steps + self._validation_in_steps()))

    def _validation_in_steps(self) -> float:
        """Return the duration of a validation, measured in training steps."""
        validation = self._plan.validation
        rows = 0 if validation is None or isinstance(validation, Batches) else len(validation)
        return _FORWARD_SHARE * rows / self._plan.batch_size

    def _report_estimate(self, seconds: float) -> None:
        if not self._seconds_known:
            self._seconds_known = True
            self._history.estimated_seconds = seconds
            self._callbacks.call("on_train_estimate", seconds)

    # --- Weights ---

    def _remember_if_best(self, logs: Logs) -> bool:
        """Copy the weights if the epoch has the lowest validation loss so far, or lowest loss without validation."""
        name = "loss" if self._plan.validation is None else "val_loss"
        is_best = logs.get(name, math.inf) < self._run.best
        if is_best:
            self._run.best = logs[name]
            self._run.best_values = self._model._values()
        return is_best

    def _keep_the_best(self) -> None:
        """Give the model its best weights.

        Without validation, the current epoch counts with its loss so far; with validation, only validated epochs count.
        """
        if self._run.best_values is None:
            return
        if self._plan.validation is not None or not self._partial_loss <= self._run.best:
            self._model._set_values(self._run.best_values)

    def _warn_if_not_finite(self, epoch: int, batch: int, steps: int | None) -> None:
        if batch < 0 or "loss" in self._warned:
            return
        self._warned.add("loss")
        of = "" if steps is None else f" of {steps}"
        warnings.warn(
            f"the loss is not finite from epoch {epoch + 1}, batch {batch + 1}{of} on: try a smaller learning rate or "
            "clipnorm, and fit(debug=True), which names the layer",
            NonFiniteLossWarning,
            stacklevel=4,
        )

"""What a run of `fit` needs to go on after a kill: where it stands, and when that is written to a checkpoint."""

import math
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fastnet._data_adapter import Samples
from fastnet._receipt import plain, sampled, shown
from fastnet.callbacks.backup import BackupAndRestore

if TYPE_CHECKING:
    from fastnet._files import Beside
    from fastnet._fitting import Fitting

__all__ = ["Checkpoints", "Position"]

OPTIMIZER_STATE, BEST_WEIGHTS = "optimizer.state", "best.weights"


class Position:
    """Where a run stands between two steps.

    Attributes
    ----------
    epoch, steps : int
        The epoch in progress, and how many of its steps are done.
    loss, metric : float
        Sums over the `rows` of those steps.
    bad : int
        The first step whose loss was not finite, or -1.
    rate : float or None
        The learning rate of the epoch, where it is one number.
    random : dict
        The state of the model's generator before it drew the order of the data that is under way.
    validations : int
        How many there were.
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
        """What of the epoch is done, as the core takes it."""
        return self.steps, self.loss, self.metric, self.bad

    def next_epoch(self) -> None:
        """Go on to the next epoch."""
        self.epoch += 1
        self.steps, self.loss, self.metric, self.rows, self.bad = 0, 0.0, 0.0, 0, -1


class Checkpoints:
    """The checkpoints of one run, as a `BackupAndRestore` wants them; nothing where there is none."""

    def __init__(self, fitting: "Fitting", backup: BackupAndRestore | None) -> None:
        self._fitting: Fitting = weakref.proxy(fitting)  # which has this object: no circle should keep the data
        self._backup = backup
        self._interrupted = False
        self._validating = False
        self._writing: Beside[None] | None = None  # training goes on while a file is on its way to the disk
        if backup is None:
            return
        self._folder = backup.folder()
        self._identity = identity(fitting, backup.identity)
        self._written_at, self._written_when = 0, 0.0
        self._written_position = (-1, 0)

    @property
    def wanted(self) -> bool:
        """Whether there will be any."""
        return self._backup is not None

    # --- Going on ---

    def begin(self) -> bool:
        """Tell the callbacks that training begins, from the newest checkpoint if there is one; return whether there is."""
        fitting, backup = self._fitting, self._backup
        if backup is None:
            fitting.callbacks.call("on_train_begin", {})
            return False
        self._folder.make()
        backup.resumed_from, backup.seconds_before = None, 0.0
        found = self._folder.newest()
        if found is None:
            fitting.callbacks.call("on_train_begin", {})
        else:
            path, state, arrays = found
            try:
                refuse_another(path.name, state, self._identity)
                self._go_on(state, arrays)
            except (AttributeError, LookupError, StopIteration, TypeError) as error:
                raise ValueError(f"cannot go on from {path}: {type(error).__name__}: {error}") from error
            backup.resumed_from, backup.seconds_before = str(path), state["seconds"]
            self._written_position = (fitting.position.epoch, fitting.position.steps)
        self._written_at, self._written_when = fitting.finished_steps, time.perf_counter()
        return found is not None

    def _go_on(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        fitting = self._fitting
        fitting.callbacks.resume(state["callbacks"])
        restore(fitting, state, arrays)
        if fitting.position.steps:
            fitting.callbacks.call("on_epoch_begin", fitting.position.epoch, {})
            # What the hook does was done before the checkpoint, too: a learning rate that was halved is not halved again.
            fitting.callbacks.set_states(state["callbacks"])
            restore(fitting, state, arrays)

    # --- Writing ---

    def must_pause(self) -> bool:
        """Return whether an epoch in the core should pause at the end of a step, for `save_if_due`."""
        backup = self._backup
        if backup is None or backup.seconds is None:
            return self._interrupted
        return self._interrupted or time.perf_counter() - self._written_when >= backup.seconds

    def _is_due(self) -> bool:
        if self._backup is None or not isinstance(every := self._backup.save_freq, int):
            return self.must_pause()
        return self.must_pause() or self._fitting.finished_steps - self._written_at >= every

    @property
    def interval(self) -> float:
        """The seconds after which `must_pause` is to be asked again."""
        backup = self._backup
        return math.inf if backup is None or backup.seconds is None else backup.seconds

    @property
    def end(self) -> int | None:
        """The step of the epoch in progress to pause before, where it can be told."""
        backup = self._backup
        if backup is None or not isinstance(backup.save_freq, int):
            return None
        since = self._fitting.finished_steps - self._written_at
        return self._fitting.position.steps + max(backup.save_freq - since, 1)

    def save_if_due(self) -> None:
        """Write a checkpoint, if it is time for one. After Ctrl-C it is, and then training is over."""
        if self._is_due():
            self._save()
            self._raise_interrupt()

    def after_epoch(self, *, best: bool) -> None:
        """Write a checkpoint at the end of an epoch, if it is time for one or the epoch is the best so far."""
        backup = self._backup
        if backup is None:
            return
        keeps = best and backup.keep_best
        if keeps or self._is_due() or (backup.save_freq == "epoch" and backup.seconds is None):
            self._save(best=keeps)
        self._raise_interrupt()

    def after_last_epoch(self, *, complete: bool) -> None:
        """Write a checkpoint of where training ended, if it is to stay and is not there."""
        backup = self._backup
        if backup is not None and not (complete and backup.delete_checkpoint):
            self._save_if_new()

    def _save_if_new(self) -> None:
        position = self._fitting.position
        if (position.epoch, position.steps) != self._written_position:
            self._save()

    def close(self) -> None:
        """Write no more."""
        self.wait()

    def after_training(self) -> None:
        """Remove the checkpoints of a training that is complete, if they are to go."""
        if self._backup is not None and self._backup.delete_checkpoint:
            self._folder.delete()

    def _save(self, *, best: bool = False) -> None:
        from fastnet._checkpoint_file import contents_of
        from fastnet._files import Beside

        fitting = self._fitting
        self._written_at, self._written_when = fitting.finished_steps, time.perf_counter()
        self._written_position = (fitting.position.epoch, fitting.position.steps)
        state, arrays = state_of(fitting)
        contents = contents_of({"run": self._identity, **state}, arrays)
        self.wait()
        self._writing = Beside(partial(self._folder.write, contents, *self._written_position, best=best))

    def wait(self) -> None:
        """Wait until the last checkpoint is on the disk."""
        writing, self._writing = self._writing, None
        try:
            if writing is not None:
                writing.result()
        except OSError as error:  # such as a full disk, which is no reason to lose what was trained
            warnings.warn(f"{error}; training goes on without this checkpoint", RuntimeWarning, stacklevel=2)

    # --- Ctrl-C ---

    def holding_interrupts(self) -> AbstractContextManager[None]:
        """Let Ctrl-C wait until the step in progress is done and a checkpoint written; a second one does not wait."""
        return nullcontext() if self._backup is None else self._holding()

    @contextmanager
    def _holding(self) -> Iterator[None]:
        from fastnet._interrupts import interrupts_held

        def note() -> None:
            self._interrupted = True
            if self._validating:
                raise KeyboardInterrupt

        with interrupts_held(note):
            yield
            self._raise_interrupt()

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Let Ctrl-C end a validation at once; the checkpoint that it writes is of the moment before the validation."""
        if self._backup is None:
            yield
            return
        metrics = [(metric, metric.get_state()) for _, metric in _metrics_of(self._fitting)]
        try:
            self._validating = True
            self._raise_interrupt()
            yield
        except KeyboardInterrupt:
            for metric, state in metrics:
                metric.set_state(state)
            self._save_if_new()
            self.wait()
            raise
        finally:
            self._validating = False

    def _raise_interrupt(self) -> None:
        if self._interrupted:
            self._interrupted = False
            self.wait()
            raise KeyboardInterrupt


# --- The state of a run ----------------------------------------------------------------------------------------------


def state_of(fitting: "Fitting") -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return what training needs to go on, as it is at one moment.

    The large arrays, which nothing changes, are apart: the weights by the names that they have in a model file, and others.
    """
    from fastnet.serialization import tensor_names

    model: Any = fitting.model
    values, steps, optimizer, seeds = fitting.network.get_state()
    arrays = dict(zip(tensor_names(model), model._weights.views(values), strict=True))
    arrays[OPTIMIZER_STATE] = optimizer
    if fitting.best_values is not None:
        arrays[BEST_WEIGHTS] = fitting.best_values
    state = {
        "position": dict(vars(fitting.position)),
        "seconds": time.perf_counter() - fitting.started,
        "stopped": model.stop_training,
        "logs": fitting.logs,
        "random": model._generator.bit_generator.state,
        "seeds": seeds,
        "optimizer": {
            "steps": steps,
            "learning_rate": model.optimizer.get_config()["learning_rate"],
        },
        "metrics": {name: metric.get_state() for name, metric in _metrics_of(fitting)},
        "best": fitting.best,
        "callbacks": fitting.callbacks.states(),
        "initial_weights": model._receipt.initial_weights,
        "layers": model._settings().as_dict(),
        # With what has changed since the run began.
        "now": {"model": model.get_config(), "compile": model.get_compile_config()},
    }
    return state, arrays


def restore(fitting: "Fitting", state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Put the model and the run into a state; callbacks have theirs already."""
    from fastnet.serialization import tensor_names

    optimizer, network = state["optimizer"], fitting.network
    model: Any = fitting.model
    model._apply_settings(state["layers"])
    model._trainable_network("fit", None)
    values = model._weights.joined([arrays[name] for name in tensor_names(model)])
    network.set_state(values, optimizer["steps"], arrays[OPTIMIZER_STATE], state["seeds"])
    model.optimizer._count(network.finished_steps)
    if optimizer["learning_rate"] != plain(model.optimizer.get_config()["learning_rate"]):
        model.optimizer.learning_rate = optimizer["learning_rate"]
    fitting.position = position = Position(**state["position"])
    for name, metric in _metrics_of(fitting):
        metric.set_state(state["metrics"][name])
    # In the middle of the data their order is drawn once more.
    under_way = position.steps or fitting.plan.batches_passed(position.epoch)
    model._generator.bit_generator.state = position.random if under_way else state["random"]
    model.stop_training = state["stopped"]
    fitting.started = time.perf_counter() - state["seconds"]
    fitting.logs = state["logs"]
    model._receipt.initial_weights = state["initial_weights"]
    fitting.best, fitting.best_values = state["best"], arrays.get(BEST_WEIGHTS)


def _metrics_of(fitting: "Fitting") -> list[tuple[str, Any]]:
    """Return the metrics in Python that have seen some of the epoch's batches."""
    observed = fitting.model._compiled("training").observed if fitting.position.steps else {}
    return [(name, metric) for name, (metric, _) in observed.items()]


# --- Which run it is -------------------------------------------------------------------------------------------------


def identity(fitting: "Fitting", more: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same for a run to go on."""
    model: Any = fitting.model
    plan = fitting.plan
    given = {
        "model": model.get_config(),
        "compile": model.get_compile_config(),
        "fit": {
            "x": _described(plan.data),
            "validation_data": None if plan.validation is None else _described(plan.validation),
            "batch_size": plan.batch_size,
            "shuffle": plan.shuffle,
            "steps_per_epoch": plan.steps,
            "validation_steps": plan.validation_steps,
            "initial_epoch": plan.epochs.start,
            "callbacks": fitting.callbacks.stateful,
        },
        "data": shown(sampled(plan.data)),
        "validation_data": None if plan.validation is None else shown(sampled(plan.validation)),
        **more,
    }
    as_json: dict[str, Any] = plain(given)
    return as_json


def _described(data: Any) -> str:
    if isinstance(data, Samples):
        return f"{len(data)} rows" + ("" if data.weight is None else " with weights")
    return "batches" if data.steps is None else f"{data.steps} batches"


def refuse_another(name: str, state: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse a checkpoint of another run, and name the first difference.

    Raises
    ------
    ValueError
        There is one.
    """
    # What has changed since the run began is as it should be in a notebook, whose model is the one that was interrupted.
    changed = {part: value for part, value in state["now"].items() if value == now[part]}
    then = {**state["run"], **changed}
    for place, before, after in _differences(then, now, ""):
        raise ValueError(
            f"{name} is a checkpoint of another run: {place} was {before}, now it is {after}; go on with what it was, or "
            "begin anew in an empty folder"
        )


def _differences(then: Any, now: Any, place: str) -> Iterator[tuple[str, str, str]]:
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*then, *now]):
            yield from _differences(then.get(key), now.get(key), f"{place}.{key}" if place else key)
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (before, after) in enumerate(zip(then, now, strict=True)):
            yield from _differences(before, after, f"{place}[{number}]")
    elif then != now:
        yield place, _shortened(then), _shortened(now)


def _shortened(value: Any) -> str:
    import json

    if isinstance(value, list) and all(isinstance(part, dict) and "class_name" in part for part in value):
        value = [part["class_name"] for part in value]
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."

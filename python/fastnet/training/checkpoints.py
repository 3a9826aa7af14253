"""Checkpoints of a run of `fit`: when one is written, and how a run resumes from one."""

import math
import time
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from fastnet.callbacks.backup import BackupAndRestore
from fastnet.distributed.distribution import from_main, is_main, several
from fastnet.inputs.samples import Samples
from fastnet.inputs.windows import StoredSamples
from fastnet.network.layered import tensor_names
from fastnet.support.json_values import json_value
from fastnet.training.fingerprints import sampled, to_json
from fastnet.training.run import Position, Run

if TYPE_CHECKING:
    from fastnet.files.atomic import Beside

__all__ = ["Checkpoints"]

OPTIMIZER_STATE, BEST_WEIGHTS = "optimizer.state", "best.weights"


class Checkpoints:
    """The checkpoints of one run, as its `BackupAndRestore` asks for them; does nothing without one.

    Of several ranks, the first one writes them, and reads them for all. Ctrl-C is then noted, and becomes an interrupt when
    all ranks have agreed on it.
    """

    def __init__(self, run: Run, backup: BackupAndRestore | None) -> None:
        self._run = run
        self._resumes_with = backup
        self._backup = backup if is_main() else None
        self._waits_for_ranks = several() is not None
        self.noted = False
        self._interrupted = False
        self._validating = False
        self._writing: Beside[None] | None = None  # training continues while a file is written
        if backup is None:
            return
        self._folder = backup.folder()
        self._identity = {**backup.options, **identity(run, backup.identity)}
        self._written_at, self._written_when = 0, 0.0
        self._written_position = (-1, 0)

    @property
    def wanted(self) -> bool:
        """Whether checkpoints are written at all."""
        return self._backup is not None

    # --- Resuming ---

    def begin(self) -> bool:
        """Call `on_train_begin`, or resume from the newest checkpoint; return whether there was one."""
        run, backup = self._run, self._resumes_with
        if backup is None:
            run.callbacks.call("on_train_begin", {})
            return False
        backup.resumed_from, backup.seconds_before = None, 0.0
        found = from_main(self._newest)
        if found is None:
            run.callbacks.call("on_train_begin", {})
        else:
            path, state, arrays = found
            from pathlib import Path  # which takes longer to import than all of fastnet

            try:
                refuse_another(Path(path).name, state, self._identity)
                self._resume(state, arrays)
            except (AttributeError, LookupError, StopIteration, TypeError) as error:
                raise ValueError(f"cannot resume from {path}: {type(error).__name__}: {error}") from error
            backup.resumed_from, backup.seconds_before = path, state["seconds"]
            self._written_position = (run.position.epoch, run.position.steps)
        self._written_at, self._written_when = run.finished_steps, time.perf_counter()
        return found is not None

    def _newest(self) -> tuple[str, dict[str, Any], dict[str, NDArray[Any]]] | None:
        self._folder.make()
        found = self._folder.newest()
        return None if found is None else (str(found[0]), *found[1:])

    def _resume(self, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        run = self._run
        run.callbacks.resume(state["callbacks"])
        restore(run, state, arrays)
        if run.position.steps:
            run.callbacks.call("on_epoch_begin", run.position.epoch, {})
            # The hook had run before the checkpoint, too; a learning rate that it halved must not be halved again.
            run.callbacks.set_states(state["callbacks"])
            restore(run, state, arrays)

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
        return self.must_pause() or self._run.finished_steps - self._written_at >= every

    @property
    def interval(self) -> float:
        """The seconds after which to call `must_pause` again."""
        backup = self._backup
        return math.inf if backup is None or backup.seconds is None else backup.seconds

    @property
    def end(self) -> int | None:
        """The step of the current epoch to pause before, if it is known."""
        backup = self._backup
        if backup is None or not isinstance(backup.save_freq, int):
            return None
        since = self._run.finished_steps - self._written_at
        return self._run.position.steps + max(backup.save_freq - since, 1)

    def save_if_due(self) -> None:
        """Write a checkpoint if one is due. After Ctrl-C one is due, and training ends after it."""
        if self._is_due():
            self._save()
            self._raise_interrupt()

    def after_epoch(self, *, best: bool) -> None:
        """Write a checkpoint at the end of an epoch, if one is due or the epoch is the best so far."""
        backup = self._backup
        if backup is not None:
            keeps = best and backup.keep_best
            if keeps or self._is_due() or (backup.save_freq == "epoch" and backup.seconds is None):
                self._save(best=keeps)
        self._raise_interrupt()

    def after_last_epoch(self, *, complete: bool) -> None:
        """Write a checkpoint of the state in which training ended, unless it exists or would be deleted."""
        backup = self._backup
        if backup is not None and not (complete and backup.delete_checkpoint):
            self._save_if_new()

    def _save_if_new(self) -> None:
        position = self._run.position
        if (position.epoch, position.steps) != self._written_position:
            self._save()

    def close(self) -> None:
        """Finish the checkpoint that is being written."""
        self.wait()

    def after_training(self) -> None:
        """Delete the checkpoints of a complete run, unless they are to be kept."""
        if self._backup is not None and self._backup.delete_checkpoint:
            self._folder.delete()

    def _save(self, *, best: bool = False) -> None:
        if self._backup is None:
            return
        from fastnet.files.atomic import Beside
        from fastnet.files.checkpoint_file import contents_of

        run = self._run
        self._written_at, self._written_when = run.finished_steps, time.perf_counter()
        self._written_position = (run.position.epoch, run.position.steps)
        state, arrays = state_of(run)
        contents = contents_of({"run": self._identity, **state}, arrays)
        self.wait()
        self._writing = Beside(partial(self._folder.write, contents, *self._written_position, best=best))

    def wait(self) -> None:
        """Wait until the last checkpoint is on the disk."""
        writing, self._writing = self._writing, None
        try:
            if writing is not None:
                writing.result()
        except OSError as error:  # such as a full disk, which must not end training
            warnings.warn(f"{error}; training continues without this checkpoint", RuntimeWarning, stacklevel=2)

    # --- Ctrl-C ---

    def holding_interrupts(self) -> AbstractContextManager[None]:
        """Delay Ctrl-C until the current step is done and a checkpoint is written; a second Ctrl-C acts at once."""
        return self._holding() if self._backup is not None or self._waits_for_ranks else nullcontext()

    def interrupt(self) -> None:
        """Let the next `save_if_due` or `after_epoch` write a checkpoint, and raise KeyboardInterrupt."""
        self._interrupted = True

    @contextmanager
    def _holding(self) -> Iterator[None]:
        from fastnet.support.interrupts import InterruptHandler, interrupts_held

        def note() -> None:
            self.noted = True
            if not self._waits_for_ranks:
                self._interrupted = True
                if self._validating:
                    raise KeyboardInterrupt

        # mpiexec of Open MPI turns Ctrl-C into SIGTERM.
        ends_too = InterruptHandler().installed() if self._waits_for_ranks else nullcontext()
        with ends_too, interrupts_held(note):
            yield
            self._raise_interrupt()

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Let Ctrl-C end a validation at once, with a checkpoint of the state before the validation."""
        if self._backup is None or self._waits_for_ranks:
            yield
            return
        metrics = [(metric, metric.get_state()) for _, metric in _metrics_of(self._run)]
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
        """Raise KeyboardInterrupt after Ctrl-C, once the present state is on the disk.

        The signal may have come after the question whether a checkpoint is due.
        """
        if self._interrupted:
            self._interrupted = False
            if self._backup is not None:
                self._save_if_new()
            self.wait()
            raise KeyboardInterrupt


# --- The state of a run ----------------------------------------------------------------------------------------------


def state_of(run: Run) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return a snapshot of everything that training needs to resume: plain values, and large arrays.

    The arrays are copies: the weights, under their names in a model file, the optimizer state and the best weights.
    """
    model: Any = run.model
    values, steps, optimizer, seeds = run.network.get_state()
    arrays = dict(zip(tensor_names(model), model._weights.views(values), strict=True))
    arrays[OPTIMIZER_STATE] = optimizer
    if run.best_values is not None:
        arrays[BEST_WEIGHTS] = run.best_values
    state = {
        "position": dict(vars(run.position)),
        "seconds": time.perf_counter() - run.started,
        "stopped": model.stop_training,
        "logs": run.logs,
        "random": model._generator.bit_generator.state,
        "seeds": seeds,
        "optimizer": {
            "steps": steps,
            "learning_rate": model.optimizer.get_config()["learning_rate"],
        },
        "metrics": {name: metric.get_state() for name, metric in _metrics_of(run)},
        "best": run.best,
        "callbacks": run.callbacks.states(),
        "initial_weights": model._receipt.initial_weights,
        "layers": model._settings().as_dict(),
        # These may have changed since the run began.
        "now": {"model": model.get_config(), "compile": model.get_compile_config()},
    }
    return state, arrays


def restore(run: Run, state: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Put the model and the run into a saved state; the callbacks are in theirs already."""
    optimizer, network = state["optimizer"], run.network
    model: Any = run.model
    model._apply_settings(state["layers"])
    model._trainable_network("fit", None)
    values = model._weights.joined([arrays[name] for name in tensor_names(model)])
    network.set_state(values, optimizer["steps"], arrays[OPTIMIZER_STATE], state["seeds"])
    model._weights.changes.spread()
    model.optimizer._count(network.finished_steps)
    if optimizer["learning_rate"] != json_value(model.optimizer.get_config()["learning_rate"]):
        model.optimizer.learning_rate = optimizer["learning_rate"]
    run.position = position = Position(**state["position"])
    for name, metric in _metrics_of(run):
        metric.set_state(state["metrics"][name])
    # In the middle of the data, training draws their order once more.
    under_way = position.steps or run.plan.batches_passed(position.epoch)
    model._generator.bit_generator.state = position.random if under_way else state["random"]
    model.stop_training = state["stopped"]
    run.started = time.perf_counter() - state["seconds"]
    run.logs = state["logs"]
    model._receipt.initial_weights = state["initial_weights"]
    run.best, run.best_values = state["best"], arrays.get(BEST_WEIGHTS)


def _metrics_of(run: Run) -> list[tuple[str, Any]]:
    """Return the metrics computed in Python that hold state of the current epoch."""
    observed = run.model._compiled("training").observed if run.position.steps else {}
    return [(name, metric) for name, (metric, _) in observed.items()]


# --- The identity of a run -------------------------------------------------------------------------------------------


def identity(run: Run, more: dict[str, Any]) -> dict[str, Any]:
    """Return what must be the same for a run to resume."""
    model: Any = run.model
    plan = run.plan
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
            **({} if plan.shards is None else {"shards": plan.shards}),
            "callbacks": run.callbacks.stateful,
        },
        "data": to_json(sampled(plan.data)),
        "validation_data": None if plan.validation is None else to_json(sampled(plan.validation)),
        **more,
    }
    as_json: dict[str, Any] = json_value(given)
    return as_json


def _described(data: Any) -> str:
    if isinstance(data, Samples | StoredSamples):
        return f"{len(data)} rows" + ("" if data.weight is None else " with weights")
    return "batches" if data.steps is None else f"{data.steps} batches"


def refuse_another(name: str, state: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse a checkpoint of another run, and name the first difference.

    Raises
    ------
    ValueError
        The runs differ.
    """
    # In a notebook the model is the one that was interrupted: its changes since the run began are no difference.
    changed = {part: value for part, value in state["now"].items() if value == now[part]}
    then = {**state["run"], **changed}
    for place, before, after in differences(then, now, ""):
        raise ValueError(
            f"{name} is a checkpoint of another run: {place} was {before}, now it is {after}; restore the former "
            "value, or start over in an empty folder"
        )


def differences(then: Any, now: Any, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield where two JSON values differ, and the two values there, shortened."""
    if isinstance(then, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*then, *now]):
            yield from differences(then.get(key), now.get(key), f"{place}.{key}" if place else key)
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for number, (before, after) in enumerate(zip(then, now, strict=True)):
            yield from differences(before, after, f"{place}[{number}]")
    elif then != now:
        yield place, _shortened(then), _shortened(now)


def _shortened(value: Any) -> str:
    import json

    if isinstance(value, list) and all(isinstance(part, dict) and "class_name" in part for part in value):
        value = [part["class_name"] for part in value]
    text = json.dumps(value)
    return text if len(text) <= 200 else f"{text[:200]}..."

"""The receipt of a model: for each run of `fit`, what it was told, what data it read and what it ran on.

A run is noted in a few microseconds; whatever costs more waits until the receipt is read or the model is saved.
"""

import copy
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastnet import schedules
from fastnet._core import recent_num_threads
from fastnet.callbacks.history import History
from fastnet.inputs.batches import Batches
from fastnet.inputs.samples import Samples
from fastnet.support.plain import plain
from fastnet.support.validation import describe
from fastnet.training.fingerprints import environment, sampled, to_json
from fastnet.training.run import Plan
from fastnet.training.stepping import Stepper

MOST_RUNS = 10  # that a receipt describes one by one; those before are added up

# What readers of a file's receipt rely on.
RUN_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("data", "fit", "compile", "layers"), dict),
    "epochs": int,
    "steps": int,
    "ended": str,
}
COMMAND_KINDS: Mapping[str, type] = {"name": str, "arguments": dict, "data": dict}

# What equal training need not have in common: these stay out of files, so that equal models give equal files.
VOLATILE_FIELDS = ("threads", "started", "seconds")


# ---- Runs -----------------------------------------------------------------------------------------------------------


class RunRecord:
    """One run of `fit`, from its beginning on."""

    def __init__(self, model: Stepper, plan: Plan, data: Samples | Batches, others: Mapping[str, Any]) -> None:
        given = None if others["validation_split"] else plan.validation
        self._data = sampled(data)
        self._validation = None if given is None else sampled(given)
        self._plan = (plan.batch_size, plan.epochs, plan.shuffle)
        self._others = {name: plain(value) for name, value in others.items() if value}
        self._compilation = compilation = model._compiled("training")
        self._settings = model._told_settings
        optimizer = compilation.optimizer
        self._learning_rate = optimizer._learning_rate
        self._steps = range(optimizer._iterations, optimizer._iterations)
        self._threads = recent_num_threads()
        self._started = time.time()
        self._seconds: float | None = None
        self._epochs = 0
        self._ended: str | None = None

    def end(self, model: Stepper, history: History, failed: bool) -> None:
        """Note how far the run came."""
        self._seconds = time.time() - self._started
        self._epochs = len(history.epoch)
        self._steps = range(self._steps.start, model.optimizer._iterations)
        if failed:
            self._ended = "failed"
        elif history.interrupted:
            self._ended = "interrupted"
        elif history.out_of_time:
            self._ended = "out of time"
        else:
            self._ended = "stopped" if model.stop_training else "complete"

    @property
    def extent(self) -> tuple[int, int]:
        """The numbers of epochs and of steps."""
        return self._epochs, len(self._steps)

    def as_dict(self) -> dict[str, Any]:
        """Return the run as JSON can hold it."""
        assert self._settings is not None
        batch_size, epochs, shuffle = self._plan
        compiled = self._compilation.config
        rate = self._learning_rate
        compiled["optimizer"]["config"]["learning_rate"] = (
            rate if isinstance(rate, float) else schedules.serialize(rate)
        )
        return {
            "data": to_json(self._data),
            "validation": to_json(self._validation),
            "fit": {
                "batch_size": batch_size,
                "initial_epoch": epochs.start,
                "epochs": epochs.stop,
                "shuffle": shuffle,
                **self._others,
            },
            "compile": compiled,
            "layers": self._settings.as_dict(),
            "first_step": self._steps.start,
            **dict(zip(("epochs", "steps"), self.extent, strict=True)),
            "ended": self._ended,
            **environment(),
            "threads": self._threads,
            "started": datetime.fromtimestamp(self._started, UTC).isoformat(timespec="seconds"),
            "seconds": self._seconds,
        }


class Receipt:
    """The runs of a model.

    Attributes
    ----------
    seed : int or None
        The seed that the model was made with.
    command : dict or None
        What ``fastnet train`` was told, where the weights are its result.
    label : dict or None
        Where the labels stood in the table that the model is for: the name of the column and its index.
    dialect : dict or None
        How that table was written, where options said so: what separates cells, and the decimal sign.
    initial_weights : str or None
        The hash of the weights before the first run.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self.command: dict[str, Any] | None = None
        self.label: dict[str, Any] | None = None
        self.dialect: dict[str, Any] | None = None
        self.initial_weights: str | None = None
        self._earlier = {"runs": 0, "epochs": 0, "steps": 0}
        self._runs: list[RunRecord | dict[str, Any]] = []

    def __len__(self) -> int:
        """Return the number of runs."""
        return self._earlier["runs"] + len(self._runs)

    def begin(self, run: RunRecord, model: Stepper) -> None:
        """Take a run into account that is about to begin."""
        if not len(self):
            self.initial_weights = model._weights.sha256()
        self.command = None
        self._runs.append(run)
        if len(self._runs) > MOST_RUNS:
            first, earlier = self._runs.pop(0), self._earlier
            epochs, steps = first.extent if isinstance(first, RunRecord) else (first["epochs"], first["steps"])
            earlier["runs"] += 1
            earlier["epochs"] += epochs
            earlier["steps"] += steps

    def as_dict(self, weights: str) -> dict[str, Any]:
        """Return the receipt as JSON can hold it; `weights` is the hash of the weights as they are now."""
        receipt: dict[str, Any] = {"seed": self.seed, "initial_weights": self.initial_weights, "weights": weights}
        for name, table in (("label", self.label), ("dialect", self.dialect)):
            if table is not None:
                receipt[name] = table
        if self._earlier["runs"]:
            receipt["earlier"] = dict(self._earlier)
        receipt["runs"] = [_as_dict(run) for run in self._runs]
        if self.command is not None:
            receipt["command"] = self.command
        return copy.deepcopy(receipt)

    def for_file(self, weights: str) -> dict[str, Any]:
        """Return `as_dict` without what equal training need not have in common."""
        return without_volatile(self.as_dict(weights))

    @classmethod
    def from_dict(cls, receipt: Mapping[str, Any]) -> "Receipt":
        """Return the receipt that a file has.

        Raises
        ------
        ValueError
            An entry has a type that `as_dict` does not give it.
        """
        result = cls(_entry(receipt, "seed", int, None))
        result.initial_weights = _entry(receipt, "initial_weights", str, None)
        result.command = _entry(receipt, "command", dict, None)
        if (label := _entry(receipt, "label", dict, None)) is not None:
            result.label = _checked(label, {"name": str, "index": int})
        if (dialect := _entry(receipt, "dialect", dict, None)) is not None:
            result.dialect = _checked(dialect, {"separator": str, "decimal": str})
        if result.command is not None:
            result.command.update(_checked(result.command, COMMAND_KINDS))
        result._earlier = _checked(_entry(receipt, "earlier", dict, {}), dict.fromkeys(result._earlier, int))
        result._runs = _entry(receipt, "runs", list, [])
        for run in result._runs:
            if not isinstance(run, dict):
                raise ValueError(f"a run of the receipt must be a JSON object; got {describe(run)}")
            run.update(_checked(run, RUN_KINDS))
        return result


def without_volatile(receipt: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt without what equal training need not have in common."""
    runs = [{name: value for name, value in run.items() if name not in VOLATILE_FIELDS} for run in receipt["runs"]]
    return {**receipt, "runs": runs}


def _as_dict(run: RunRecord | dict[str, Any]) -> dict[str, Any]:
    return run.as_dict() if isinstance(run, RunRecord) else run


def _checked(part: Mapping[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the entries of these kinds, None, empty or 0 where they are absent."""
    return {name: _entry(part, name, kind, None if kind is str else kind()) for name, kind in kinds.items()}


def _entry(part: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """Return an entry of a receipt in a file, or the default where it is absent or null."""
    value = part.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} of the receipt must be {kind.__name__}; got {describe(value)}")
    return value

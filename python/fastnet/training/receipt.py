"""The receipt of a model: for each run of `fit`, its arguments, its data and its environment.

Recording a run takes a few microseconds; more expensive work waits until the receipt is read or the model is saved.
"""

import copy
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastnet import schedules
from fastnet._core import recent_num_threads
from fastnet.callbacks.history import History
from fastnet.inputs.windows import Data
from fastnet.support.json_values import json_value
from fastnet.support.validation import describe
from fastnet.training.fingerprints import environment, sampled, to_json
from fastnet.training.run import Plan
from fastnet.training.stepping import Stepper

MOST_RUNS = 10  # that a receipt describes individually; earlier ones are summed

# The types of the entries that readers of a file's receipt rely on.
RUN_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("data", "fit", "compile", "layers"), dict),
    "epochs": int,
    "steps": int,
    "ended": str,
}
COMMAND_KINDS: Mapping[str, type] = {"name": str, "arguments": dict, "data": dict}

# These differ between identical trainings. They stay out of files, so that identical models give identical files.
VOLATILE_FIELDS = ("threads", "started", "seconds")


# ---- Runs -----------------------------------------------------------------------------------------------------------


class RunRecord:
    """Record of one run of `fit`."""

    def __init__(self, model: Stepper, plan: Plan, data: Data, others: Mapping[str, Any]) -> None:
        given = None if others["validation_split"] else plan.validation
        self._data = sampled(data)
        self._validation = None if given is None else sampled(given)
        self._plan = (plan.batch_size, plan.epochs, plan.shuffle)
        self._others = {name: json_value(value) for name, value in others.items() if value}
        self._compilation = compilation = model._compiled("training")
        self._settings = model._known_settings
        optimizer = compilation.optimizer
        self._learning_rate = optimizer._learning_rate
        self._steps = range(optimizer._iterations, optimizer._iterations)
        self._threads = recent_num_threads()
        self._started = time.time()
        self._seconds: float | None = None
        self._epochs = 0
        self._ended: str | None = None

    def end(self, model: Stepper, history: History, failed: bool) -> None:
        """Record how far the run came and how it ended."""
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
        """Return the run as a JSON object."""
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
    """The training runs of a model.

    Attributes
    ----------
    seed : int or None
        The seed of the model.
    command : dict or None
        The arguments of ``fastnet train``, if the weights are its result.
    label : dict or None
        The label column of the table that the model was trained on: its name and index.
    dialect : dict or None
        The separator and the decimal sign of that table, if options set them.
    id : str or None
        The column of that table that named the rows, which is not a feature.
    initial_weights : str or None
        The hash of the weights before the first run.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self.command: dict[str, Any] | None = None
        self.label: dict[str, Any] | None = None
        self.dialect: dict[str, Any] | None = None
        self.id: str | None = None
        self.initial_weights: str | None = None
        self._earlier = {"runs": 0, "epochs": 0, "steps": 0}
        self._runs: list[RunRecord | dict[str, Any]] = []

    def __len__(self) -> int:
        """Return the number of runs."""
        return self._earlier["runs"] + len(self._runs)

    def begin(self, run: RunRecord, model: Stepper) -> None:
        """Add a run that is about to begin."""
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
        """Return the receipt as a JSON object; `weights` is the hash of the current weights."""
        receipt: dict[str, Any] = {"seed": self.seed, "initial_weights": self.initial_weights, "weights": weights}
        for name, known in (("label", self.label), ("dialect", self.dialect), ("id", self.id)):
            if known is not None:
                receipt[name] = known
        if self._earlier["runs"]:
            receipt["earlier"] = dict(self._earlier)
        receipt["runs"] = [_as_dict(run) for run in self._runs]
        if self.command is not None:
            receipt["command"] = self.command
        return copy.deepcopy(receipt)

    def for_file(self, weights: str) -> dict[str, Any]:
        """Return `as_dict` without the volatile fields."""
        return without_volatile(self.as_dict(weights))

    @classmethod
    def from_dict(cls, receipt: Mapping[str, Any]) -> "Receipt":
        """Return the receipt of a model file.

        Raises
        ------
        ValueError
            An entry has a wrong type.
        """
        result = cls(_entry(receipt, "seed", int, None))
        result.initial_weights = _entry(receipt, "initial_weights", str, None)
        result.command = _entry(receipt, "command", dict, None)
        if (label := _entry(receipt, "label", dict, None)) is not None:
            result.label = _checked(label, {"name": str, "index": int})
        if (dialect := _entry(receipt, "dialect", dict, None)) is not None:
            result.dialect = _checked(dialect, {"separator": str, "decimal": str})
        result.id = _entry(receipt, "id", str, None)
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
    """Return a receipt without the volatile fields of its runs."""
    runs = [{name: value for name, value in run.items() if name not in VOLATILE_FIELDS} for run in receipt["runs"]]
    return {**receipt, "runs": runs}


def _as_dict(run: RunRecord | dict[str, Any]) -> dict[str, Any]:
    return run.as_dict() if isinstance(run, RunRecord) else run


def _checked(part: Mapping[str, Any], kinds: Mapping[str, type]) -> dict[str, Any]:
    """Return the entries with these types; an absent one is None, empty or 0."""
    return {name: _entry(part, name, kind, None if kind is str else kind()) for name, kind in kinds.items()}


def _entry(part: Mapping[str, Any], name: str, kind: type, default: Any) -> Any:
    """Return an entry of a receipt, or the default if it is absent or null."""
    value = part.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{name} of the receipt must be {kind.__name__}; got {describe(value)}")
    return value

"""The receipt of a model: for each run of `fit`, what it was told, what data it read and what it ran on.

A run is noted in a few microseconds; whatever costs more waits until the receipt is read or the model is saved.
"""

import copy
import math
import platform
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet import _core, schedules
from fastnet._data_adapter import Samples
from fastnet._data_batches import Batches
from fastnet._validation import describe

if TYPE_CHECKING:
    from fastnet._fitting import Plan
    from fastnet._training import Trainer
    from fastnet.callbacks.history import History

MOST_RUNS = 10  # that a receipt describes one by one; those before are added up
SAMPLED_BYTES = 1 << 18  # of each array, for `fit` to hash: a fifth of a millisecond
KEPT_BYTES = 4096  # of an array, which it is sooner copied than hashed

# What readers of a file's receipt rely on.
RUN_KINDS: Mapping[str, type] = {
    **dict.fromkeys(("data", "fit", "compile", "layers"), dict),
    "epochs": int,
    "steps": int,
    "ended": str,
}
COMMAND_KINDS: Mapping[str, type] = {"name": str, "arguments": dict, "data": dict}

# What equal training need not have in common: these stay out of files, so that equal models give equal files.
OF_THE_DAY = ("threads", "started", "seconds")


# ---- Hashes ---------------------------------------------------------------------------------------------------------


class Fingerprint:
    """What tells an array from others: shape, dtype, and the hash of all rows or of evenly spaced ones.

    Parameters
    ----------
    array : ndarray
        What is hashed: the bytes of its rows one after the other, little-endian, whatever its strides.
    most_bytes : int, optional
        Where the array is larger, as many of its rows as fit are hashed.
    """

    __slots__ = ("_content", "_dtype", "_every", "_shape")

    def __init__(self, array: NDArray[Any], most_bytes: int | None = None) -> None:
        self._shape = array.shape
        self._every = 1
        if most_bytes is not None and array.nbytes > most_bytes:
            self._every = min(-(-array.nbytes // most_bytes), len(array))
            array = array[:: self._every]
        if not array.dtype.isnative:
            array = array.astype(array.dtype.newbyteorder("="))
        self._dtype = array.dtype
        if sys.byteorder == "big":
            array = array.byteswap()
        small = array.nbytes <= KEPT_BYTES
        self._content: Any = array.tobytes() if small else _sha256(np.ascontiguousarray(array).data)

    def as_dict(self) -> dict[str, Any]:
        """Return the fingerprint as JSON can hold it."""
        content = _sha256(self._content) if isinstance(self._content, bytes) else self._content
        return {
            "shape": list(self._shape),
            "dtype": str(self._dtype),
            "sha256": content.hexdigest(),
            "rows_hashed": -(-self._shape[0] // self._every),
            "every": self._every,
        }


def _sha256(content: bytes | memoryview) -> Any:
    import hashlib  # it takes 4 ms, which `import fastnet` need not

    return hashlib.sha256(content)


def sampled(samples: Samples | Batches) -> dict[str, Any]:
    """Return the fingerprints of what `fit` reads, of a sample of the rows where there are many."""
    if isinstance(samples, Batches):
        return {"source": "batches, which are not hashed"}
    y = Fingerprint(samples.y, SAMPLED_BYTES)
    weight = None if samples.weight is None else Fingerprint(samples.weight, SAMPLED_BYTES)
    if isinstance(samples.x, np.ndarray):
        given = samples.x if samples.given is None else samples.given
        return {"x": Fingerprint(given, SAMPLED_BYTES), "y": y, "sample_weight": weight}
    parts = zip(("data", "indices", "indptr"), samples.x.arrays, strict=True)
    x = {"shape": list(samples.x.shape), **{name: Fingerprint(part, SAMPLED_BYTES) for name, part in parts}}
    return {"x": x, "y": y, "sample_weight": weight}


def shown(value: Any) -> Any:
    """Return a dictionary with every fingerprint in it as JSON can hold it."""
    if isinstance(value, Fingerprint):
        return value.as_dict()
    return {name: shown(part) for name, part in value.items()} if isinstance(value, dict) else value


# ---- Runs -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def environment() -> dict[str, str]:
    """Return what results depend on beside the data and the arguments: versions and the instruction set."""
    return {
        "fastnet": _core.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "isa": _core.build_config()["isa"],
    }


class Run:
    """One run of `fit`, from its beginning on."""

    def __init__(self, model: "Trainer", plan: "Plan", data: Samples | Batches, others: Mapping[str, Any]) -> None:
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
        self._threads = _core.recent_num_threads()
        self._started = time.time()
        self._seconds: float | None = None
        self._epochs = 0
        self._ended: str | None = None

    def end(self, model: "Trainer", history: "History", failed: bool) -> None:
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
            "data": shown(self._data),
            "validation": shown(self._validation),
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
        self._runs: list[Run | dict[str, Any]] = []

    def __len__(self) -> int:
        """Return the number of runs."""
        return self._earlier["runs"] + len(self._runs)

    def begin(self, run: Run, model: "Trainer") -> None:
        """Take a run into account that is about to begin."""
        if not len(self):
            self.initial_weights = model._weights.sha256()
        self.command = None
        self._runs.append(run)
        if len(self._runs) > MOST_RUNS:
            first, earlier = self._runs.pop(0), self._earlier
            epochs, steps = first.extent if isinstance(first, Run) else (first["epochs"], first["steps"])
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
        return lasting(self.as_dict(weights))

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


def lasting(receipt: dict[str, Any]) -> dict[str, Any]:
    """Return a receipt without what equal training need not have in common."""
    runs = [{name: value for name, value in run.items() if name not in OF_THE_DAY} for run in receipt["runs"]]
    return {**receipt, "runs": runs}


def _as_dict(run: Run | dict[str, Any]) -> dict[str, Any]:
    return run.as_dict() if isinstance(run, Run) else run


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


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it: what is no finite number becomes None, an object the name of its type."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and hasattr(value, "__len__"):
        return [plain(item) for item in value]
    return type(value).__name__

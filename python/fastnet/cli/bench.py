"""``fastnet bench``: the speed of a model on this machine."""

import argparse
import itertools
import math
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.cli._data import load_for_model, source_name
from fastnet.cli._output import note, print_json
from fastnet.cli._report import aligned
from fastnet.exceptions import NonFiniteLossWarning
from fastnet.models import Sequential
from fastnet.quantization import QuantizedModel
from fastnet.serialization import load_model
from fastnet.support.config import set_num_threads, show_config

__all__ = ["run"]

CALLS = (1, 32, 256, 10_000)  # rows in a call of the model
STEPS = (32, 256)  # rows in a step of training
ROWS = max(CALLS)
DIFFERENT = 64  # number of different inputs of one size, so that the cache does not hold them all
WARM_UP = 0.1  # of the time of a measurement


@dataclass(frozen=True)
class Prediction:
    """The speed of calls of one size."""

    rows: int
    calls: int
    p50_seconds: float
    p99_seconds: float
    rows_per_second: float


@dataclass(frozen=True)
class Step:
    """The speed of training steps of one size."""

    rows: int
    steps_per_second: float
    rows_per_second: float


def run(arguments: argparse.Namespace) -> int:
    """Print how fast a model predicts and, if it is compiled, trains."""
    if arguments.threads:
        set_num_threads(arguments.threads)
    model = load_model(arguments.model)
    x, rows = _samples(arguments, model)
    note(f"measuring for {len(CALLS) * arguments.seconds:g} s or more", arguments.quiet)
    predictions = [_predictions(model, x, size, arguments.seconds) for size in CALLS]
    steps = []
    if isinstance(model, Sequential) and model.get_compile_config() and model.loss is not None:
        steps = [_steps(model, x, size, arguments.seconds) for size in STEPS]
    machine = {"processor": _processor(), **show_config(mode="dict")}
    if arguments.json:
        speeds = {"predictions": [asdict(one) for one in predictions], "training": [asdict(one) for one in steps]}
        print_json("bench", {"model": arguments.model, "data": arguments.data, "machine": machine, **speeds})
    else:
        print(_report(arguments, model, rows, machine, predictions, steps))
    return 0


def _samples(arguments: argparse.Namespace, model: Sequential | QuantizedModel) -> tuple[NDArray[Any], str]:
    """Return `ROWS` samples, repeating the rows of DATA if there are fewer, and a description of them."""
    assert model.input_shape is not None
    if arguments.data is None:
        x = np.random.default_rng(0).random((ROWS, math.prod(model.input_shape)), np.float32)
        return x.reshape(-1, *model.input_shape), "random numbers, none of them zero"
    data = load_for_model(arguments, model, with_labels=False)
    zeros = 1 - np.count_nonzero(data.x) / data.x.size
    x = data.x[np.arange(ROWS) % len(data.x)].reshape(-1, *model.input_shape)
    return x, f"{source_name(arguments.data)}, {len(data.x):,} different, {zeros:.0%} zeros"


# ---- Measurement ----------------------------------------------------------------------------------------------------


def _timed(call: Callable[[Any], object], batches: Iterator[Any], seconds: float) -> NDArray[np.float64]:
    """Return the duration of each call, measured for a total time after a warm-up."""
    clock = time.perf_counter
    times: list[float] = []
    start = clock()
    counted = start + WARM_UP * seconds
    while (begin := clock()) < counted + seconds or not times:
        call(next(batches))
        end = clock()
        if begin >= counted:
            times.append(end - begin)
    return np.array(times)


def _predictions(model: Sequential | QuantizedModel, x: NDArray[Any], rows: int, seconds: float) -> Prediction:
    """Measure the calls of a model with a number of rows."""
    batches = itertools.cycle([x[start : start + rows] for start in range(0, ROWS - rows + 1, rows)][:DIFFERENT])
    times = _timed(model, batches, seconds)
    p50, p99 = np.percentile(times, [50, 99]).tolist()
    return Prediction(rows, len(times), p50, p99, rows * len(times) / float(times.sum()))


def _steps(model: Sequential, x: NDArray[Any], rows: int, seconds: float) -> Step:
    """Measure training steps with a number of rows: the median of runs of at least one step."""
    y = _random_targets(model)

    def train(steps: int) -> None:
        history = model.fit(x[: steps * rows], y[: steps * rows], batch_size=rows, verbose=0, shuffle=False)
        if history.interrupted:
            raise KeyboardInterrupt

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NonFiniteLossWarning)  # nothing is learned from random labels
        train(1)
        begin = time.perf_counter()
        train(1)
        a_step = time.perf_counter() - begin
        steps = min(max(round(seconds / 5 / a_step), 1), ROWS // rows)
        times = _timed(train, itertools.repeat(steps), seconds)
    speed = steps / float(np.median(times))
    return Step(rows, speed, speed * rows)


def _random_targets(model: Sequential) -> NDArray[Any]:
    """Return random targets that fit the loss of a model."""
    rng = np.random.default_rng(0)
    assert model.output_shape is not None
    outputs = model.output_shape[-1]
    codes = rng.integers(outputs, size=(ROWS, *model.output_shape[:-1]))
    loss = type(model.loss).__name__
    if loss.startswith("Sparse"):
        return codes
    if loss.startswith("Categorical"):
        return np.eye(outputs, dtype=np.float32)[codes]
    return rng.random((ROWS, *model.output_shape), np.float32)


# ---- Words ----------------------------------------------------------------------------------------------------------


def _report(
    arguments: argparse.Namespace,
    model: Sequential | QuantizedModel,
    rows: str,
    machine: dict[str, Any],
    predictions: list[Prediction],
    steps: list[Step],
) -> str:
    cpu = [machine["processor"], f"{machine['isa']} kernels", f"threads: {machine['num_threads']}"]
    software = [f"fastnet {machine['version']}", f"NumPy {machine['numpy']}", f"Python {machine['python']}"]
    kind = "int8" if isinstance(model, QuantizedModel) else model.compute_dtype
    calls = [["rows in a call", "calls", "p50", "p99", "rows a second"]]
    calls += [
        [f"{one.rows:,}", f"{one.calls:,}", *map(_duration, (one.p50_seconds, one.p99_seconds)), _speed(one)]
        for one in predictions
    ]
    lines = [
        f"model:    {Path(arguments.model).name}, {model.count_params():,} parameters, {kind}",
        f"rows:     {rows}",
        f"machine:  {', '.join(filter(None, cpu))}; {', '.join(software)}; {machine['platform']}",
        f"\nPredictions\n{aligned(calls, left=0)}",
    ]
    if steps:
        table = [["rows in a step", "steps a second", "rows a second"]]
        table += [[f"{one.rows:,}", f"{one.steps_per_second:,.0f}", _speed(one)] for one in steps]
        lines.append(f"\nTraining\n{aligned(table, left=0)}")
    return "\n".join(lines)


def _speed(one: Prediction | Step) -> str:
    return f"{one.rows_per_second:,.0f}"


def _duration(seconds: float) -> str:
    """Return a time in a suitable unit, with about three digits."""
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= length:
            return f"{seconds / length:.2f} {unit}"
    return f"{seconds / 1e-6:.2f} us"


def _processor() -> str:
    """Return the name of the processor, if the system reports it."""
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return platform.processor()

"""A model of the time of a training step on many cores, from what a few cores can measure.

usage: python -m benchmarks.many_cores [--cores 2,4,8,16,32,64]

For each network it measures the step on one thread and counts the barriers of a step on two. The compiled benchmark
measures what a barrier and the handover of a line of memory cost. docs/performance/many-cores.md has the model.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

import fastnet as fn
from fastnet._core import rest_teams, team_barriers

from . import machine

PARTS = 16  # in which gradients of convolutions are summed
ROW_GRAIN = 8  # rows of dense layers that a thread takes at least
LINE = 64  # bytes
FORWARD, BACKWARD, GRADIENTS = 1 / 3, 1 / 3, 1 / 3  # of the operations of a step


@dataclass(frozen=True)
class Case:
    """A network with the batch of its steps."""

    name: str
    make: Callable[[], fn.Sequential]
    shape: tuple[int, ...]
    batch: int
    columns: int  # units of the widest kernel's gradient that threads share: rows of the kernel
    images: bool = False


def dense(*sizes: int) -> Callable[[], fn.Sequential]:
    def make() -> fn.Sequential:
        layers = [fn.Dense(units, "relu") for units in sizes[1:-1]]
        return fn.Sequential([fn.Input((sizes[0],)), *layers, fn.Dense(sizes[-1], "softmax")], seed=0)

    return make


def lenet() -> fn.Sequential:
    layers = fn.layers
    return fn.Sequential(
        [
            fn.Input((28, 28, 1)),
            layers.Conv2D(6, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            *(layers.Dense(units, "relu") for units in (120, 84)),
            layers.Dense(10, "softmax"),
        ],
        seed=0,
    )


CASES = (
    Case("784-64-10, batch 128", dense(784, 64, 10), (784,), 128, 784),
    Case("784-256-10, batch 1,024", dense(784, 256, 10), (784,), 1024, 784),
    Case("784-2048-2048-10, batch 256", dense(784, 2048, 2048, 10), (784,), 256, 2048),
    Case("LeNet, batch 64", lenet, (28, 28, 1), 64, 256, images=True),
    Case("LeNet, batch 1,024", lenet, (28, 28, 1), 1024, 256, images=True),
)


@dataclass(frozen=True)
class Measured:
    """A step's seconds on 1 and 2 threads, its barriers, and the bytes of its parameters."""

    case: Case
    one: float
    two: float
    barriers: float
    parameters: int


def measure(case: Case, rounds: int = 7) -> Measured:
    model = case.make()
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    rows = case.batch * max(2, 4096 // case.batch)
    x, y = rng.random((rows, *case.shape), np.float32), rng.integers(0, 10, rows)
    steps = rows // case.batch
    times: dict[int, list[float]] = {1: [], 2: []}
    barriers = 0.0
    for _ in range(rounds):
        for threads, seconds in times.items():  # in turn
            fn.set_num_threads(threads)
            model.fit(x, y, batch_size=case.batch, verbose=0)
            before, start = team_barriers(), time.perf_counter()
            model.fit(x, y, batch_size=case.batch, verbose=0)
            seconds.append((time.perf_counter() - start) / steps)
            barriers = (team_barriers() - before) / steps
    return Measured(case, median(times[1]), median(times[2]), barriers, 4 * model.count_params())


def largest_share(items: float, cores: int) -> float:
    """Return the largest share of a member of a team, of this many items that cannot be cut."""
    return -(-items // cores) / items


def model_of(measured: Measured, cores: int, barrier: float, handover: float) -> float:
    """Return the seconds of a step on this many cores."""
    case = measured.case
    grain = 1 if case.images else ROW_GRAIN
    by_rows = largest_share(-(-case.batch // grain), cores)
    backward = largest_share(PARTS, cores) if case.images else by_rows
    gradients = backward if case.images else largest_share(case.columns / 8, cores)
    work = measured.one * (FORWARD * by_rows + BACKWARD * backward + GRADIENTS * gradients)
    # Every member reads all parameters, of which the others have just written all but its own share.
    moved = measured.parameters * (1 - 1 / cores) / LINE * handover
    return work + measured.barriers * barrier * cores / 2 + moved


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cores", default="2,4,8,16,32,64", help="numbers of cores, 2,4,8,16,32,64 by default")
    cores = [int(count) for count in parser.parse_args().cores.split(",")]
    rest_teams(False)
    machine.build_kernels()
    output = subprocess.run([machine.PROGRAM, "--team", "2"], check=True, capture_output=True, text=True).stdout
    team = json.loads(output)
    print(f"2 threads: {output}")
    print("| step | 1 thread, ms | barriers | 2 threads, measured | " + " | ".join(f"{n} cores" for n in cores) + " |")
    print("| --- " + "| ---: " * (3 + len(cores)) + "|")
    for case in CASES:
        result = measure(case)
        modeled = [model_of(result, n, team["barrier_us"] / 1e6, team["handover_us"] / 1e6) for n in cores]
        speedups = " | ".join(f"{result.one / seconds:.1f}" for seconds in modeled)
        print(
            f"| {case.name} | {1e3 * result.one:.2f} | {result.barriers:.1f} | {result.one / result.two:.2f} | {speedups} |"
        )


if __name__ == "__main__":
    main()

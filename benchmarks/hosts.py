"""Time of a training step on one and two hosts, which are network namespaces of this machine with a slow network.

usage: sudo python -m benchmarks.hosts [--gigabits 1] [--milliseconds 0.2] [--networks LeNet] [--batches 64,256]

Each host has one processor. It needs Linux with iproute2, and mpi4py with MPICH. It prints a table in Markdown with the
measured times of a step, and those of the model: computing on one host, divided by the number of hosts, plus the delay,
plus the bytes of a message over the rate.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.slow_network import ADDRESSES, CARD, NAMES, hosts

MODELS = ("LeNet", "784-256-10", "784-2048-2048-10")
SHARDS = 2
SECONDS = 2.0  # of measuring, for each batch size


# ---- One rank --------------------------------------------------------------------------------------------------------


def make_model(name: str) -> Any:
    import fastnet as fn

    if name == "LeNet":
        layers = [
            *(fn.Rescaling(1 / 255, input_shape=(28, 28, 1)), fn.Conv2D(6, 5, activation="relu"), fn.MaxPooling2D(2)),
            *(fn.Conv2D(16, 5, activation="relu"), fn.MaxPooling2D(2), fn.Flatten()),
            *(fn.Dense(120, "relu"), fn.Dense(84, "relu")),
        ]
    else:
        _, *hidden, _ = map(int, name.split("-"))
        layers = [fn.Rescaling(1 / 255, input_shape=(784,)), *(fn.Dense(units, "relu") for units in hidden)]
    model = fn.Sequential([*layers, fn.Dense(10, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def note_time(times: list[float], *_: Any) -> None:
    times.append(time.perf_counter())


def measure(names: list[str], batches: list[int], shards: int) -> None:
    """Print, on rank 0, the seconds of a step by model and batch size; with 0 shards, training is not distributed."""
    import fastnet as fn

    ranks = fn.distribute(shards=shards) if shards else None
    fn.set_num_threads(1)
    rng = np.random.default_rng(0)
    results = []
    for name in names:
        for batch in batches:
            model = make_model(name)
            steps = 4 if model.count_params() > 10**6 else max(4, 16384 // batch)
            # A fifth of the pixels of handwritten digits are not zero.
            x = rng.integers(1, 256, (steps * batch, 784)).astype(np.uint8) * (rng.random((steps * batch, 784)) < 0.2)
            y = rng.integers(0, 10, len(x))
            ends: list[float] = []
            note = fn.callbacks.LambdaCallback(on_epoch_end=partial(note_time, ends))
            fit = {"batch_size": batch, "verbose": 0, "callbacks": [note]}
            x = x.reshape(-1, *model.input_shape)
            model.fit(x, y, epochs=3, **fit)
            each = ends[-1] - ends[-2]
            epochs = max(3, min(50, int(SECONDS / each)))
            if ranks is not None and ranks.size > 1:
                epochs = ranks.broadcast(epochs)
            ends.clear()
            model.fit(x, y, epochs=epochs, **fit)
            seconds = statistics.median(np.diff(ends)) / steps
            results.append({"model": name, "batch": batch, "seconds": seconds, "values": model.count_params()})
    if ranks is None or ranks.rank == 0:
        print(json.dumps(results))


# ---- The hosts -------------------------------------------------------------------------------------------------------


def on_hosts(number: int, program: list[str], folder: Path) -> Any:
    """Run a program on one rank per host, and return what it prints."""
    launch = folder / "launch"  # in place of ssh: launch [options] HOST COMMAND...
    launch.write_text(
        "#!/bin/sh\n"
        'while [ "${1#-}" != "$1" ]; do shift; done\n'
        f'case "$1" in {ADDRESSES[0]}) n=0 ;; *) n=1 ;; esac\n'
        "shift\n"
        'exec ip netns exec fastnet-$n taskset -c $n sh -c "$*"\n'
    )
    launch.chmod(0o755)
    mpiexec = Path(sysconfig.get_path("scripts"), "mpiexec")
    words = [mpiexec, "-launcher", "ssh", "-launcher-exec", launch, "-iface", CARD, "-n", number, "-ppn", 1]
    where = ["ip", "netns", "exec", NAMES[0], "taskset", "-c", "0"]
    # Not the memory that the hosts share, as they are one machine.
    network = {"UCX_TLS": "tcp", "UCX_NET_DEVICES": CARD, "FI_PROVIDER": "tcp", "FI_TCP_IFACE": CARD}
    done = subprocess.run(
        [*where, *map(str, words), "-hosts", ",".join(ADDRESSES[:number]), *program],
        env={**os.environ, **network, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabits", type=float, default=1.0, help="per second")
    parser.add_argument("--milliseconds", type=float, default=0.2, help="of delay in each direction")
    parser.add_argument("--batches", default="64,256,1024,4096")
    parser.add_argument("--networks", default=",".join(MODELS))
    parser.add_argument("--measure", metavar="SHARDS", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    batches = [int(batch) for batch in arguments.batches.split(",")]
    if arguments.measure is not None:
        return measure(arguments.networks.split(","), batches, arguments.measure)
    options = ["--networks", arguments.networks, "--batches", arguments.batches]
    program = [sys.executable, "-m", "benchmarks.hosts", *options, "--measure"]
    alone = subprocess.run(["taskset", "-c", "0", *program, "0"], stdout=subprocess.PIPE, text=True, check=True)
    with tempfile.TemporaryDirectory() as folder, hosts(1e9 * arguments.gigabits, 1e-3 * arguments.milliseconds):
        plain = json.loads(alone.stdout)
        one, two = (on_hosts(number, [*program, str(SHARDS)], Path(folder)) for number in (1, 2))
    print("| network | batch | not distributed | 1 host | 2 hosts | by the model | times as fast |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for whole, single, double in zip(plain, one, two, strict=True):
        size = 4 * single["values"] + 8 * single["batch"]
        model = single["seconds"] / 2 + 1e-3 * arguments.milliseconds + 8e-9 * size / arguments.gigabits
        times = [f"{1e3 * one['seconds']:.2f} ms" for one in (whole, single, double)]
        faster = whole["seconds"] / double["seconds"]
        print(f"| {single['model']} | {single['batch']} | {' | '.join(times)} | {1e3 * model:.2f} ms | {faster:.2f} |")
    return None


if __name__ == "__main__":
    main()

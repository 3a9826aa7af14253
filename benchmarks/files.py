"""Measure how fast a large model is saved and loaded, beside copying and reading its file.

usage: python -m benchmarks.files [--megabytes 100] [--rounds 11] [--folder DIR]

Saving is compared with a copy of the file that is flushed to the disk, as the saved file is; loading with reading the
file, which is in the system's cache, into an array. The two sides of a comparison take turns; a ratio is of one round.
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastnet as fn


def model_of(megabytes: float) -> fn.Sequential:
    """Return a trained model of four layers whose file has about this size."""
    units = int((megabytes * 1e6 / 4 / 4) ** 0.5)
    layers = [fn.Dense(units, activation="relu") for _ in range(4)]
    model = fn.Sequential([fn.Input((units,)), *layers], seed=0)
    model.compile("sgd", "mse")
    model.fit(np.ones((1, units)), np.ones((1, units)), verbose=0)
    return model


def copy(source: Path, target: Path) -> None:
    """Copy a file and flush the copy to the disk."""
    shutil.copyfile(source, target)
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(megabytes: float, rounds: int, folder: Path) -> None:
    """Print a line for saving and one for loading."""
    model, path, other = model_of(megabytes), folder / "model.safetensors", folder / "copy.safetensors"
    model.save(path)
    copy(path, other)
    pairs = {
        "save": (lambda: model.save(path), lambda: copy(path, other), "copy and flush"),
        "load": (lambda: fn.load_model(path), lambda: np.fromfile(path, np.uint8), "read"),
    }
    size = path.stat().st_size / 1e6
    for name, (ours, theirs, what) in pairs.items():
        times = [(seconds(theirs), seconds(ours)) for _ in range(rounds)]
        others, own = (statistics.median(column) for column in zip(*times, strict=True))
        low, ratio, high = statistics.quantiles([other / own for other, own in times], n=4)
        print(
            f"{name} {size:.0f} MB: {1e3 * own:.0f} ms ({size / own:.0f} MB/s); {what}: {1e3 * others:.0f} ms; "
            f"speed relative to that {ratio:.2f} ({low:.2f} to {high:.2f})"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.files", description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=float, default=100, help="size of the file, 100 by default")
    parser.add_argument("--rounds", type=int, default=11, help="11 by default, at least 2")
    parser.add_argument("--folder", type=Path, help="where the files are written; a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        measure(arguments.megabytes, arguments.rounds, Path(folder))


if __name__ == "__main__":
    main()

"""The machine, the compiled benchmark and MNIST: what is made ready before anything is measured."""

import datetime as dt
import json
import os
import platform
import subprocess

import numpy as np

from . import processors, tables_as_read
from .data import FOLDER, MNIST
from .runner import ROOT

PROGRAM = FOLDER / "cpp" / "benchmarks" / "fastnet_kernel_benchmark"


def describe() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "date": str(dt.datetime.now(dt.UTC).date()),
        **commit(),
        "processor": f"{processors.description(processors.cpuinfo())}, {cores} processors",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "data are read by": tables_as_read.libraries(),
    }


def commit() -> dict[str, str]:
    """Return which commit is measured, and whether the sources differ from it; nothing without git."""
    git = ["git", "-C", str(ROOT)]
    try:
        name = subprocess.run(
            [*git, "rev-parse", "--short=10", "HEAD"], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    changed = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "csrc", "python", "CMakeLists.txt"], check=False)
    return {"commit": name.strip() + " with changes" * changed.returncode}


def build_kernels() -> None:
    """Build kernels.cpp in build/benchmarks/cpp."""
    build = FOLDER / "cpp"
    options = ["-DFASTNET_BUILD_PYTHON=OFF", "-DFASTNET_BUILD_BENCHMARKS=ON"]
    for command in (
        ["cmake", "-S", str(ROOT), "-B", str(build), *options],
        ["cmake", "--build", str(build), "--target", "fastnet_kernel_benchmark"],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def kernel_figures() -> list[dict]:
    """Return what the compiled benchmark prints: the matrix product without Python."""
    output = subprocess.run([PROGRAM], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in output.splitlines()]


def prepare_mnist() -> str | None:
    """Write MNIST where the peers read it; return why that was not possible."""
    if MNIST.exists():
        return None
    from fastnet.datasets import mnist

    try:
        (x, y), (x_test, y_test) = mnist.load_data()
    except ConnectionError as error:
        return str(error)
    images = {"x": x.reshape(len(x), -1), "x_test": x_test.reshape(len(x_test), -1)}
    MNIST.parent.mkdir(parents=True, exist_ok=True)
    np.savez(MNIST, y=y.astype(np.int64), y_test=y_test.astype(np.int64), **images)
    return None

"""The machine, the compiled benchmark and MNIST: what is made ready before anything is measured."""

import datetime as dt
import json
import os
import platform
import subprocess
from pathlib import Path

import numpy as np

from .data import FOLDER, MNIST
from .runner import ROOT

PROGRAM = FOLDER / "cpp" / "benchmarks" / "fastnet_kernel_benchmark"


def describe() -> dict[str, str]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "date": str(dt.datetime.now(dt.UTC).date()),
        "processor": f"{processor()}, {cores} processors",
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
    }


def processor() -> str:
    try:
        names = [line.split(":")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
        return names[0].strip()
    except (OSError, IndexError):
        return platform.processor() or "unknown processor"


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

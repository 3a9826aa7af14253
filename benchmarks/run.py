"""Measure this machine and fastnet on it, and write benchmarks/RESULTS.md.

usage: python benchmarks/run.py [--rounds N] [--out FILE]

Two parts: the compiled kernels against the machine's peak (kernels.cpp, built here with CMake), and an epoch of MNIST
against NumPy (peer_epochs.py). Peers run in processes of their own, one unit after the other in turn, with a pause between
them, because the threads of a library go on spinning for a while. MNIST is needed for the second part.
"""

import argparse
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import fastnet as fn

HERE = Path(__file__).resolve().parent
PAUSE = 0.12  # seconds
PEERS = [("fastnet", 1), ("fastnet", 2), ("numpy", 1), ("numpy", 2)]


def kernel_figures() -> list[dict]:
    """Build the compiled benchmark in build/benchmarks and return what it prints."""
    build = HERE.parent / "build" / "benchmarks"
    options = ["-DFASTNET_BUILD_PYTHON=OFF", "-DFASTNET_BUILD_BENCHMARKS=ON"]
    for command in (
        ["cmake", "-S", str(HERE.parent), "-B", str(build), *options],
        ["cmake", "--build", str(build), "--target", "fastnet_kernel_benchmark"],
    ):
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    output = subprocess.run(
        [build / "benchmarks" / "fastnet_kernel_benchmark"], check=True, capture_output=True, text=True
    )
    return [json.loads(line) for line in output.stdout.splitlines()]


class Peer:
    """One process of peer_epochs.py."""

    def __init__(self, name: str, threads: int) -> None:
        self.label = f"{name}, {threads} thread{'s' * (threads > 1)}"
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.process = subprocess.Popen(
            [sys.executable, HERE / "peer_epochs.py", name, str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **limits},
        )  # fmt: skip
        self.times: list[float] = []
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == "ready", f"{self.label} did not start"

    def ask(self, line: str) -> float:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())


def epochs(rounds: int) -> list[dict]:
    peers = [Peer(*peer) for peer in PEERS]
    for _ in range(rounds):
        for peer in peers:
            time.sleep(PAUSE)
            peer.times.append(peer.ask("epoch"))
    rows = []
    for peer in peers:
        accuracy = peer.ask("accuracy")
        peer.process.communicate()
        times = sorted(peer.times[1:])  # the first epoch warms up
        rows.append({"peer": peer.label, "median": statistics.median(times), "low": times[0], "high": times[-1],
                     "accuracy": accuracy})  # fmt: skip
    return rows


def report(kernels: list[dict], rows: list[dict], rounds: int) -> str:
    config = fn.show_config(mode="dict")
    peak = {k["threads"]: k["gflops"] for k in kernels if k["name"] == "fma_peak"}
    lines = [
        "# Results",
        "",
        "Made by `make bench`.",
        "",
        f"- date: {dt.datetime.now(dt.UTC).date()}",
        f"- machine: {processor()}, {os.cpu_count()} processors, {platform.system()} {platform.machine()}",
        f"- fastnet {fn.__version__} ({config['isa']}, {config['compiler']}), NumPy {np.__version__}, "
        f"Python {platform.python_version()}",
        f"- peak of fused multiply-adds, float32, measured: {peak[1]:.0f} GFLOP/s on 1 thread, {peak[2]:.0f} on 2",
        "",
        "## Matrix product, float32",
        "",
        "GFLOP/s, the median of 9 measurements of at least 20 ms, and the fraction of the measured peak. N and T say which "
        "operand is transposed.",
        "",
        "| m x n x k | case | 1 thread | of peak | 2 threads | of peak |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    products = [k for k in kernels if k["name"] == "gemm"]
    for one in (k for k in products if k["threads"] == 1):
        two = next(
            k for k in products if k["threads"] == 2 and all(k[key] == one[key] for key in ("case", "m", "n", "k"))
        )
        lines.append(
            f"| {one['m']} x {one['n']} x {one['k']} | {one['case']} | {one['gflops']:.0f} | {one['gflops'] / peak[1]:.0%} | "
            f"{two['gflops']:.0f} | {two['gflops'] / peak[2]:.0%} |"
        )
    if rows:
        best = {name: min(r["median"] for r in rows if r["peer"].startswith(name)) for name in ("fastnet", "numpy")}
        lines += [
            "",
            "## An epoch of MNIST",
            "",
            "784-64-10, sigmoid, softmax with cross-entropy, batch 128, SGD(4.0, momentum=0.9, dampening=0.9), float32, 60,000 "
            f"images; {rounds - 1} epochs after one to warm up, peers in turn. The NumPy peer is `NumPyPeer` in "
            "benchmarks/peer_epochs.py: every array made beforehand, BLAS for the products.",
            "",
            "| peer | median ms | lowest | highest | test accuracy |",
            "| --- | ---: | ---: | ---: | ---: |",
            *(
                f"| {r['peer']} | {1e3 * r['median']:.0f} | {1e3 * r['low']:.0f} | {1e3 * r['high']:.0f} | {r['accuracy']:.2%} |"
                for r in rows
            ),
            "",
            f"Best NumPy over best fastnet: {best['numpy'] / best['fastnet']:.2f}.",
        ]
    return "\n".join(lines) + "\n"


def processor() -> str:
    try:
        names = [line.split(":")[1] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
        return names[0].strip()
    except (OSError, IndexError):
        return platform.processor() or "unknown processor"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9, help="epochs of each peer, the first of which does not count")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    arguments = parser.parse_args()
    try:
        fn.datasets.mnist.load_data()
        rows = epochs(max(arguments.rounds, 2))
    except ConnectionError as error:
        print(f"the comparison on MNIST is left out: {error}", file=sys.stderr)
        rows = []
    text = report(kernel_figures(), rows, max(arguments.rounds, 2))
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

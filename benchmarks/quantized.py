"""Measure predictions of models in 8-bit integers beside those in float32.

usage: python -m benchmarks.quantized [--rounds 15] [--batches 1 256 10000]

Weights are random, samples are float32. Where onnxruntime is installed, its float32 and what its `quantize_dynamic` makes of
it take part. All sides of a comparison take turns; what is printed are medians over the rounds.
"""

import argparse
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import fastnet as fn

SIZES = [(784, 64, 64, 10), (784, 1024, 1024, 10)]
BATCHES = {1: 200, 256: 5, 10_000: 1}  # and how many predictions a round has

Array = np.ndarray
Predictor = Callable[[Array], Array]


def model_of(sizes: tuple[int, ...]) -> fn.Sequential:
    units = sizes[1:]
    activations = ["relu"] * (len(units) - 1) + ["softmax"]
    layers = [fn.Dense(n, activation) for n, activation in zip(units, activations, strict=True)]
    return fn.Sequential([fn.Input((sizes[0],)), *layers], seed=0)


def onnxruntime_predictors(model: fn.Sequential, sizes: tuple[int, ...]) -> dict[str, Predictor]:
    """Return what onnxruntime makes of the same weights; nothing where it is not installed."""
    try:
        import onnxruntime
        from onnxruntime.quantization import quantize_dynamic

        from .peers.onnxruntime_peer import graph
    except ImportError:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        whole, small = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        whole.write_bytes(graph(sizes, model.get_weights()))
        logging.disable(
            logging.WARNING
        )  # it advises to optimize the graph first, of which there is nothing to optimize
        quantize_dynamic(whole, small)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = fn.get_num_threads()
        sessions = [onnxruntime.InferenceSession(path.read_bytes(), options) for path in (whole, small)]
    names = ("onnxruntime float32", "onnxruntime int8")
    return {
        name: lambda x, session=session: session.run(None, {"input": x})[0]
        for name, session in zip(names, sessions, strict=True)
    }


def seconds(predict: Predictor, x: Array, repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        predict(x)
    return (time.perf_counter() - start) / repeats


def measure(sizes: tuple[int, ...], batch: int, rounds: int) -> None:
    """Print a line of medians."""
    x = np.random.default_rng(0).random((batch, sizes[0]), np.float32)
    model = model_of(sizes)
    predictors: dict[str, Predictor] = {"float32": model, "int8": model.quantize(x[:256])}
    predictors |= onnxruntime_predictors(model, sizes)
    times: dict[str, list[float]] = {name: [] for name in predictors}
    for _ in range(rounds):
        for name, predict in predictors.items():
            times[name].append(seconds(predict, x, BATCHES[batch]))
    figures = ", ".join(f"{name} {1e6 * statistics.median(some):,.1f} us" for name, some in times.items())
    ratio = statistics.median(a / b for a, b in zip(times["float32"], times["int8"], strict=True))
    print(f"{'-'.join(map(str, sizes))}, batch {batch:,}: {figures}; int8 {ratio:.2f} times as fast", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--batches", type=int, nargs="+", choices=list(BATCHES), default=list(BATCHES))
    arguments = parser.parse_args()
    config = fn.show_config(mode="dict")
    print(f"fastnet {fn.__version__}, {config['isa']}, {config['num_threads']} threads")
    for sizes in SIZES:
        for batch in arguments.batches:
            measure(sizes, batch, arguments.rounds)


if __name__ == "__main__":
    main()

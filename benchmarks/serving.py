"""Measure the server of a model with fastnet's predictions, with onnxruntime's, and with none at all.

usage: python -m benchmarks.serving [--clients 1 8 32] [--seconds 1] [--rounds 9] [--hidden 64 64] [--body json npy]

The model learns MNIST for one epoch. Three servers of it run on the loopback, each in a process; they differ in the function
that is called with the instances alone: fastnet's, onnxruntime's for the exported model, and one that returns zeros, which
shows what the rest of the server takes. Clients with open connections ask for one image each, again and again
(`serving_client.py`). The servers take turns, in an order drawn anew in every round; what is printed are medians over the
rounds, and ratios of the same round. The processor time of the server is what other programs on the machine disturb least.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import fastnet as fn
from fastnet.datasets import mnist

from .machine import describe

PREDICTORS = ("fastnet", "onnxruntime", "nothing")
HOST = "127.0.0.1"

Array = np.ndarray


# ---- Servers --------------------------------------------------------------------------------------------------------


def serve(name: str, path: str) -> None:
    """Serve a model with the predictions of one library, until the process is ended."""
    from fastnet.serve import create_app
    from fastnet.serve.running import listen, run

    model = fn.load_model(path)
    listening = listen(HOST, 0)
    port = listening.getsockname()[1]
    run(create_app(model, predict=predictor(name, model)), listening, lambda: print(port, flush=True))


def predictor(name: str, model: fn.Sequential) -> Callable[[Array], Array] | None:
    if name == "nothing":
        return lambda rows: np.zeros((len(rows), 10), np.float32)
    if name == "fastnet":
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more are slower for so few rows
    with tempfile.TemporaryDirectory() as folder:
        model.to_onnx(Path(folder) / "model.onnx")
        session = onnxruntime.InferenceSession((Path(folder) / "model.onnx").read_bytes(), options)
    return lambda rows: session.run(None, {"input": rows})[0]


@contextmanager
def server(name: str, path: Path) -> Iterator["Server"]:
    """Start a server."""
    command = [sys.executable, "-m", "benchmarks.serving", "--serve", name, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Server(int(process.stdout.readline()), process.pid)
        finally:
            process.kill()


class Server(NamedTuple):
    port: int
    process: int

    def seconds(self) -> float:
        """Return the processor time that the server has used; NaN where the system does not tell."""
        try:
            fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return float("nan")
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- Clients --------------------------------------------------------------------------------------------------------


def request_of(image: Array, body: str) -> bytes:
    """Return the request for the class of one image of uint8."""
    if body == "json":
        kind, content = "application/json", json.dumps({"instance": image.tolist()}, separators=(",", ":")).encode()
    else:
        stream = BytesIO()
        np.save(stream, image[None])
        kind, content = "application/x-npy", stream.getvalue()
    head = f"POST /predict HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def ask(server: Server, clients: int, seconds: float, request: bytes) -> dict[str, float]:
    """Return what the clients saw, and the server's processor time for an answer."""
    command = [sys.executable, "-m", "benchmarks.serving_client", HOST, str(server.port), str(clients), str(seconds)]
    before = server.seconds()
    figures = json.loads(subprocess.run(command, input=request, capture_output=True, check=True).stdout)
    return {**figures, "work": (server.seconds() - before) / figures["answers"]}


def check(port: int, image: Array, expected: Array) -> None:
    """Raise an error unless a server answers with the probabilities of the model."""
    from urllib.request import Request, urlopen

    content = json.dumps({"instance": image.tolist()}).encode()
    asked = Request(f"http://{HOST}:{port}/predict", content, {"Content-Type": "application/json"})
    with urlopen(asked) as answer:
        (prediction,) = json.load(answer)["predictions"]
    np.testing.assert_allclose(prediction["probabilities"], expected, rtol=1e-3, atol=1e-5)


# ---- Measuring ------------------------------------------------------------------------------------------------------


def trained(hidden: list[int], x: Array, y: Array) -> fn.Sequential:
    dense = [fn.Dense(units, "relu") for units in hidden]
    model = fn.Sequential([fn.layers.Rescaling(1 / 255, input_shape=(784,)), *dense, fn.Dense(10, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(x, y, batch_size=128, verbose=0)
    return model


def measure(
    servers: dict[str, Server], clients: int, request: bytes, seconds: float, rounds: int
) -> dict[str, list[Any]]:
    """Return the figures of every round by the server."""
    figures: dict[str, list[Any]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name in random.sample(list(servers), len(servers)):
            figures[name].append(ask(servers[name], clients, seconds, request))
    return figures


def lines(figures: dict[str, list[Any]]) -> Iterator[str]:
    """Yield the cells of each server."""
    for name, some in figures.items():
        rate, *times = (statistics.median(one[key] for one in some) for key in ("rate", "p50", "p99", "work"))
        cells = [name, *(f"{1e6 * seconds:,.0f} us" for seconds in times), f"{rate:,.0f}"]
        if name != "onnxruntime":
            ratios = [one["rate"] / other["rate"] for one, other in zip(some, figures["onnxruntime"], strict=True)]
            low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
            cells.append(f"{ratio:.2f} ({low:.2f} to {high:.2f})")
        yield " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--seconds", type=float, default=1, help="of one measurement, 1 by default")
    parser.add_argument("--rounds", type=int, default=9, help="9 by default, at least 2")
    parser.add_argument("--hidden", type=int, nargs="+", default=[64, 64], help="units of the model")
    parser.add_argument("--body", nargs="+", choices=("json", "npy"), default=["json", "npy"])
    parser.add_argument("--serve", nargs=2, metavar=("NAME", "MODEL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(*arguments.serve)
        return
    (x, y), (x_test, y_test) = mnist.load_data()
    x, x_test = x.reshape(-1, 784), x_test.reshape(-1, 784)
    model = trained(arguments.hidden, x, y)
    accuracy = float((model.predict(x_test).argmax(axis=1) == y_test).mean())
    sizes = "-".join(map(str, [784, *arguments.hidden, 10]))
    print(", ".join([*describe().values(), f"{sizes} with {accuracy:.1%} of the test images right"]))
    heads = ["body", "clients", "predictions", "p50", "p99", "server's work", "requests/s", "relative to onnxruntime"]
    print("\n" + " | ".join(heads) + "\n" + " | ".join(["---"] * len(heads)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        model.save(path)
        with server("fastnet", path) as a, server("onnxruntime", path) as b, server("nothing", path) as c:
            servers = dict(zip(PREDICTORS, (a, b, c), strict=True))
            for name in PREDICTORS[:2]:
                check(servers[name].port, x_test[0], model.predict(x_test[:1])[0])
            for body in arguments.body:
                for clients in arguments.clients:
                    request = request_of(x_test[0], body)
                    figures = measure(servers, clients, request, arguments.seconds, arguments.rounds)
                    for line in lines(figures):
                        print(f"{body} | {clients} | {line}", flush=True)


if __name__ == "__main__":
    main()

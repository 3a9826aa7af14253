"""Measure how long a process takes from its start to its first prediction, and how large it is, beside other libraries.

usage: python -m benchmarks.cold_start FUNCTION.ZIP [onnxruntime=FOLDER] [torch=FOLDER] [--rounds 15]

The zip is that of examples/serverless/build.py; a folder is one of `pip install --target FOLDER onnxruntime`. All predict one
row with the model of the zip, from JSON to JSON, in a process that sees nothing but its folder. Processes take turns. The
second figure is with the files of the folder out of the page cache, as at the first start on a machine.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import fastnet as fn

from . import processors
from .machine import describe

START = "import sys; sys.path[:0] = {folders!r}\n"
ASK = "print(json.dumps(answer({row})), flush=True)\n"
NUMPY = "NumPy, only imported, of the same folder"
PROGRAMS = {
    NUMPY: "import json, numpy\nanswer = lambda row: []\n",
    "fastnet": """
import json, handler
def answer(row):
    return json.loads(handler.handler({"body": json.dumps({"instances": [row]})})["body"])["predictions"][0]
""",
    "onnxruntime": """
import json, numpy, onnxruntime
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
def answer(row):
    return session.run(None, {session.get_inputs()[0].name: numpy.array([row], numpy.float32)})[0][0].tolist()
""",
    "torch": """
import json, torch
model = torch.jit.load("model.pt")
def answer(row):
    with torch.inference_mode():
        return model(torch.tensor([row])).softmax(1)[0].tolist()
""",
}


class Library(NamedTuple):
    name: str
    folder: Path  # of the packages
    program: str


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cold_start", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("function", type=Path, metavar="ZIP")
    parser.add_argument("peers", nargs="*", metavar="NAME=FOLDER", help="of onnxruntime and torch")
    parser.add_argument("--rounds", type=int, default=15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.function.resolve().parent) as name:  # a disk, not memory
        scratch = Path(name)
        libraries = list(prepared(scratch, arguments.function, dict(peer.split("=", 1) for peer in arguments.peers)))
        warm, cold = measure(libraries, scratch, arguments.rounds)
        sizes = {library.name: size_of(library.folder) for library in libraries}
    facts = describe()
    print(f"{facts['date']}, {processors.kind(processors.cpuinfo())}, {facts['processor']}, {facts['system']}")
    print(
        f"zip {arguments.function.stat().st_size / 1e6:.1f} MB; median, lowest and highest of {arguments.rounds}, in ms"
    )
    for name, size in sizes.items():
        print(f"{name}: {size / 1e6:.0f} MB; warm {spread(warm[name])}; cold {spread(cold[name])}")


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def spread(seconds: list[float]) -> str:
    low, middle, high = (1e3 * value for value in (min(seconds), statistics.median(seconds), max(seconds)))
    return f"{middle:.0f} ({low:.0f} to {high:.0f})"


def prepared(scratch: Path, function: Path, peers: dict[str, str]) -> Iterator[Library]:
    """Unpack the function, and write its model as the other libraries read it."""
    folder = scratch / "function"
    with zipfile.ZipFile(function) as archive:
        archive.extractall(folder)
    model = fn.load_model(folder / "model.safetensors")
    row = [float(number % 17) for number in range(model.input_shape[0])]
    expected = model.predict(np.array([row]), verbose=0)[0]
    folders = {NUMPY: folder, "fastnet": folder, **{name: Path(peers[name]) for name in peers}}
    for name, packages in folders.items():
        if name == "onnxruntime":
            model.to_onnx(scratch / "model.onnx")
        elif name == "torch":
            write_torch(model, scratch, packages)
        program = START.format(folders=[str(packages.resolve())]) + PROGRAMS[name] + ASK.format(row=row)
        library = Library(name, packages, program)
        got = json.loads(run(library, scratch)[1])
        if got and not np.allclose(got, expected, atol=1e-5):
            sys.exit(f"{name} predicts {got}, not {expected.tolist()}")
        yield library


def write_torch(model: fn.Sequential, scratch: Path, packages: Path) -> None:
    """Write a TorchScript file of a model with dense layers and ReLU behind a `Rescaling`, in a process that has PyTorch."""
    np.savez(scratch / "weights.npz", *model.get_weights(), scale=model.layers[0].scale)
    program = f"""
import sys; sys.path[:0] = [{str(packages.resolve())!r}]
import numpy, torch
arrays = numpy.load("weights.npz")
scale = float(arrays["scale"])
parts = [torch.from_numpy(arrays[name]) for name in arrays.files if name != "scale"]
layers = []
for kernel, bias in zip(parts[::2], parts[1::2]):
    layers += [torch.nn.Linear(*kernel.shape), torch.nn.ReLU()]
    layers[-2].weight.data, layers[-2].bias.data = kernel.T.contiguous() * (scale if len(layers) == 2 else 1), bias
torch.jit.script(torch.nn.Sequential(*layers[:-1])).save("model.pt")
"""
    subprocess.run([sys.executable, "-S", "-W", "ignore", "-c", program], cwd=scratch, check=True)


def measure(
    libraries: list[Library], scratch: Path, rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return the times of all processes, with files in the page cache and without."""
    warm: dict[str, list[float]] = {library.name: [] for library in libraries}
    cold: dict[str, list[float]] = {library.name: [] for library in libraries}
    for _ in range(rounds):
        for library in libraries:
            evict(library.folder)
            cold[library.name].append(run(library, scratch)[0])
            warm[library.name].append(run(library, scratch)[0])
    return warm, cold


def run(library: Library, scratch: Path) -> tuple[float, str]:
    """Return the time from the start of a process to the first line that it prints, and the line."""
    command = [sys.executable, "-S", "-W", "ignore", "-c", library.program]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=scratch) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{library.name} ended with status {process.returncode}")
    return seconds, line


def evict(folder: Path) -> None:
    """Drop the files of a folder from the page cache, and no others."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fdatasync(descriptor)  # pages that are not written yet stay
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)


if __name__ == "__main__":
    main()

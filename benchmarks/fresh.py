"""What needs a fresh process: the time of an import, and the peak memory of training."""

import json
import subprocess
import sys

from .data import MNIST
from .results import Record, Row
from .runner import ROOT

IMPORT = """
import time, numpy
start = time.perf_counter()
{statement}
print(time.perf_counter() - start)
"""

# On Linux the peak that getrusage gives includes that of the program that started this one; VmHWM does not.
MEMORY = """
import json, resource, sys
import numpy as np, fastnet as fn

def peak():
    try:
        lines = open("/proc/self/status").read().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

fn.Sequential  # imported when it is first used
imported = peak()
with np.load({mnist!r}) as arrays:
    x, y = arrays["x"], arrays["y"]
loaded = peak()
layers = [fn.Rescaling(1 / 255, input_shape=(784,)), fn.Dense(256, activation="relu"), fn.Dense(10, activation="softmax")]
model = fn.Sequential(layers, seed=0)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(x, y, batch_size=128, epochs=1, verbose=0)
print(json.dumps({{"images": loaded - imported, "training": peak() - imported}}))
"""


def _run(program: str) -> str:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def imports(statements: dict[str, str], rounds: int) -> Record:
    """Measure what each import takes in a process that has NumPy already; a first one fills the disk cache."""
    rows = {peer: Row(peer, 0, "import") for peer in statements if peer != "numpy"}
    for number in range(rounds + 1):
        for peer, row in rows.items():
            seconds = float(_run(IMPORT.format(statement=statements[peer])))
            if number:
                row.values.append({"seconds": seconds})
    return Record("imports", list(rows.values()))


def memory() -> Record:
    values = json.loads(_run(MEMORY.format(mnist=str(MNIST))))
    return Record("memory", [Row("fastnet", 0, "memory", [values])])

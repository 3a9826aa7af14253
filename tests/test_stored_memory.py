"""Time limits and memory of training on data that stay on the disk."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import fastnet as fn
from fastnet.callbacks import LambdaCallback
from stored import X, Y, in_small_blocks, model, opened  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_small_blocks")


def test_a_first_epoch_that_the_time_limit_cuts_is_in_the_history(tmp_path: Path) -> None:
    waits = LambdaCallback(on_train_batch_end=lambda batch, logs: time.sleep(0.01))
    data = opened(tmp_path)
    for given in ((data,), (X, Y), (([X, Y] for _ in range(1000)),)):
        made = model(fn.optimizers.Adam(fn.schedules.CosineDecay(0.01, 200)))
        history = made.fit(*given, batch_size=5, epochs=3, verbose=0, max_time=0.03, callbacks=[waits])
        assert history.out_of_time
        assert history.epoch == [0]
        assert {name: len(values) for name, values in history.history.items()} == {
            "loss": 1,
            "accuracy": 1,
            "learning_rate": 1,
        }
        assert 0 < history.history["loss"][0] < 3


PROGRAM = """
import re, sys
from pathlib import Path
import numpy as np
import fastnet as fn

def peak():  # that of getrusage includes the program that started this one
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

x = np.load(sys.argv[1], mmap_mode="r")
model = fn.Sequential([fn.Rescaling(1 / 255), fn.Dense(16, "relu"), fn.Dense(10, "softmax")], seed=0)
model.compile("sgd", "sparse_categorical_crossentropy")
model.fit(np.zeros((256, 784), "u1"), np.zeros(256), verbose=0)
before = peak()
history = model.fit(x, np.load(sys.argv[2], mmap_mode="r"), batch_size=128, verbose=0, max_time=1.0)
print((peak() - before) >> 10, len(history.history["loss"]))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs sparse files and kilobytes of resident memory")
def test_memory_does_not_depend_on_the_size_of_the_data(tmp_path: Path) -> None:
    rows = 5_000_000  # 4 GB
    for name, shape in (("x.npy", (rows, 784)), ("y.npy", (rows,))):
        np.lib.format.open_memmap(tmp_path / name, "w+", "uint8", shape)
    assert (tmp_path / "x.npy").stat().st_blocks < 1000
    command = [sys.executable, "-c", PROGRAM, tmp_path / "x.npy", tmp_path / "y.npy"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    megabytes, epochs = map(int, done.stdout.split())
    assert megabytes < 200
    assert epochs == 1

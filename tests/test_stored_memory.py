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
import re, sys, threading, time
from pathlib import Path
import numpy as np
import fastnet as fn

def memory():  # without the pages of files
    return int(re.search(r"RssAnon:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])

def watch():
    global peak
    while True:
        peak = max(peak, memory())
        time.sleep(0.002)

def trained(x, y=None):
    layers = [fn.Dense(16, "relu"), fn.Dense(10, "softmax")]
    model = fn.Sequential([fn.Input(x.shape[1:]), fn.Rescaling(1 / 255), *layers], seed=0)
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model, model.fit(x, y, batch_size=128, verbose=0, max_time=1.0)

trained(np.zeros((256, 784), "u1"), np.zeros(256))
before = peak = memory()
threading.Thread(target=watch, daemon=True).start()
if sys.argv[1].endswith("parquet"):
    x, y = fn.datasets.open(sys.argv[1]), None
else:
    x, y = np.load(sys.argv[1], mmap_mode="r"), np.load(sys.argv[2], mmap_mode="r")
model, history = trained(x, y)
if y is None:
    model.predict(x)
    model.evaluate(x, verbose=0)
print((peak - before) >> 10, len(history.history["loss"]))
"""


def megabytes_of(*files: Path) -> int:
    """The memory that training on files takes beyond that of the program."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *files], capture_output=True, text=True, check=True)
    megabytes, epochs = map(int, done.stdout.split())
    assert epochs == 1
    return megabytes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs sparse files and kilobytes of resident memory")
def test_memory_does_not_depend_on_the_size_of_the_data(tmp_path: Path) -> None:
    rows = 5_000_000  # 4 GB
    for name, shape in (("x.npy", (rows, 784)), ("y.npy", (rows,))):
        np.lib.format.open_memmap(tmp_path / name, "w+", "uint8", shape)
    assert (tmp_path / "x.npy").stat().st_blocks < 1000
    assert megabytes_of(tmp_path / "x.npy", tmp_path / "y.npy") < 200


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs kilobytes of resident memory")
@pytest.mark.parametrize("group", [150_000, 600_000])  # 60 MB, and 240 MB, which are converted
def test_memory_does_not_depend_on_the_size_of_row_groups(
    group: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    monkeypatch.setenv("FASTNET_CACHE", str(tmp_path))
    values = np.random.default_rng(0).normal(size=group).astype("f4")
    columns = {f"f{number}": np.roll(values, number) for number in range(100)}
    table = pa.table({**columns, "label": np.arange(group, dtype="u1") % 10})
    with pq.ParquetWriter(tmp_path / "d.parquet", table.schema) as file:
        for _ in range(600_000 // group):
            file.write_table(table, row_group_size=group)
    assert megabytes_of(tmp_path / "d.parquet") < 200 + 40  # of pyarrow itself

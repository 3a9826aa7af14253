"""Throughput of training on data that stay on the disk, side by side with PyTorch and TensorFlow on the same files.

    python benchmarks/stored_data.py make FOLDER --rows 2000000 --group 40000
    python benchmarks/stored_data.py run FOLDER fastnet-memory fastnet-npy fastnet-parquet fastnet-csv torch-parquet ...

`make` writes one table of float32 columns and a label as Parquet, in row groups of so many rows, CSV and .npy. Each `run` trains the same network for
one epoch in a process of its own and prints samples per second, without the first step, and the peak of memory. The
others read as their documentation does: PyTorch a `DataLoader` over an `IterableDataset` of row groups or over a memory
map by random batches, TensorFlow `tf.data` from a generator of row groups or from records of fixed length. All shuffle:
within a row group and a buffer of 64 MB, or over all rows.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FEATURES, CLASSES, HIDDEN, BATCH = 100, 10, 64, 128
GROUP = 40_000  # rows that are made together
BUFFER = (1 << 26) // (4 * FEATURES)  # rows that are shuffled together

Array = NDArray[Any]


# ---- The files ------------------------------------------------------------------------------------------------------


def make(folder: Path, rows: int, group: int) -> None:
    """Write the table in all forms."""
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    names = [f"f{column}" for column in range(FEATURES)]
    schema = pa.schema([*((name, pa.float32()) for name in names), ("label", pa.uint8())])
    rng = np.random.default_rng(0)
    x = np.lib.format.open_memmap(folder / "x.npy", "w+", "float32", (rows, FEATURES))
    y = np.lib.format.open_memmap(folder / "y.npy", "w+", "uint8", (rows,))
    with (
        pq.ParquetWriter(folder / "table.parquet", schema) as parquet,
        pc.CSVWriter(folder / "table.csv", schema) as csv,
    ):
        for start in range(0, rows, GROUP):
            block = rng.standard_normal((min(GROUP, rows - start), FEATURES), np.float32)
            labels = block[:, :CLASSES].argmax(axis=1).astype("uint8")
            x[start : start + len(block)], y[start : start + len(block)] = block, labels
            table = pa.table([*block.T.copy(), labels], schema=schema)
            csv.write_table(table)
        for start in range(0, rows, group):
            end = min(start + group, rows)
            parquet.write_table(pa.table([*x[start:end].T.copy(), y[start:end]], schema=schema), row_group_size=group)


def groups(folder: Path, seed: int) -> Iterator[tuple[Array, Array]]:
    """Yield the row groups in random order, as rows in random order."""
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    with pq.ParquetFile(folder / "table.parquet") as file:
        for group in rng.permutation(file.num_row_groups):
            table = file.read_row_group(int(group))
            x = np.stack([column.to_numpy() for column in table.columns[:-1]], axis=1)
            order = rng.permutation(len(x))
            yield x[order], table.column("label").to_numpy()[order]


# ---- fastnet --------------------------------------------------------------------------------------------------------


def fastnet(folder: Path, source: str) -> float:
    """Train with fastnet."""
    import fastnet as fn

    layers = [fn.Dense(HIDDEN, "relu", input_shape=(FEATURES,)), fn.Dense(CLASSES, "softmax")]
    model = fn.Sequential(layers, seed=0)
    model.compile("adam", "sparse_categorical_crossentropy")
    if source == "memory":
        data: tuple[Any, ...] = (np.load(folder / "x.npy"), np.load(folder / "y.npy"))
    else:
        name = {"npy": "x.npy", "parquet": "table.parquet", "csv": "table.csv"}[source]
        data = (fn.datasets.open(folder / name),)
    started = time.perf_counter()
    model.fit(*data, batch_size=BATCH, verbose=0)
    return time.perf_counter() - started


# ---- PyTorch --------------------------------------------------------------------------------------------------------


def pytorch(folder: Path, source: str) -> float:
    """Train with PyTorch."""
    import torch
    from torch.utils.data import BatchSampler, DataLoader, IterableDataset, RandomSampler

    class Groups(IterableDataset):
        def __iter__(self) -> Iterator[Any]:
            for x, y in groups(folder, 0):
                xs, ys = torch.from_numpy(x), torch.from_numpy(y.astype("int64"))
                yield from zip(xs.split(BATCH), ys.split(BATCH), strict=True)

    class Mapped(torch.utils.data.Dataset):
        def __init__(self) -> None:
            self.x, self.y = (np.load(folder / name, mmap_mode="r") for name in ("x.npy", "y.npy"))

        def __len__(self) -> int:
            return len(self.x)

        def __getitem__(self, rows: list[int]) -> Any:
            return torch.from_numpy(self.x[rows]), torch.from_numpy(self.y[rows].astype("int64"))

    if source == "parquet":
        loader = DataLoader(Groups(), batch_size=None, num_workers=1)
    else:
        mapped = Mapped()
        loader = DataLoader(
            mapped, sampler=BatchSampler(RandomSampler(mapped), BATCH, False), batch_size=None, num_workers=1
        )
    model = torch.nn.Sequential(torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES))
    optimizer, loss = torch.optim.Adam(model.parameters()), torch.nn.CrossEntropyLoss()
    started = time.perf_counter()
    for x, y in loader:
        optimizer.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        optimizer.step()
    return time.perf_counter() - started


# ---- TensorFlow -----------------------------------------------------------------------------------------------------


def tensorflow(folder: Path, source: str) -> float:
    """Train with TensorFlow."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    if source == "parquet":
        signature = (tf.TensorSpec((None, FEATURES), tf.float32), tf.TensorSpec((None,), tf.uint8))
        data = tf.data.Dataset.from_generator(lambda: groups(folder, 0), output_signature=signature).unbatch()
    else:

        def records(name: str, size: int) -> Any:
            offset = np.load(folder / name, mmap_mode="r").offset
            return tf.data.FixedLengthRecordDataset(str(folder / name), size, header_bytes=offset, buffer_size=1 << 23)

        both = tf.data.Dataset.zip((records("x.npy", 4 * FEATURES), records("y.npy", 1))).shuffle(BUFFER, seed=0)
        data = both.map(
            lambda x, y: (tf.io.decode_raw(x, tf.float32), tf.io.decode_raw(y, tf.uint8)[0]), tf.data.AUTOTUNE
        )
    layers = [tf.keras.layers.Dense(HIDDEN, "relu"), tf.keras.layers.Dense(CLASSES, "softmax")]
    model = tf.keras.Sequential([tf.keras.Input((FEATURES,)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy")
    started = time.perf_counter()
    model.fit(data.batch(BATCH).prefetch(tf.data.AUTOTUNE), verbose=0)
    return time.perf_counter() - started


WAYS: dict[str, Callable[[Path, str], float]] = {"fastnet": fastnet, "torch": pytorch, "tensorflow": tensorflow}


def run(folder: Path, case: str) -> dict[str, Any]:
    """Train in this process, and return what it took."""
    library, source = case.split("-")
    seconds = WAYS[library](folder, source)
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    rows = len(np.load(folder / "y.npy", mmap_mode="r"))
    return {
        "case": case,
        "samples_per_second": round(rows / seconds),
        "seconds": round(seconds, 2),
        "peak_MB": peak >> 10,
    }


def main() -> None:
    """Make the files, or run cases in processes of their own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("make", "run", "one"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--group", type=int, default=40_000, help="rows of a row group: 16 MB for 40,000")
    arguments = parser.parse_args()
    if arguments.action == "make":
        make(arguments.folder, arguments.rows, arguments.group)
    for case in arguments.cases:
        if arguments.action == "one":
            print(json.dumps(run(arguments.folder, case)), flush=True)
        else:
            subprocess.run([sys.executable, __file__, "one", arguments.folder, case], check=True)


if __name__ == "__main__":
    main()

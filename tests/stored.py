"""Data sets on the disk for tests, read in small blocks, training on them, and a process that does and is killed."""

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastnet as fn
from fastnet.callbacks import BackupAndRestore
from fastnet.files import stored
from fastnet.inputs import windows

ROWS, FEATURES, CLASSES = 1000, 6, 3
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, FEATURES)).astype("f4")
Y = (X[:, 0] > 0).astype("u1") + (X[:, 1] > 0)
BYTES = {"block": 24 * 60, "window": 24 * 60 * 3 + 100, "evaluation": 24 * 100}  # about 27 blocks and 9 windows


def small_blocks() -> None:
    """Make blocks, windows and what is evaluated at once small."""
    stored.BLOCK_BYTES, windows.WINDOW_BYTES, windows.EVALUATION_BYTES = BYTES.values()


@pytest.fixture
def in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks, windows and what is evaluated at once are small."""
    monkeypatch.setattr(stored, "BLOCK_BYTES", BYTES["block"])
    monkeypatch.setattr(windows, "WINDOW_BYTES", BYTES["window"])
    monkeypatch.setattr(windows, "EVALUATION_BYTES", BYTES["evaluation"])


def written(folder: Path, x: np.ndarray = X, y: np.ndarray | None = Y) -> Path:
    """Write samples and targets as .npy files, and return the path of the samples."""
    np.save(folder / "x.npy", x)
    if y is not None:
        np.save(folder / "y.npy", y)
    return folder / "x.npy"


def model(optimizer: Any = "adam", metrics: Any = ("accuracy",), dropout: bool = True) -> fn.Sequential:
    """Return a model for these samples."""
    layers = [fn.Dense(8, "relu", input_shape=(FEATURES,)), *([fn.layers.Dropout(0.2)] if dropout else [])]
    made = fn.Sequential([*layers, fn.Dense(CLASSES, "softmax")], seed=3)
    made.compile(optimizer, "sparse_categorical_crossentropy", metrics=list(metrics))
    return made


def outcome(made: fn.Sequential, history: Any) -> tuple[bytes, dict[str, list[float]]]:
    """Return the bytes of the weights, and the figures."""
    return b"".join(weights.tobytes() for weights in made.get_weights()), history.history


def opened(folder: Path, **arguments: Any) -> fn.datasets.StoredDataset:
    """Write the samples and the targets, and open them."""
    return fn.datasets.open(written(folder), **arguments)


def fitted(data: Any, y: Any = None, *, made: fn.Sequential | None = None, **arguments: Any) -> Any:
    """Return the outcome of training, of this model or a new one."""
    made = made or model()
    return outcome(made, made.fit(data, y, **{"batch_size": 7, "epochs": 2, "verbose": 0, **arguments}))


def train(folder: Path, threads: int, ready: Connection) -> None:
    """Train as long as that may last, and write the outcome to a file "result"."""
    small_blocks()
    fn.set_num_threads(threads)
    ready.send(None)
    made = model()
    history = made.fit(
        fn.datasets.open(folder / "x.npy"),
        batch_size=7,
        epochs=30,
        verbose=0,
        callbacks=[BackupAndRestore(folder / "backup", save_freq=11)],
    )
    (folder / "result").write_text(repr(outcome(made, history)))

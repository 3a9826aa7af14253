"""Programs that mpiexec starts on several ranks."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import fastnet as fn
from fastnet.callbacks import BackupAndRestore, EarlyStopping, LambdaCallback
from fastnet.distributed import communicator
from fastnet.distributed.distribution import current
from fastnet.training.checkpoints import Checkpoints

Options = dict[str, Any]

# ---- Training that writes files -------------------------------------------------------------------------------------


def make_model(case: str) -> tuple[fn.Sequential, Any]:
    """Return a compiled model, and the samples of digits in its shape."""
    x, _ = fn.datasets.digits.load_data()
    layers: list[Any] = [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(48, "relu"), fn.Dropout(0.2)]
    if case == "convolution":
        x = x.reshape(-1, 8, 8, 1)
        layers = [
            *(fn.Rescaling(1 / 16, input_shape=(8, 8, 1)), fn.Conv2D(8, 3, activation="relu")),
            *(fn.BatchNormalization(), fn.MaxPooling2D(2), fn.Flatten()),
        ]
    elif case == "wide":  # gradients in pieces, exchanged early
        layers = [fn.Rescaling(1 / 16, input_shape=(64,)), fn.Dense(400, "relu"), fn.Dense(100, "relu")]
    model = fn.Sequential([*layers, fn.Dense(10, "softmax")], seed=0)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy", "AUC"])
    return model, x


def fit(case: str, folder: Path, options: Options) -> None:
    """Train a model on this rank, and write it to the folder."""
    ranks = fn.distribute(shards=8)
    model, x = make_model(case)
    _, y = fn.datasets.digits.load_data()
    if options.get("differs") == ranks.rank:
        x[700, 3] += 1
    callbacks: list[Any] = []
    if "backup" in options:
        callbacks.append(BackupAndRestore(folder / "backup", **options["backup"]))
    if case == "stops":
        callbacks.append(EarlyStopping("val_loss", patience=0, min_delta=0.12, restore_best_weights=True))
    if options.get("slow"):
        callbacks.append(LambdaCallback(on_epoch_end=lambda epoch, logs: time.sleep(options["slow"])))
    if options.get("fails") == ranks.rank:
        callbacks.append(LambdaCallback(on_epoch_end=lambda epoch, logs: np.linalg.inv(np.zeros((2, 2)))))
    epochs = 50 if case == "stops" else options.get("epochs", 3)
    settings = {"batch_size": 100, "epochs": epochs, "callbacks": callbacks, "verbose": 2}
    history = model.fit(x[:1500], y[:1500], validation_data=(x[1500:], y[1500:]), **settings)
    if ranks.rank == 0:
        model.save(folder / f"{case}.safetensors")
    (folder / f"ended-{case}-{ranks.rank}").write_text(f"{len(history.epoch)} {history.interrupted}")
    ranks.end()


def fit_table(folder: Path, options: Options) -> None:
    """Train on a table as the command line does."""
    from fastnet.cli import main as fastnet
    from fastnet.cli._progress import TrainingProgress

    before = TrainingProgress.on_epoch_end

    def slowly(self: Any, epoch: int, logs: Any = None) -> None:
        time.sleep(options.get("slow", 0))
        before(self, epoch, logs)

    TrainingProgress.on_epoch_end = slowly  # type: ignore[method-assign]
    backup = ["--checkpoint", str(folder / "backup"), "--every", "0.02", "--resume"] if "backup" in options else []
    out = folder / "table.safetensors"
    epochs = ["--epochs", str(options.get("epochs", 3)), "--batch-size", "100"]
    assert fastnet(["train", options["table"], *epochs, "--distributed", *backup, "--out", str(out)]) == 0
    TrainingProgress.on_epoch_end = before  # type: ignore[method-assign]


def train(folder: Path, options: Options) -> None:
    """Train models of some cases, and with some numbers of threads, each in a folder of its own."""
    begin = Checkpoints.begin

    def begin_and_tell(self: Checkpoints) -> bool:
        resumes = begin(self)
        ranks = current()
        assert ranks is not None
        (folder / f"pid-{ranks.rank}").write_text(str(os.getpid()))
        return resumes

    Checkpoints.begin = begin_and_tell  # type: ignore[method-assign]
    for threads in options.get("threads", [1]):
        fn.set_num_threads(threads)
        for case in options["cases"]:
            own = folder / str(threads) if "threads" in options else folder
            if case == "table":
                fit_table(own, options)
            else:
                fit(case, own, options)


# ---- Messages -------------------------------------------------------------------------------------------------------


def messages(folder: Path, options: Options) -> None:
    """Send each other values, in pieces of a few bytes."""
    communicator._PIECE = 7  # type: ignore[misc]
    ranks = fn.distribute()
    big = np.random.default_rng(0).normal(size=60)

    def value(rank: int) -> Any:
        return {"rank": rank, "text": "x" * rank, "none": [None] * rank, "arrays": [big[:rank], big[rank:]][:rank]}

    def same(found: Any, expected: Any) -> bool:
        return repr(found) == repr(expected) and all(
            np.array_equal(a, b) for a, b in zip(found["arrays"], expected["arrays"], strict=True)
        )

    for _ in range(5):
        assert same(ranks.broadcast(value(ranks.rank + 2)), value(2))
        assert all(same(found, value(rank)) for rank, found in enumerate(ranks.gather(value(ranks.rank))))
    (folder / f"done-{ranks.rank}").touch()
    time.sleep(2.5 * (ranks.rank == 0))  # longer than a rank that failed waits for the others


# ---- Leaving --------------------------------------------------------------------------------------------------------


def leave(folder: Path, options: Options) -> None:
    """Train twice; rank 1 leaves in between."""
    ranks = fn.distribute()
    model, x = make_model("dense")
    _, y = fn.datasets.digits.load_data()
    model.fit(x, y, batch_size=500, verbose=0)
    if ranks.rank == 1:
        if options["how"] == "exit":
            sys.exit("no more")
        if options["how"] == "raise":
            raise OverflowError("too much")
        if options["how"] == "end":
            ranks.end()
        return
    model.fit(x, y, batch_size=500, verbose=0)
    (folder / "survived").touch()


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), json.loads(sys.argv[3]))

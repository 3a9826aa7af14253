"""What a process does that is to be killed: it trains."""

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

import fastnet as fn
from fastnet.callbacks import BackupAndRestore, EarlyStopping, LambdaCallback, LearningRateScheduler, ReduceLROnPlateau
from runs import LABELS, Run, X

EPOCHS = 20
RUNS = {
    "adam, dropout": Run("dropout", epochs=EPOCHS),
    "momentum, batch norm": Run("batch-norm", "momentum", epochs=EPOCHS),
    "accumulated gradients": Run("noise", "accumulation", epochs=EPOCHS),
    "moving average": Run("layer-norm", "average", epochs=EPOCHS, validation=None),
    "schedule": Run("residual", "schedule", epochs=EPOCHS),
    "long epochs": Run("dropout", data=lambda: (np.tile(X, (50, 1)), np.tile(LABELS, 50)), epochs=EPOCHS // 2),
    "early stopping": Run(
        "prelu",
        "nadam",
        callbacks=lambda: [EarlyStopping("val_accuracy", min_delta=0.2, patience=8, restore_best_weights=True)],
        epochs=2 * EPOCHS,
    ),
    "rates": Run(
        optimizer="rmsprop",
        callbacks=lambda: [
            LearningRateScheduler(lambda epoch, rate: 0.95 * rate),
            ReduceLROnPlateau("loss", min_delta=0.1, patience=1),
        ],
        epochs=EPOCHS,
    ),
    "metrics, batch by batch": Run(
        "dropout",
        "muon",
        metrics=lambda: ["accuracy", "AUC", "mse"],
        callbacks=lambda: [LambdaCallback(on_train_batch_end=lambda batch, logs: None)],
        epochs=EPOCHS // 2,
    ),
}
WHEN: list[dict[str, Any]] = [
    {"save_freq": "epoch"},
    {"save_freq": 3},
    {"seconds": 0.0},
    {"seconds": 0.01, "keep": 1, "keep_best": True},
]


def train(case: str, when: int, folder: Path, threads: int, ready: Connection) -> None:
    """Train as long as that may last, and write the outcome to a file "result" in the folder."""
    fn.set_num_threads(threads)
    ready.send(None)
    outcome = RUNS[case](BackupAndRestore(folder / "backup", **WHEN[when]))
    (folder / "result").write_text(repr(outcome))

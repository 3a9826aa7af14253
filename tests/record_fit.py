"""Record when Keras's EarlyStopping ends training, and which samples its epochs take, for test_monitoring.py and test_steps.py.

usage: KERAS_BACKEND=jax python tests/record_fit.py > tests/data/fit.json

Needs keras with one of its backends, which the tests do not. An entry of "early_stopping" has the arguments of the callback, the
figures of the epochs, and what came of them: how many epochs ran, the epoch that ended training, the best figure and its epoch, and
the epoch whose weights the model has then. An entry of "steps_per_epoch" has the number of samples, of which two make a batch, the
argument, the loss of every epoch, and whether Keras warned. A sample's loss is the square of its number.
"""

import json
import sys
import warnings
from typing import Any

import keras
import numpy as np


class Model:
    """What the callback needs of a model; its weights are the number of the epoch."""

    stop_training = False

    def __init__(self) -> None:
        self.weights = [-1]

    def get_weights(self) -> list[int]:
        return list(self.weights)

    def set_weights(self, weights: list[int]) -> None:
        self.weights = list(weights)


def early_stopping(rng: np.random.Generator) -> dict[str, Any]:
    values = np.round(1.0 + np.cumsum(rng.normal(-0.02, 0.1, rng.integers(2, 12))), 2).tolist()
    arguments: dict[str, Any] = {
        "mode": str(rng.choice(["min", "max"])),
        "patience": int(rng.integers(0, 5)),
        "min_delta": float(rng.choice([0.0, 0.05])),
        "baseline": None if rng.random() < 0.3 else round(float(rng.normal(1.0, 0.15)), 2),
        "start_from_epoch": int(rng.choice([0, 0, 1, 3])),
        "restore_best_weights": bool(rng.integers(2)),
    }
    callback, model = keras.callbacks.EarlyStopping("v", **arguments), Model()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(values):
        model.weights = [epoch]
        callback.on_epoch_end(epoch, {"v": value})
        if model.stop_training:
            break
    callback.on_train_end()
    best = None if callback.best is None else float(callback.best)
    outcome = [epoch + 1, callback.stopped_epoch, best, callback.best_epoch, model.weights[0]]
    return {"arguments": arguments, "values": values, "outcome": outcome}


def steps_per_epoch(samples: int, steps: int, epochs: int) -> dict[str, Any]:
    x = np.arange(float(samples))[:, None]
    model = keras.Sequential(
        [keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")]
    )
    model.compile(keras.optimizers.SGD(0.0), "mse")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(x, np.zeros(samples), 2, epochs, verbose=0, shuffle=False, steps_per_epoch=steps)
    losses = [round(float(loss), 3) for loss in history.history["loss"]]
    warned = any("ran out of data" in str(one.message) for one in caught)
    return {"samples": samples, "steps": steps, "losses": losses, "warned": warned}


if __name__ == "__main__":
    generator = np.random.default_rng(0)
    recorded = {
        "keras": keras.__version__,
        "early_stopping": [early_stopping(generator) for _ in range(150)],
        "steps_per_epoch": [
            steps_per_epoch(samples, steps, 7) for samples in (1, 7, 8, 12) for steps in (1, 2, 3, 4, 6, 9)
        ],
    }
    text = json.dumps(recorded, separators=(",", ":"))
    sys.stdout.write(text.replace('{"arguments"', '\n{"arguments"').replace('{"samples"', '\n{"samples"') + "\n")

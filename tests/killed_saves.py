"""Save two models in turn to one file, in a process that is killed at random moments: see test_files.py.

usage: python killed_saves.py FOLDER KILLS

Prints how many of the kills left a temporary file, that is, came while a file was written. Ends with an error if the file was ever
anything but one of the two models.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

import fastnet as fn


def model_of(value: float) -> fn.Sequential:
    model = fn.Sequential([fn.Dense(500, input_shape=(1000,)), fn.Dense(3, activation="softmax")], seed=0)
    model.set_weights([np.full_like(array, value) for array in model.get_weights()])
    return model


def save_for_ever(models: list[fn.Sequential], path: Path) -> None:
    while True:
        for model in models:
            model.save(path)


def main(folder: Path, kills: int) -> None:
    path = folder / "model.safetensors"
    models = [model_of(1.0), model_of(2.0)]
    models[0].save(path)
    rng = random.Random(0)
    halves = 0
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            save_for_ever(models, path)
        time.sleep(rng.uniform(0.0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        value = fn.load_model(path).get_weights()[0][0, 0]
        assert value in (1.0, 2.0)  # and the checksum was right, or it would not have been loaded
        for other in set(folder.iterdir()) - {path}:
            assert other.name.startswith(".fastnet-")
            assert other.suffix == ".tmp"
            other.unlink()
            halves += 1
    print(halves)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))

"""Record a file of Keras with models among the layers, and what its model predicts, for test_nested_keras_files.py.

usage: KERAS_BACKEND=torch python tests/record_nested_keras.py      (writes tests/data/keras_nested.*)
"""

import json
from typing import Any

import numpy as np

from record_interchange_keras import DATA, compress


def made(keras: Any) -> Any:
    """Return a model with models in it, made of a module's classes: those of Keras or of fastnet."""
    layers = keras.layers
    base = keras.Sequential(
        [keras.Input((5,)), layers.Dense(4, activation="relu"), layers.BatchNormalization()], name="base"
    )
    base.trainable = False
    middle = keras.Sequential([base, layers.Dense(3, activation="tanh")], name="middle")
    last = keras.Sequential([layers.Dense(3), layers.Dense(2)], name="last")
    return keras.Sequential([keras.Input((5,)), layers.Dense(5), middle, last], name="nested")


def main() -> None:
    import keras

    model = made(keras)
    rng = np.random.default_rng(0)
    model.set_weights([np.abs(rng.normal(size=weight.shape)).astype(np.float32) for weight in model.get_weights()])
    model.save(DATA / "keras_nested.keras")
    compress(DATA / "keras_nested.keras")
    x = rng.normal(size=(6, 5)).astype(np.float32)
    recorded = {"keras": keras.__version__, "x": x.tolist(), "y": model.predict(x, verbose=0).tolist()}
    (DATA / "keras_nested.json").write_text(json.dumps(recorded) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

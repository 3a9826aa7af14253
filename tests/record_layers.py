"""Record what small models of Keras's layers compute, in double precision, for test_layers_parity.py.

usage: KERAS_BACKEND=torch python tests/record_layers.py > tests/data/layers.json

Needs keras and torch, which the tests do not. A model is trained for three steps of SGD on the mean squared error, from
weights, inputs and targets that `values` makes of their sizes; the entry has the losses, the weights after the steps
and the predictions. Dropout and noise are not recorded: their random numbers are each library's own.
"""

import json
import sys

import numpy as np

INPUTS, BATCH, STEPS, RATE = 4, 6, 3, 0.125  # Keras keeps the rate in single precision
FROZEN = {"trainable": False}
MODELS = [
    [("Dense", {"units": 3}), ("BatchNormalization", {}), ("Dense", {"units": 2})],
    [("BatchNormalization", {"momentum": 0.7, "epsilon": 0.01}), ("Dense", {"units": 2, "activation": "tanh"})],
    [("Dense", {"units": 3}), ("BatchNormalization", {"center": False}), ("Activation", {"activation": "relu"})],
    [("Dense", {"units": 3}), ("BatchNormalization", {"scale": False}), ("Activation", {"activation": "softmax"})],
    [("Dense", {"units": 5}), ("LayerNormalization", {}), ("Dense", {"units": 2})],
    [("LayerNormalization", {"epsilon": 0.1}), ("Dense", {"units": 2, "activation": "sigmoid"})],
    [("Dense", {"units": 5}), ("LayerNormalization", {"center": False, "scale": False}), ("Dense", {"units": 2})],
    [("Dense", {"units": 5}), ("PReLU", {}), ("Dense", {"units": 2})],
    [("Dense", {"units": 3, "kernel_regularizer": "l2", "bias_regularizer": "l1"}), ("Dense", {"units": 2})],
    [("Dense", {"units": 3, "kernel_regularizer": "l1l2", "activation": "tanh"}), ("Dense", {"units": 2})],
    # Frozen: a frozen batch normalization takes its moving averages, what is frozen has no penalty.
    [
        ("Dense", {"units": 3, **FROZEN, "kernel_regularizer": "l2"}),
        ("BatchNormalization", {}),
        ("Dense", {"units": 2}),
    ],
    [("Dense", {"units": 3, "activation": "tanh"}), ("BatchNormalization", FROZEN), ("Dense", {"units": 2})],
    [("BatchNormalization", FROZEN), ("Dense", {"units": 3}), ("BatchNormalization", {}), ("Dense", {"units": 2})],
    [("Dense", {"units": 5}), ("LayerNormalization", FROZEN), ("PReLU", FROZEN), ("Dense", {"units": 2})],
    [
        ("Dense", {"units": 3, "kernel_regularizer": "l1"}),
        ("Dense", {"units": 2, **FROZEN, "kernel_regularizer": "l1"}),
    ],
]


def values(size: int, seed: int) -> np.ndarray:
    """Return numbers between -1 and 1 that look random and are exact in single precision, in which Keras reads them."""
    return np.round(1024.0 * (np.sin(np.arange(1, size + 1) * (12.9898 + seed)) * 437.5 % 2.0 - 1.0)) / 1024.0


def recorded(description: list[tuple[str, dict[str, object]]]) -> dict[str, object]:
    import keras  # here, so that the test can import the constants above

    layers = [getattr(keras.layers, name)(**arguments) for name, arguments in description]
    model = keras.Sequential([keras.layers.Input((INPUTS,)), *layers])
    weights = [values(w.size, i).reshape(w.shape) for i, w in enumerate(model.get_weights())]
    weights = [np.abs(w) if "variance" in v.path else w for w, v in zip(weights, model.weights, strict=True)]
    model.set_weights(weights)
    model.compile(keras.optimizers.SGD(RATE), "mse")
    x = values(BATCH * INPUTS, 100).reshape(BATCH, INPUTS)
    y = values(BATCH * model.output_shape[1], 101).reshape(BATCH, -1)
    losses = [float(model.train_on_batch(x, y)) for _ in range(STEPS)]
    return {
        "layers": description,
        "losses": losses,
        "weights": [w.tolist() for w in model.get_weights()],
        "predictions": model.predict(x, verbose=0).tolist(),
    }


if __name__ == "__main__":
    import keras

    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    lines = ",\n".join(json.dumps(recorded(description)) for description in MODELS)
    sys.stdout.write(f'{{"keras": "{keras.__version__}",\n"models": [\n{lines}\n]}}\n')

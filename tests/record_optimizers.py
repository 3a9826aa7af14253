"""Record where the optimizers of Keras and PyTorch take a linear model in 20 steps, for test_optimizers_parity.py.

usage: KERAS_BACKEND=torch python tests/record_optimizers.py > tests/data/optimizers.json

Needs keras and torch, which the tests do not. The gradients are those of the mean squared error, in NumPy and double
precision; Keras keeps learning rates in single precision, so they are powers of 2.
"""

import json
import sys
from typing import Any

import numpy as np

from record_layers import values

STEPS, ROWS, INPUTS, UNITS, RATE = 20, 6, 4, 3, 0.0625
X = values(ROWS * INPUTS, 0).reshape(ROWS, INPUTS)
Y = values(ROWS * UNITS, 1).reshape(ROWS, UNITS) * 4.0
START = [values(INPUTS * UNITS, 2).reshape(INPUTS, UNITS), values(UNITS, 3)]

KERAS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"rho": 0.8, "momentum": 0.5}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adagrad", {}),
    ("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 0.01}),
    ("Adadelta", {}),
    ("Adam", {}),
    ("Adam", {"amsgrad": True, "beta_2": 0.8}),
    ("Adam", {"weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.25, "beta_1": 0.5}),
    ("Nadam", {}),
    ("Adamax", {}),
    ("Lion", {}),
    ("Lion", {"weight_decay": 0.1}),
    ("Muon", {}),
    ("Muon", {"nesterov": False, "ns_steps": 3, "momentum": 0.5}),
    ("SGD", {"clipnorm": 0.5}),
    ("SGD", {"clipvalue": 0.25}),
    ("SGD", {"global_clipnorm": 0.5}),
    ("Adam", {"global_clipnorm": 0.125}),
    ("SGD", {"gradient_accumulation_steps": 3}),
    ("Adam", {"gradient_accumulation_steps": 2}),
    ("SGD", {"use_ema": True, "ema_momentum": 0.75}),
    ("Adam", {"use_ema": True, "ema_momentum": 0.5, "ema_overwrite_frequency": 4}),
]
TORCH: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"momentum": 0.5, "weight_decay": 0.1}),  # with dampening the first step of PyTorch has none
    ("SGD", {"momentum": 0.5, "nesterov": True, "weight_decay": 0.1}),
]


def gradients(weights: list[np.ndarray]) -> list[np.ndarray]:
    by_output = 2.0 * (X @ weights[0] + weights[1] - Y) / Y.size
    return [X.T @ by_output, by_output.sum(axis=0)]


def by_keras(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    import keras

    variables = [keras.Variable(w, dtype="float64") for w in START]
    optimizer = getattr(keras.optimizers, name)(RATE, **arguments)
    for _ in range(STEPS):
        found = gradients([keras.ops.convert_to_numpy(v) for v in variables])
        optimizer.apply([keras.ops.convert_to_tensor(g, "float64") for g in found], variables)
    optimizer.finalize_variable_values(variables)
    return {
        "name": name,
        "arguments": arguments,
        "weights": [keras.ops.convert_to_numpy(v).tolist() for v in variables],
    }


def by_torch(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    import torch

    weights = [torch.tensor(w, requires_grad=True) for w in START]
    optimizer = getattr(torch.optim, name)(weights, lr=RATE, **arguments)
    for _ in range(STEPS):
        for w, g in zip(weights, gradients([w.detach().numpy() for w in weights]), strict=True):
            w.grad = torch.tensor(g)
        optimizer.step()
    return {"name": name, "arguments": arguments, "weights": [w.tolist() for w in weights]}


if __name__ == "__main__":
    import keras
    import torch

    keras.config.set_floatx("float64")
    entries = [by_keras(*case) for case in KERAS] + [by_torch(*case) for case in TORCH]
    lines = ",\n".join(map(json.dumps, entries))
    sys.stdout.write(
        f'{{"keras": "{keras.__version__}", "torch": "{torch.__version__}",\n"optimizers": [\n{lines}\n]}}\n'
    )

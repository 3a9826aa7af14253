"""Record the values and slopes of PyTorch's and Keras's activations, in double precision, for test_more_activations.py.

usage: KERAS_BACKEND=torch python tests/record_activations.py > tests/data/activations.json

Needs keras and torch, which the tests do not. Those that Keras does not have are left out.
"""

import json
import sys

import keras
import torch

from fastnet._core import activation_names

POINTS = [-30.0, -8.5, -5.0, -3.0, -2.9, -1.0, -0.5, -0.1, -1e-8, 1e-8, 0.1, 0.5, 1.0, 2.9, 3.0, 5.0, 8.5, 30.0]
ARGUMENTS: dict[str, dict[str, object]] = {
    "leaky_relu": {"negative_slope": 0.2},
    "elu": {"alpha": 1.5},
    "gelu": {"approximate": False},
    "gelu_tanh": {"approximate": True},
}
KERAS_NAMES = {"gelu_tanh": "gelu"}


def recorded(name: str) -> dict[str, object]:
    function, arguments = getattr(keras.activations, KERAS_NAMES.get(name, name)), ARGUMENTS.get(name, {})
    x = torch.tensor([POINTS], dtype=torch.float64, requires_grad=True)
    y = function(x, **arguments)
    weights = torch.cos(torch.arange(len(POINTS), dtype=torch.float64))
    (y * weights).sum().backward()
    assert y.dtype == torch.float64
    return {"name": name, "values": y[0].tolist(), "gradient": x.grad[0].tolist()}


names = [name for name in activation_names() if hasattr(keras.activations, KERAS_NAMES.get(name, name))]
entries = ",\n".join(json.dumps(recorded(name)) for name in names)
sys.stdout.write(
    f'{{"keras": "{keras.__version__}", "torch": "{torch.__version__}", "points": {POINTS},\n'
    f'"activations": [\n{entries}\n]}}\n'
)

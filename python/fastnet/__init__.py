"""Neural networks on the CPU: a compiled core with Keras's way to use it.

>>> import fastnet as fn
>>> x, y = fn.datasets.digits.load_data()
>>> model = fn.Sequential([fn.Rescaling(1 / 16), fn.Dense(10, activation="softmax")], seed=0)
>>> model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
>>> history = model.fit(x, y, epochs=5, verbose=0)
"""

import importlib
from typing import TYPE_CHECKING, Any

from fastnet import callbacks, functional, initializers, layers, losses, models, optimizers, utils
from fastnet._config import get_num_threads, set_num_threads, show_config
from fastnet._core import __version__
from fastnet.functional import gemm, leaky_relu, linear, relu, sigmoid, softmax, tanh
from fastnet.layers import Activation, Dense, Flatten, Input, InputLayer, LeakyReLU, ReLU, Rescaling, Softmax
from fastnet.models import Sequential, load_model

if TYPE_CHECKING:
    from fastnet import datasets, metrics, serialization

__all__ = [
    "Activation",
    "Dense",
    "Flatten",
    "Input",
    "InputLayer",
    "LeakyReLU",
    "ReLU",
    "Rescaling",
    "Sequential",
    "Softmax",
    "__version__",
    "callbacks",
    "datasets",
    "functional",
    "gemm",
    "get_num_threads",
    "initializers",
    "layers",
    "leaky_relu",
    "linear",
    "load_model",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "relu",
    "serialization",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "softmax",
    "tanh",
    "utils",
]

_LAZY = ("datasets", "metrics", "serialization")


def __getattr__(name: str) -> Any:
    """Import the parts that are not needed to build a model when they are first used."""
    if name in _LAZY:
        return importlib.import_module(f"fastnet.{name}")
    raise AttributeError(f"module 'fastnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""fastnet: dense neural networks on the CPU, trained and run by a C++ core.

The names that Keras users know are here and in the modules of the same names: `Sequential` and the layers, and
`fastnet.models`, `layers`, `losses`, `optimizers`, `schedules`, `initializers`, `callbacks`, `utils`.
`fastnet.functional` has the activations, the losses and their gradients on NumPy arrays, `fastnet.datasets` reads data and `fastnet.metrics` tells
how good predictions are.
"""

from typing import TYPE_CHECKING, Any

from fastnet import (
    callbacks,
    functional,
    initializers,
    layers,
    losses,
    models,
    optimizers,
    regularizers,
    schedules,
    utils,
)
from fastnet._config import get_num_threads, set_num_threads, show_config
from fastnet._core import __version__
from fastnet.functional import (
    elu,
    gelu,
    gemm,
    hard_sigmoid,
    leaky_relu,
    linear,
    log_softmax,
    mish,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    softmax,
    softplus,
    softsign,
    tanh,
)
from fastnet.layers import (
    ELU,
    Activation,
    BatchNormalization,
    Dense,
    Dropout,
    Flatten,
    GaussianNoise,
    Input,
    InputLayer,
    LayerNormalization,
    LeakyReLU,
    Normalization,
    PReLU,
    ReLU,
    Rescaling,
    Reshape,
    Residual,
    Softmax,
)
from fastnet.models import Sequential, load_model

if TYPE_CHECKING:
    from fastnet import datasets, exceptions, metrics, plotting, quantization, serialization
    from fastnet._doctor import doctor
    from fastnet._verification import verify
    from fastnet.interchange.onnx_import import from_onnx
    from fastnet.interchange.state_dict import from_state_dict
    from fastnet.learning_rates import find_learning_rate

__all__ = [
    "ELU",
    "Activation",
    "BatchNormalization",
    "Dense",
    "Dropout",
    "Flatten",
    "GaussianNoise",
    "Input",
    "InputLayer",
    "LayerNormalization",
    "LeakyReLU",
    "Normalization",
    "PReLU",
    "ReLU",
    "Rescaling",
    "Reshape",
    "Residual",
    "Sequential",
    "Softmax",
    "__version__",
    "callbacks",
    "datasets",
    "doctor",
    "elu",
    "exceptions",
    "find_learning_rate",
    "from_onnx",
    "from_state_dict",
    "functional",
    "gelu",
    "gemm",
    "get_num_threads",
    "hard_sigmoid",
    "initializers",
    "layers",
    "leaky_relu",
    "linear",
    "load_model",
    "log_softmax",
    "losses",
    "metrics",
    "mish",
    "models",
    "optimizers",
    "plotting",
    "prelu",
    "quantization",
    "regularizers",
    "relu",
    "schedules",
    "selu",
    "serialization",
    "set_num_threads",
    "show_config",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
    "utils",
    "verify",
]

_LAZY_MODULES = frozenset(["datasets", "exceptions", "metrics", "plotting", "quantization", "serialization"])
_LAZY_FUNCTIONS = {
    "doctor": "_doctor",
    "find_learning_rate": "learning_rates",
    "from_onnx": "interchange.onnx_import",
    "from_state_dict": "interchange.state_dict",
    "verify": "_verification",
}


def __getattr__(name: str) -> Any:
    """Import what training does not need when it is first used."""
    if name in _LAZY_MODULES:
        import importlib

        return importlib.import_module(f"fastnet.{name}")
    if name in _LAZY_FUNCTIONS:
        import importlib

        return getattr(importlib.import_module(f"fastnet.{_LAZY_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'fastnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""fastnet: dense neural networks on the CPU, trained and run by a C++ core.

The names that Keras users know are here and in the modules of the same names: `Sequential` and the layers, and
`fastnet.models`, `layers`, `losses`, `optimizers`, `schedules`, `initializers`, `callbacks`, `utils`.
`fastnet.functional` has the activations, the losses and their gradients on NumPy arrays, `fastnet.datasets` reads data and `fastnet.metrics` tells
how good predictions are.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fastnet._core import __version__

if TYPE_CHECKING:
    from fastnet import (
        callbacks,
        datasets,
        exceptions,
        functional,
        initializers,
        layers,
        losses,
        metrics,
        models,
        optimizers,
        plotting,
        quantization,
        regularizers,
        reports,
        schedules,
        serialization,
        utils,
    )
    from fastnet._config import get_num_threads, set_num_threads, show_config
    from fastnet._doctor import doctor
    from fastnet._verification import verify
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
    from fastnet.interchange.onnx_import import from_onnx
    from fastnet.interchange.state_dict import from_state_dict
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
    from fastnet.learning_rates import find_learning_rate
    from fastnet.models import Sequential, load_model

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
    "reports",
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

# What is imported when it is first used, so that a command line that only needs its help does not wait for NumPy.
_MODULES = frozenset(
    [
        "callbacks",
        "datasets",
        "exceptions",
        "functional",
        "initializers",
        "layers",
        "losses",
        "metrics",
        "models",
        "optimizers",
        "plotting",
        "quantization",
        "regularizers",
        "reports",
        "schedules",
        "serialization",
        "utils",
    ]
)
_NAMES = {
    "_config": ("get_num_threads", "set_num_threads", "show_config"),
    "_doctor": ("doctor",),
    "_verification": ("verify",),
    "functional": (
        "elu",
        "gelu",
        "gemm",
        "hard_sigmoid",
        "leaky_relu",
        "linear",
        "log_softmax",
        "mish",
        "prelu",
        "relu",
        "selu",
        "sigmoid",
        "silu",
        "softmax",
        "softplus",
        "softsign",
        "tanh",
    ),
    "interchange.onnx_import": ("from_onnx",),
    "interchange.state_dict": ("from_state_dict",),
    "layers": (
        "Activation",
        "BatchNormalization",
        "Dense",
        "Dropout",
        "ELU",
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
        "Softmax",
    ),
    "learning_rates": ("find_learning_rate",),
    "models": ("Sequential", "load_model"),
}
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a module, or the module that a name is in, and keep it here."""
    if name in _MODULES:
        found: Any = importlib.import_module(f"fastnet.{name}")
    elif name in _MODULE_OF:
        found = getattr(importlib.import_module(f"fastnet.{_MODULE_OF[name]}"), name)
    else:
        from fastnet._missing_names import error_for

        raise error_for("fastnet", name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

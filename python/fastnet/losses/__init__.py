"""What training makes small, with Keras's names and defaults.

A NaN among targets or predictions makes the loss of its sample NaN, also where a formula compares or clips.
"""

from typing import TYPE_CHECKING, Any

from fastnet.losses import functions
from fastnet.losses.base import CustomLoss as CustomLoss
from fastnet.losses.base import Loss as Loss
from fastnet.losses.base import losses as _losses
from fastnet.losses.classification import *
from fastnet.losses.embeddings import *
from fastnet.losses.functions import *
from fastnet.losses.overlap import *
from fastnet.losses.regression import *
from fastnet.support.missing_names import explain_missing

if not TYPE_CHECKING:  # type checkers take the names from the imports
    __all__ = [
        *embeddings.__all__,
        *classification.__all__,
        *overlap.__all__,
        *regression.__all__,
        *functions.__all__,
        "CustomLoss",
        "Loss",
        "deserialize",
        "get",
        "serialize",
    ]

explain_missing(__name__)

serialize = _losses.serialize
deserialize = _losses.deserialize


def get(identifier: Any) -> Loss:
    """Return the loss for a name, a class, an object, its configuration, or a function.

    A function is one of this module, such as `mean_squared_error`, or one that returns (value, gradient).

    Raises
    ------
    ValueError
        The name is unknown, or a saved model asks for a Python function.
    NotImplementedError
        The name is one that Keras knows and fastnet does not.
    """
    if isinstance(identifier, dict) and "function" in identifier:
        raise ValueError(
            f"the loss is the Python function {identifier['function']!r}, which a file cannot hold: give it as "
            "custom_objects, or load the model with compile=False"
        )
    if callable(identifier) and not isinstance(identifier, type | Loss):
        name = getattr(identifier, "__name__", "")
        own = name in functions.__all__ and identifier is getattr(functions, name)
        return _losses.get(name) if own else CustomLoss(identifier)
    return _losses.get(identifier)

"""The activation of a layer: which function, and its slope."""

from dataclasses import dataclass
from typing import Any

from fastnet import _core, functional
from fastnet._validation import check_number, describe, unsupported

_KERAS_ONLY = frozenset(
    [
        *["celu", "elu", "exponential", "gelu", "glu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish"],
        *["hard_tanh", "log_sigmoid", "log_softmax", "mish", "relu6", "selu", "silu", "soft_shrink", "softplus"],
        *["softsign", "sparse_plus", "sparsemax", "squareplus", "swish", "tanh_shrink", "threshold"],
    ]
)

# What the name alone stands for in a layer, as in Keras. In `fastnet.functional` the default is 0.01, as in PyTorch.
_LEAKY_RELU_SLOPE = 0.2


@dataclass(frozen=True)
class ActivationFunction:
    """An activation as the compiled core knows it.

    `alpha` is the slope of leaky_relu for negative inputs; the other activations do not read it.
    """

    name: str
    alpha: float = 0.0

    @property
    def description(self) -> dict[str, Any]:
        """What the compiled core takes."""
        return {"activation": self.name, "alpha": self.alpha}

    @property
    def config(self) -> str | dict[str, Any]:
        """What `get_activation` makes this object from again: the name, where that says everything."""
        if self.name == "leaky_relu" and self.alpha != _LEAKY_RELU_SLOPE:
            return {"name": self.name, "negative_slope": self.alpha}
        return self.name


def leaky_relu(negative_slope: float) -> ActivationFunction:
    return ActivationFunction("leaky_relu", check_number("negative_slope", negative_slope, minimum=0.0))


def get_activation(identifier: Any) -> ActivationFunction:
    """Return the activation for a name, None, a function of `fastnet.functional` or a configuration."""
    if identifier is None:
        return ActivationFunction("linear")
    if isinstance(identifier, ActivationFunction):
        return identifier
    if isinstance(identifier, dict):
        if identifier.keys() != {"name", "negative_slope"} or identifier["name"] != "leaky_relu":
            raise ValueError(
                "the configuration of an activation must be {'name': 'leaky_relu', 'negative_slope': a number}; "
                f"got {describe(identifier)}"
            )
        return leaky_relu(identifier["negative_slope"])
    name = identifier if isinstance(identifier, str) else getattr(identifier, "__name__", "")
    known = _core.activation_names()
    if name in known and (isinstance(identifier, str) or identifier is getattr(functional, name)):
        if name != "leaky_relu":
            return ActivationFunction(name)
        return leaky_relu(_LEAKY_RELU_SLOPE if isinstance(identifier, str) else identifier.__defaults__[0])
    if name in _KERAS_ONLY or callable(identifier):
        raise unsupported(f"the activation {identifier!r} is not available")
    accepted = ", ".join(map(repr, known))
    if isinstance(identifier, str):
        raise ValueError(f"activation must be one of {accepted}; got {identifier!r}")
    raise TypeError(
        f"activation must be None, a function of fastnet.functional or one of {accepted}; got {describe(identifier)}"
    )

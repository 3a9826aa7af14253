"""What each activation computes, in PyTorch, from its configuration alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

import reference_activations
from fastnet.functional.activations.table import ACTIVATIONS

# Where PyTorch's module is another function or loses digits, as that of gelu does in the tail.
FUNCTIONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    "linear": lambda x, alpha: x,
    "elu": lambda x, alpha: torch.where(x > 0, x, alpha * torch.expm1(torch.clamp(x, max=0.0))),
    "gelu": lambda x, alpha: x * 0.5 * torch.special.erfc(-x / 2**0.5),
    "softplus": lambda x, alpha: F.softplus(x, threshold=40),
    "hard_sigmoid": lambda x, alpha: torch.clamp(x / 6 + 0.5, 0, 1),
}
# And Keras's default of the name alone.
_PARAMETERS = {
    "leaky_relu": ("negative_slope", 0.2),
    "elu": ("alpha", 1.0),
    "celu": ("alpha", 1.0),
    "relu6": ("max_value", 6.0),
    "thresholded_relu": ("theta", 1.0),
    "hard_shrink": ("threshold", 0.5),
    "soft_shrink": ("threshold", 0.5),
}


def activation(config: Any, x: Tensor) -> Tensor:
    """Apply the activation that a configuration names: a string, or a dictionary with the parameter."""
    given = config if isinstance(config, dict) else {"name": config}
    name = given["name"]
    parameter, default = _PARAMETERS.get(name, ("", 0.0))
    alpha = given.get(parameter, default)
    if name in FUNCTIONS:
        return FUNCTIONS[name](x, alpha)
    module = ACTIVATIONS[name].torch
    if module is None:
        return _ByReference.apply(x, name)
    return eval(f"torch.nn.{module.format(alpha=alpha)}")(x)


class _ByReference(torch.autograd.Function):
    """An activation that PyTorch does not have, and its gradient, as the NumPy reference has them."""

    @staticmethod
    def forward(context: Any, x: Tensor, name: str) -> Tensor:
        context.save_for_backward(x)
        context.name = name
        with np.errstate(over="ignore"):
            return torch.from_numpy(reference_activations.ACTIVATIONS[name][0](x.detach().numpy()))

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (x,) = context.saved_tensors
        backward = reference_activations.ACTIVATIONS[context.name][1]
        with np.errstate(over="ignore"):
            return torch.from_numpy(backward(gradient.numpy(), x.numpy())), None

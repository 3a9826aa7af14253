"""A built model as the modules of a ``torch.nn.Sequential`` that predicts what it predicts."""

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.layers.base import Layer
from fastnet.layers.functions import ActivationFunction
from fastnet.training.trainer import Trainer

__all__ = ["TorchModule", "code_of", "modules_of", "torch_code"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class TorchModule:
    """One module of a ``torch.nn.Sequential``.

    Attributes
    ----------
    code : str
        What makes it, without ``torch.nn.`` in front: ``"Linear(784, 64)"``.
    arrays : dict from str to ndarray
        Its state, by PyTorch's names and in PyTorch's layout, contiguous.
    """

    code: str
    arrays: dict[str, Array] = field(default_factory=dict)


def modules_of(model: Trainer) -> list[TorchModule]:
    """Return the modules of a built model.

    Parameters
    ----------
    model : Sequential

    Returns
    -------
    list of TorchModule
        A `Dense` layer gives one module and another for its activation. A `Rescaling` gives none: it goes into the weights
        of the `Dense` layer behind it.

    Raises
    ------
    ValueError
        The model is not built.
    NotImplementedError
        PyTorch has no module for a layer; the message names it.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.interchange.torch_modules import modules_of
    >>> model = fn.Sequential([fn.Dense(2, "relu", input_shape=(3,)), fn.Dropout(0.5), fn.Dense(1)])
    >>> [module.code for module in modules_of(model)]
    ['Linear(3, 2)', 'ReLU()', 'Dropout(0.5)', 'Linear(2, 1)']
    """
    model._require_built("to_state_dict")
    modules: list[TorchModule] = []
    rescaling: tuple[layers.Rescaling, float, float] | None = None  # the last one, and the product and sum of all
    weights = iter(model.get_weights())
    for layer in model.layers:
        own = {name: next(weights) for name in layer.weight_names}
        if isinstance(layer, layers.Rescaling):
            scale, offset = (1.0, 0.0) if rescaling is None else rescaling[1:]
            rescaling = (layer, scale * layer.scale, offset * layer.scale + layer.offset)
        elif isinstance(layer, layers.Dense):
            modules += _dense(layer, own, *((1.0, 0.0) if rescaling is None else rescaling[1:]))
            rescaling = None
        elif rescaling is not None and not isinstance(layer, layers.Flatten | layers.Reshape):
            break
        else:
            modules += _modules(layer, own, model.dtype)
    if rescaling is not None:
        raise _no_counterpart(rescaling[0], "it would go into the weights of a Dense layer directly behind it")
    return modules


def torch_code(model: Trainer) -> str:
    """Return the Python code of the ``torch.nn.Sequential`` that loads `to_state_dict`.

    Parameters
    ----------
    model : Sequential
        A built model.

    Raises
    ------
    ValueError, NotImplementedError
        As `modules_of`.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.interchange.torch_modules import torch_code
    >>> print(torch_code(fn.Sequential([fn.Dense(64, "relu", input_shape=(784,)), fn.Dense(10)])))
    torch.nn.Sequential(
        torch.nn.Linear(784, 64),
        torch.nn.ReLU(),
        torch.nn.Linear(64, 10),
    )
    """
    return code_of(modules_of(model), model.dtype)


def code_of(modules: list[TorchModule], dtype: str) -> str:
    """Return the code of the ``torch.nn.Sequential`` of such modules, for arrays of a dtype."""
    lines = [f"    torch.nn.{module.code}," for module in modules]
    double = ".double()" if dtype == "float64" else ""
    return "\n".join(["torch.nn.Sequential(", *lines, f"){double}"])


def _dense(layer: layers.Dense, own: dict[str, Array], scale: float, offset: float) -> list[TorchModule]:
    """Return the modules of a layer that sees ``scale * x + offset``."""
    kernel, *biases = own.values()
    inputs, units = kernel.shape
    if offset:
        shift = offset * kernel.sum(axis=0, dtype=np.float64)
        biases = [(shift + (biases[0] if biases else 0.0)).astype(kernel.dtype)]
    if scale != 1.0:
        kernel = (scale * kernel.astype(np.float64)).astype(kernel.dtype)
    arrays = {"weight": np.ascontiguousarray(kernel.T), **dict(zip(["bias"], biases, strict=False))}
    code = f"Linear({inputs}, {units}{'' if biases else ', bias=False'})"
    return [TorchModule(code, arrays), *_activation(layer, layer.activation)]


def _activation(layer: Layer, function: ActivationFunction) -> list[TorchModule]:
    if function.name == "linear":
        return []
    code = ACTIVATIONS[function.name].torch
    if code is None:
        raise _no_counterpart(layer, f"torch.nn has no module for the activation {function.name!r}")
    return [TorchModule(code.format(alpha=function.alpha))]


def _modules(layer: Layer, own: dict[str, Array], dtype: str) -> list[TorchModule]:
    """Return the modules of a layer other than `Dense` and `Rescaling`."""
    size = math.prod(layer.input_shape or ())
    is_row = layer.input_shape == (size,)
    match layer:
        case layers.Activation():
            return _activation(layer, layer.activation)
        case layers.PReLU() if own["alpha"].ndim == 1:
            return [TorchModule(f"PReLU({size})", {"weight": own["alpha"]})]
        case layers.LayerNormalization():
            features = (layer.input_shape or (size,))[-1]
            return [
                TorchModule(f"LayerNorm({features}, eps={layer.epsilon!r})", _scale_and_shift(own, features, dtype))
            ]
        case layers.BatchNormalization() if is_row:
            # PyTorch's momentum is the weight of the new value.
            code = f"BatchNorm1d({size}, eps={layer.epsilon!r}, momentum={1.0 - layer.momentum:.12g})"
            moments = _moments(own["moving_mean"], own["moving_variance"])
            return [TorchModule(code, _scale_and_shift(own, size, dtype) | moments)]
        case layers.Normalization() if is_row:
            code = f"BatchNorm1d({size}, eps={layer.epsilon!r}, momentum=0.0, affine=False)"
            return [TorchModule(code, _moments(own["mean"], own["variance"]))]
        case layers.Dropout():
            return [TorchModule(f"Dropout({layer.rate!r})")]
        case layers.GaussianNoise():
            return [TorchModule("Identity()")]
        case layers.Flatten():
            return [TorchModule("Flatten()")]
        case layers.Reshape():
            return [TorchModule("Flatten()"), TorchModule(f"Unflatten(1, {layer.output_shape})")]
        case _:
            shape = "" if is_row else f" for samples of shape {layer.input_shape}"
            raise _no_counterpart(layer, f"torch.nn.Sequential has nothing like {type(layer).__name__}{shape}")


def _scale_and_shift(own: dict[str, Array], size: int, dtype: str) -> dict[str, Array]:
    """Return gamma and beta, of which PyTorch has both or none."""
    return {"weight": own.get("gamma", np.ones(size, dtype)), "bias": own.get("beta", np.zeros(size, dtype))}


def _moments(mean: Array, variance: Array) -> dict[str, Array]:
    return {"running_mean": mean, "running_var": variance, "num_batches_tracked": np.array(0, np.int64)}


def _no_counterpart(layer: Layer, reason: str) -> NotImplementedError:
    return NotImplementedError(f"fastnet: layer {layer.name!r} cannot be written for PyTorch: {reason}")

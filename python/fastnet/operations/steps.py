"""A built model as a list of simple operations, which each exporter writes down in its own language.

What prediction has no use for, dropout and noise, is left out, and so are reshapes: a sample is one row of values here.
Normalization by known numbers, rescaling included, is one operation, `Scaling`. A layer with an activation gives two operations.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.layers.base import Layer
from fastnet.network.layered import Layered

__all__ = [
    "OPERATIONS",
    "Activating",
    "Addition",
    "LayerNormalizing",
    "Multiplication",
    "Operation",
    "Remembering",
    "Scaling",
    "SlopedActivating",
    "operations_of",
    "scaled",
]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Operation:
    """One step of a prediction.

    Attributes
    ----------
    size : int
        The number of values that it gives for a sample.
    layer : str
        The name of the layer that it comes from.
    """

    size: int
    layer: str


@dataclass(frozen=True, eq=False)
class Multiplication(Operation):
    """``x @ kernel + bias``, with a kernel of shape (inputs, size); the bias may be None."""

    kernel: Array
    bias: Array | None


@dataclass(frozen=True, eq=False)
class Scaling(Operation):
    """``(x - center) * factor + offset``, each of them an array of shape (size,) or (), a single number."""

    center: Array
    factor: Array
    offset: Array


@dataclass(frozen=True, eq=False)
class Activating(Operation):
    """A function of `fastnet.functional`, other than linear, with the parameter of those that have one."""

    function: str
    alpha: float


@dataclass(frozen=True, eq=False)
class SlopedActivating(Operation):
    """``x if x > 0 else slope * x``, with a slope for every value: PReLU."""

    slope: Array


@dataclass(frozen=True, eq=False)
class LayerNormalizing(Operation):
    """``gamma * (x - mean(x)) / sqrt(variance(x) + epsilon) + beta`` for each sample; gamma and beta may be None."""

    epsilon: float
    gamma: Array | None
    beta: Array | None


@dataclass(frozen=True, eq=False)
class Remembering(Operation):
    """Leaves the values as they are, and puts them on a stack."""


@dataclass(frozen=True, eq=False)
class Addition(Operation):
    """Adds the values that were last put on the stack, and takes them from it."""


OPERATIONS = (
    Multiplication,
    Scaling,
    Activating,
    SlopedActivating,
    LayerNormalizing,
    Remembering,
    Addition,
)


# Layers that do to every value the same whatever its sample's shape is: their weights are repeated for every row of it.
_ELEMENTWISE = ("normalization", "batch_normalization", "prelu")


def operations_of(model: Layered) -> list[Operation]:
    """Return what a prediction of a built model does, step by step.

    Parameters
    ----------
    model : Sequential
        A built model. The arrays are copies of its weights, in its dtype; what is computed from them, such as the factor
        of a normalization, is computed in float64 first.

    Returns
    -------
    list of Operation

    Raises
    ------
    ValueError
        The model is not built.
    NotImplementedError
        A layer has no operation, such as a convolution, or works on the rows of samples of several dimensions.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.operations.steps import operations_of
    >>> model = fn.Sequential([fn.Dense(2, "relu", input_shape=(3,)), fn.Dropout(0.5), fn.Dense(1)])
    >>> [type(operation).__name__ for operation in operations_of(model)]
    ['Multiplication', 'Activating', 'Multiplication']
    """
    model._require_built("operations_of")
    size = int(np.prod(model.input_shape or ()))
    result: list[Operation] = []
    for layer, weights in model._layers_with_weights():
        for operation in _operations_of_layer(layer, weights, size):
            result.append(operation)
            size = operation.size
    return result


def _operations_of_layer(layer: Layer, arrays: list[Array], size: int) -> Iterator[Operation]:
    weights = dict(zip(layer.weight_names, arrays, strict=True))
    for names, description in layer.descriptions(layer.input_shape or ()):
        own = {name.rpartition(".")[2]: weights[name] for name in names}
        if (positions := description.get("positions", 1)) > 1:
            if description["type"] not in _ELEMENTWISE:
                raise _no_operation(layer.name, f"{description['type']} on samples of several dimensions")
            own = {name: np.tile(array.reshape(-1), positions) for name, array in own.items()}
        size = description.get("units", size)
        operation = _operation(size, layer.name, description, own)
        if operation is not None:
            yield operation
        function = description.get("activation", "linear")
        if function != "linear":
            yield Activating(size, layer.name, function, description["alpha"])


def _operation(size: int, layer: str, description: dict[str, Any], own: dict[str, Array]) -> Operation | None:
    """Return the operation that a description for the core stands for, without its activation."""
    match description["type"]:
        case "dense":
            return Multiplication(size, layer, own["kernel"], own.get("bias"))
        case "rescaling":
            return Scaling(size, layer, np.zeros(()), np.array(description["scale"]), np.array(description["offset"]))
        case "normalization":
            return _scaling(size, layer, own["mean"], own["variance"], description["epsilon"], None, None)
        case "batch_normalization":
            moments = own["moving_mean"], own["moving_variance"]
            return _scaling(size, layer, *moments, description["epsilon"], own.get("gamma"), own.get("beta"))
        case "layer_normalization":
            return LayerNormalizing(size, layer, description["epsilon"], own.get("gamma"), own.get("beta"))
        case "prelu":
            return SlopedActivating(size, layer, own["alpha"].reshape(-1))
        case "residual_begin":
            return Remembering(size, layer)
        case "residual_end":
            return Addition(size, layer)
        case "activation" | "dropout" | "gaussian_noise":
            return None
        case other:
            raise _no_operation(layer, other)


def _no_operation(layer: str, kind: str) -> NotImplementedError:
    return NotImplementedError(
        f"fastnet: layer {layer!r} ({kind}) cannot be exported or quantized: models of Dense, activations, normalizations, "
        "Rescaling, Dropout, Flatten, Reshape and Residual can; Sequential.save() keeps every model"
    )


def _scaling(
    size: int,
    layer: str,
    mean: Array,
    variance: Array,
    epsilon: float,
    gamma: Array | None,
    beta: Array | None,
) -> Scaling:
    inverse = 1.0 / np.sqrt(variance.astype(np.float64) + epsilon)
    factor = inverse if gamma is None else gamma * inverse
    offset = np.zeros(()) if beta is None else beta
    return Scaling(size, layer, mean, factor.astype(mean.dtype), offset.astype(mean.dtype))


def scaled(product: Multiplication, scaling: Scaling) -> Multiplication:
    """Return a product that does the scaling behind it as well; its kernel and its bias are in float64."""
    factor, bias = scaling.factor.astype(np.float64), np.zeros(product.size) if product.bias is None else product.bias
    bias = np.broadcast_to((bias - scaling.center.astype(np.float64)) * factor + scaling.offset, product.size)
    return replace(product, kernel=product.kernel * factor, bias=bias)


def arrays_of(operation: Operation) -> dict[str, NDArray[Any]]:
    """Return the arrays of an operation by their names."""
    return {name: value for name, value in vars(operation).items() if isinstance(value, np.ndarray)}

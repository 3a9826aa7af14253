"""A list of operations computed step by step, with the core's products and activations.

An export is held against it where its own language cannot be run, and calibration looks at the values on the way.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from fastnet._core import activation as _core_activation
from fastnet.functional import gemm
from fastnet.operations import steps
from fastnet.operations.images import compute_images
from fastnet.operations.steps import Array, Operation, repeated

__all__ = ["compute", "trace"]


def compute(operations: Iterable[Operation], x: Array) -> Array:
    """Return what the operations make of samples.

    Parameters
    ----------
    operations : iterable of Operation
    x : ndarray of shape (samples, inputs)

    Returns
    -------
    ndarray of shape (samples, outputs)
        In the dtype of `x`.
    """
    *_, outputs = trace(operations, x)
    return outputs


def trace(operations: Iterable[Operation], x: Array) -> Iterator[Array]:
    """Yield the values that each operation gets, and then the outputs, all in the dtype of `x`."""
    values = x
    stack: list[Array] = []
    yield values
    for operation in operations:
        if isinstance(operation, steps.Remembering):
            stack.append(values)
        elif isinstance(operation, steps.Exchanging):
            values, stack[-1] = stack[-1], values
        elif isinstance(operation, steps.Addition):
            values = values + stack.pop()
        else:
            values = _compute_one(operation, values).astype(x.dtype)
        yield values


def _compute_one(operation: Operation, x: Array) -> Array:
    match operation:
        case steps.Multiplication():
            product: Array = gemm(x, operation.kernel.astype(x.dtype))
            return product if operation.bias is None else product + operation.bias.astype(x.dtype)
        case steps.Scaling(size=size):
            center, factor, offset = (repeated(a, size) for a in (operation.center, operation.factor, operation.offset))
            return (x - center) * factor + offset
        case steps.Activating(rows=rows):
            return _core_activation(operation.function, x.reshape(len(x) * rows, -1), operation.alpha).reshape(x.shape)
        case steps.SlopedActivating(size=size):
            return np.where(x > 0, x, repeated(operation.slope, size) * x)
        case steps.LayerNormalizing():
            return _normalize_rows(operation, x.reshape(len(x), operation.rows, -1)).reshape(x.shape)
        case steps.Permuting(shape=shape, axes=axes):
            return x.reshape(len(x), *shape).transpose(0, *(axis + 1 for axis in axes)).reshape(x.shape)
        case steps.ImageOperation():
            return compute_images(operation, x)
        case other:
            raise AssertionError(f"cannot compute {other!r}")


def _normalize_rows(operation: steps.LayerNormalizing, x: Array) -> Array:
    centered = x - x.mean(axis=-1, keepdims=True)
    result: Array = centered / np.sqrt(x.var(axis=-1, keepdims=True) + operation.epsilon)
    if operation.gamma is not None:
        result = result * operation.gamma
    return result if operation.beta is None else result + operation.beta

"""What an ONNX graph computes from constants alone, such as the shape that a Reshape is given."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.interchange.onnx_import.functions import FUNCTIONS, ROW_FUNCTIONS

__all__ = ["BATCH", "computed_constant", "sizes_of"]

Array = NDArray[Any]
BATCH = 2**61 - 1  # stands for the size of the batch in shapes; what is computed from it is recognized as no size

LARGEST_FILLED = 2**10  # of values that a file states by one: those of pads

# Of TensorProto.DataType; float16 is computed in float32.
_TYPES: dict[int, type] = {1: np.float32, 6: np.int32, 7: np.int64, 10: np.float32, 11: np.float64}


def _quotient(a: Array, b: Array) -> Array:
    """Return the quotient of integers, which ONNX rounds toward zero."""
    if not b.all():
        raise ValueError("it divides integers by zero")
    return np.asarray((a - np.fmod(a, b)) // b)


# Of integers, which stay in their type; the other functions are of floating-point numbers.
_INTEGER_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "Abs": np.abs,
    "Add": np.add,
    "Div": _quotient,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Sub": np.subtract,
}


def computed_constant(operator: str, attributes: Mapping[str, Any], inputs: Sequence[Array | None]) -> Array | None:
    """Return what an operator computes from constants, or None where fastnet does not compute it.

    An input is None where an optional one is left out.
    """
    first = inputs[0] if inputs else None
    if first is None:
        return None
    second = inputs[1] if len(inputs) > 1 else None
    match operator:
        case "Identity":
            return first
        case "Cast" if attributes["to"] in _TYPES:
            return first.astype(_TYPES[attributes["to"]])
        case "Transpose":
            return first.transpose(attributes.get("perm"))
        case "Concat":
            return np.concatenate([array for array in inputs if array is not None], attributes["axis"])
        case "Gather" if second is not None and second.size <= first.size:
            return np.asarray(first.take(second, attributes.get("axis", 0)))
        case "ConstantOfShape" if 0 <= math.prod(first.tolist()) <= LARGEST_FILLED:
            return np.full(first, np.reshape(attributes.get("value", np.float32(0.0)), ()))
        case "Shape":
            return np.array(first.shape, np.int64)[attributes.get("start", 0) : attributes.get("end")]
        case "Slice":
            return _sliced(first, attributes, inputs[1:])
        case "Squeeze" | "Unsqueeze":
            axes = attributes.get("axes") if second is None else second.reshape(-1).tolist()
            if operator == "Unsqueeze":
                return np.expand_dims(first, tuple(axes or ()))
            return np.squeeze(first, None if axes is None else tuple(axes))
        case "Reshape" if second is not None:
            return first.reshape(sizes_of(second, first.shape, attributes))
    return _function(operator, attributes, inputs)


def _sliced(array: Array, attributes: Mapping[str, Any], inputs: Sequence[Array | None]) -> Array | None:
    """Return a part of a constant; starts, ends, axes and steps are inputs, or, before opset 10, attributes."""
    given = [None if one is None else one.reshape(-1).tolist() for one in inputs]
    given = given or [attributes.get(name) for name in ("starts", "ends", "axes")]
    starts, ends, axes, steps = [*given, None, None, None, None][:4]
    if starts is None or ends is None or 0 in (steps or ()):
        return None
    parts = [slice(None)] * array.ndim
    places = axes or range(len(starts))
    for start, end, axis, step in zip(starts, ends, places, steps or [1] * len(starts), strict=True):
        parts[axis] = slice(start, end, step)
    return array[tuple(parts)]


def _function(operator: str, attributes: Mapping[str, Any], inputs: Sequence[Array | None]) -> Array | None:
    """Return what is computed value by value, if it is not larger than what it is computed from."""
    arrays = [array for array in inputs if array is not None]
    if math.prod(np.broadcast_shapes(*(array.shape for array in arrays))) > sum(array.size for array in arrays):
        return None
    kinds = {array.dtype.kind for array in arrays}
    if kinds == {"f"} and operator in FUNCTIONS and operator not in ROW_FUNCTIONS:
        return np.asarray(FUNCTIONS[operator](attributes)(*inputs), np.result_type(*arrays))
    are_sizes = any(
        (np.abs(array.astype(np.float64)) >= BATCH / 2).any() for array in arrays if array.dtype.kind in "iu"
    )
    if kinds <= {"i", "u"} and operator in _INTEGER_FUNCTIONS and not are_sizes:
        return np.asarray(_INTEGER_FUNCTIONS[operator](*arrays), np.result_type(*arrays))
    return None


def sizes_of(target: Array, shape: Sequence[int], attributes: Mapping[str, Any]) -> list[int]:
    """Return the sizes that a Reshape is given, where 0 stands for the size that is there, unless `allowzero` is set."""
    sizes = [int(size) for size in target]
    if attributes.get("allowzero"):
        return sizes
    return [shape[i] if size == 0 and i < len(shape) else size for i, size in enumerate(sizes)]

"""Files of quantized models: safetensors like all model files, with a list of operations instead of an architecture.

The entry ``operations`` of the metadata is a JSON list. Each operation has a ``kind``, a ``layer``, a ``size`` and its
parameters; its arrays are the tensors ``operations.<i>.<name>``. The entry ``config`` has the name and the shapes of
the model.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from fastnet._core import activation_names
from fastnet.files import safetensors
from fastnet.files.atomic import check_overwrite
from fastnet.files.names import check_name
from fastnet.files.safetensors import Tensor
from fastnet.layers.base import Shape
from fastnet.layers.weights import finite
from fastnet.models.model_file import metadata_of
from fastnet.operations import steps
from fastnet.operations.quantizing import MOST_INPUTS, QuantizedMultiplication
from fastnet.operations.steps import Operation, arrays_of
from fastnet.support.validation import check_choice, check_integer, check_number, check_shape, describe
from fastnet.training.evaluation import Evaluator
from fastnet.training.receipt import without_volatile

if TYPE_CHECKING:
    from fastnet.files.safetensors import File

_KINDS: dict[str, type[Operation]] = {kind.__name__: kind for kind in (QuantizedMultiplication, *steps.OPERATIONS)}
_OPTIONAL = {"bias", "gamma", "beta"}
_ARRAYS = {"kernel", "scale", "center", "factor", "offset", "slope", *_OPTIONAL}
_ONE = {"rows"}  # is 1 in a quantized model, and not in the file
_MOST_OPERATIONS = 30_000
_LEAST_SCALE = 1e-37  # its reciprocal is finite in float32


def save_quantized(
    model: Evaluator,
    operations: Sequence[Operation],
    receipt: dict[str, Any] | None,
    path: str | os.PathLike[str],
    overwrite: bool,
) -> None:
    """Write a quantized model with these operations to a file; see `QuantizedModel.save`."""
    check_name(path, "save", "safetensors")
    check_overwrite(path, overwrite)
    arrays = {
        f"operations.{i}.{name}": array for i, one in enumerate(operations) for name, array in arrays_of(one).items()
    }
    shapes = {"input_shape": list(model.input_shape or ()), "output_shape": list(model.output_shape or ())}
    parts = {"operations": [_entry(operation) for operation in operations], "config": {"name": model.name, **shapes}}
    stored = None if receipt is None else without_volatile(receipt)
    safetensors.write(path, arrays, metadata_of(model, {**parts, "receipt": stored}))


def _entry(operation: Operation) -> dict[str, Any]:
    """Return the JSON entry of an operation: everything but its arrays."""
    numbers = {name: value for name, value in vars(operation).items() if name not in _ARRAYS | _ONE}
    return {"kind": type(operation).__name__, **numbers}


def read_quantized(file: "File", entries: Any, config: Mapping[str, Any]) -> tuple[list[Operation], Shape, Shape, str]:
    """Return the arguments of `QuantizedModel` for an open file with these metadata.

    Raises
    ------
    ValueError, TypeError
        An entry is unknown or wrong, or the tensors are not exactly those of the operations.
    """
    if set(config) != {"name", "input_shape", "output_shape"} or not isinstance(config["name"], str):
        raise ValueError(f"config must have name, input_shape and output_shape; got {describe(config)}")
    shapes = check_shape("input_shape", config["input_shape"]), check_shape("output_shape", config["output_shape"])
    if len(entries) > _MOST_OPERATIONS:
        raise ValueError(f"a file has at most {_MOST_OPERATIONS} operations; got {len(entries)}")
    known: set[str] = set()
    size = math.prod(shapes[0])
    for i, entry in enumerate(entries):
        known |= _checked_tensors(i, entry, size, file.tensors)
        size = entry["size"]
    if size != math.prod(shapes[1]):
        raise ValueError(f"the operations give {size} values, not the output shape {shapes[1]}")
    for unknown in set(file.tensors) - known:
        raise ValueError(f"it has an unknown tensor {unknown!r}")
    arrays = file.read()
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not finite(array):
            raise ValueError(f"tensor {name!r} has a value that is not finite")
    return [_operation(i, entry, arrays) for i, entry in enumerate(entries)], *shapes, config["name"]


def _checked_tensors(i: int, entry: Any, inputs: int, tensors: Mapping[str, Tensor]) -> set[str]:
    """Refuse an operation that is unknown or does not fit its number of inputs; return the names of its tensors."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
        raise ValueError(f"operation {i} must have a kind; got {describe(entry)}")
    kind = _KINDS[check_choice(f"the kind of operation {i}", entry["kind"], _KINDS)]
    names = {field.name for field in fields(kind)} - _ONE
    if set(entry) != {"kind", *(names - _ARRAYS)}:
        raise ValueError(
            f"operation {i} must have the entries {sorted({'kind', *(names - _ARRAYS)})}; got {describe(entry)}"
        )
    if not isinstance(entry["layer"], str):
        raise TypeError(f"the layer of operation {i} must be a string; got {describe(entry['layer'])}")
    size = check_integer(f"the size of operation {i}", entry["size"])
    if not issubclass(kind, QuantizedMultiplication | steps.Multiplication) and size != inputs:
        raise ValueError(f"operation {i} must have size {inputs}; got {size}")
    _check_numbers(i, entry)
    found = set()
    for name in names & _ARRAYS:
        label = f"operations.{i}.{name}"
        if label in tensors:
            _check_tensor(tensors[label], kind, name, (inputs, size))
            found.add(label)
        elif name not in _OPTIONAL:
            raise ValueError(f"it lacks the tensor {label!r}")
    return found


def _check_numbers(i: int, entry: Mapping[str, Any]) -> None:
    for name, least in (("alpha", 0.0), ("epsilon", 0.0), ("input_scale", _LEAST_SCALE)):
        if name in entry:
            check_number(f"{name} of operation {i}", entry[name], minimum=least, maximum=3.4e38)
    if "zero_point" in entry:
        check_integer(f"zero_point of operation {i}", entry["zero_point"], minimum=0, maximum=255)
    if "function" in entry:
        check_choice(f"function of operation {i}", entry["function"], activation_names())


def _check_tensor(tensor: Tensor, kind: type[Operation], name: str, sizes: tuple[int, int]) -> None:
    """Refuse a tensor of the wrong shape or dtype."""
    shapes = {sizes} if name == "kernel" else {sizes[1:], ()} if kind is steps.Scaling else {sizes[1:]}
    if tensor.shape not in shapes:
        raise ValueError(f"tensor {tensor.name!r} must have shape {max(shapes)}; got {tensor.shape}")
    if name == "kernel" and sizes[0] > MOST_INPUTS:
        raise ValueError(f"tensor {tensor.name!r} must have at most {MOST_INPUTS} rows; got {sizes[0]}")
    dtype = "I8" if kind is QuantizedMultiplication and name == "kernel" else "F32"
    if tensor.dtype != dtype:
        raise ValueError(f"tensor {tensor.name!r} must have dtype {dtype}; got {tensor.dtype}")


def _operation(i: int, entry: Mapping[str, Any], arrays: Mapping[str, Any]) -> Operation:
    kind = _KINDS[entry["kind"]]
    parts: dict[str, Any] = {
        field.name: arrays.get(f"operations.{i}.{field.name}") for field in fields(kind) if field.name in _ARRAYS
    }
    return kind(**parts, **{name: value for name, value in entry.items() if name != "kind"})

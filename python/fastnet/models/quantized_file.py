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
from fastnet.layers.geometry import Image
from fastnet.layers.weights import finite
from fastnet.models.model_file import metadata_of
from fastnet.operations import steps
from fastnet.operations.quantizing import MOST_INPUTS, QuantizedConvolution, QuantizedMultiplication
from fastnet.operations.steps import Operation, arrays_of
from fastnet.support.validation import check_choice, check_integer, check_number, check_shape, describe
from fastnet.training.evaluation import Evaluator
from fastnet.training.receipt import without_volatile

if TYPE_CHECKING:
    from fastnet.files.safetensors import File

_QUANTIZED = (QuantizedMultiplication, QuantizedConvolution)
_KINDS: dict[str, type[Operation]] = {kind.__name__: kind for kind in (*_QUANTIZED, *steps.OPERATIONS)}
_OPTIONAL = {"bias", "gamma", "beta"}
_ARRAYS = {"kernel", "scale", "center", "factor", "offset", "slope", *_OPTIONAL}
_IMAGES = {"image", "output"}
_PAIRS = {"strides", "dilation", "before", "window", "factors"}
_FUNCTIONS = {steps.Activating: activation_names(), steps.Pooling: ["max", "average"]}
_LARGEST = 2**31 - 1  # of a size
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
    others = {name: value for name, value in vars(operation).items() if name not in _ARRAYS}
    if others.get("rows") == 1:  # as in files from before there were several
        del others["rows"]
    return {"kind": type(operation).__name__, **others}


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
    stack: list[int] = []  # the sizes of the values on it
    for i, entry in enumerate(entries):
        known |= _checked_tensors(i, entry, size, stack, file.tensors)
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


def _checked_tensors(i: int, entry: Any, inputs: int, stack: list[int], tensors: Mapping[str, Tensor]) -> set[str]:
    """Refuse an operation that is unknown or does not fit its number of inputs; return the names of its tensors."""
    if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
        raise ValueError(f"operation {i} must have a kind; got {describe(entry)}")
    kind = _KINDS[check_choice(f"the kind of operation {i}", entry["kind"], _KINDS)]
    names = {field.name for field in fields(kind)}
    expected = {"kind", *(names - _ARRAYS - {"rows"})}
    if set(entry) - (names & {"rows"}) != expected:
        raise ValueError(f"operation {i} must have the entries {sorted(expected)}; got {describe(entry)}")
    if not isinstance(entry["layer"], str):
        raise TypeError(f"the layer of operation {i} must be a string; got {describe(entry['layer'])}")
    size = check_integer(f"the size of operation {i}", entry["size"])
    _check_numbers(i, kind, entry)
    given, made = _ends(kind, entry, inputs, stack)
    if given != inputs or made != size:
        raise ValueError(f"operation {i} must have {inputs} inputs and size {made}; got {given} and {size}")
    found = set()
    for name in names & _ARRAYS:
        label = f"operations.{i}.{name}"
        if label in tensors:
            _check_tensor(tensors[label], kind, name, entry, inputs)
            found.add(label)
        elif name not in _OPTIONAL:
            raise ValueError(f"it lacks the tensor {label!r}")
    return found


def _ends(kind: type[Operation], entry: Mapping[str, Any], inputs: int, stack: list[int]) -> tuple[int, int]:
    """Return the numbers of values that an operation takes and makes; the core finds a stack that is empty too early."""
    if kind is steps.Remembering:
        stack.append(inputs)
    elif kind is steps.Exchanging and stack:
        stack.append(inputs)
        return inputs, stack.pop(-2)
    elif kind is steps.Addition and stack:
        stack.pop()
    if issubclass(kind, steps.ImageOperation):
        height, width, channels = entry["output"]
        if "kernel" not in {field.name for field in fields(kind)}:
            channels = entry["image"][2]
        if kind is steps.Upsampling:
            height, width = (size * factor for size, factor in zip(entry["image"], entry["factors"], strict=False))
        return math.prod(entry["image"]), height * width * channels
    if kind is steps.Permuting:
        return math.prod(entry["shape"]), inputs
    return inputs, entry["size"] if issubclass(kind, QuantizedMultiplication | steps.Multiplication) else inputs


def _check_numbers(i: int, kind: type[Operation], entry: Mapping[str, Any]) -> None:
    for name, least in (("alpha", 0.0), ("epsilon", 0.0), ("input_scale", _LEAST_SCALE)):
        if name in entry:
            check_number(f"{name} of operation {i}", entry[name], minimum=least, maximum=3.4e38)
    if "zero_point" in entry:
        check_integer(f"zero_point of operation {i}", entry["zero_point"], minimum=0, maximum=255)
    for name in ("rows", "groups"):
        if name in entry:
            check_integer(f"{name} of operation {i}", entry[name], maximum=_LARGEST)
    for names, length, least in ((_IMAGES, 3, 1), (_PAIRS, 2, -_LARGEST), ({"shape", "axes"}, 3, 0)):
        for name in names & set(entry):
            _check_integers(f"{name} of operation {i}", entry[name], length, least)
    if "function" in entry:
        check_choice(f"function of operation {i}", entry["function"], _FUNCTIONS[kind])
    if "interpolation" in entry:
        check_choice(f"interpolation of operation {i}", entry["interpolation"], ["nearest", "bilinear"])


def _check_integers(name: str, values: Any, length: int, least: int) -> None:
    if not isinstance(values, list) or len(values) != length:
        raise ValueError(f"{name} must be {length} integers; got {describe(values)}")
    for value in values:
        check_integer(name, value, minimum=least, maximum=_LARGEST)


def _check_tensor(tensor: Tensor, kind: type[Operation], name: str, entry: Mapping[str, Any], inputs: int) -> None:
    """Refuse a tensor of the wrong shape or dtype."""
    shapes = _shapes(kind, name, tensor.shape, entry, inputs)
    if tensor.shape not in shapes:
        raise ValueError(f"tensor {tensor.name!r} must have shape {max(shapes)}; got {tensor.shape}")
    is_quantized = kind in _QUANTIZED and name == "kernel"
    if is_quantized and math.prod(tensor.shape[:-1]) > MOST_INPUTS:
        raise ValueError(f"tensor {tensor.name!r} must have at most {MOST_INPUTS} inputs; got shape {tensor.shape}")
    dtype = "I8" if is_quantized else "F32"
    if tensor.dtype != dtype:
        raise ValueError(f"tensor {tensor.name!r} must have dtype {dtype}; got {tensor.dtype}")


def _shapes(kind: type[Operation], name: str, shape: Shape, entry: Mapping[str, Any], inputs: int) -> set[Shape]:
    """Return the shapes that a tensor may have, where the file has one of this shape."""
    size = entry["size"]
    if issubclass(kind, steps.ImageOperation):
        channels, filters = entry["image"][2], entry["output"][2]
        if name != "kernel":
            return {(filters,)}
        depth = (
            (filters, channels)
            if kind is steps.TransposedConvolution
            else (channels // entry.get("groups", 1), filters)
        )
        return {(*shape[:2], *depth)}
    if name == "kernel":
        return {(inputs, size)}
    if issubclass(kind, steps.Scaling | steps.SlopedActivating):  # one number, or some that repeat
        repeats = len(shape) == 1 and shape[0] > 0 and size % shape[0] == 0
        return {(size,), *([shape] if repeats else []), *([()] if kind is steps.Scaling else [])}
    return {(size // entry.get("rows", 1),)}


def _operation(i: int, entry: Mapping[str, Any], arrays: Mapping[str, Any]) -> Operation:
    kind = _KINDS[entry["kind"]]
    parts: dict[str, Any] = {
        field.name: arrays.get(f"operations.{i}.{field.name}") for field in fields(kind) if field.name in _ARRAYS
    }
    others = {name: _as_attribute(name, value) for name, value in entry.items() if name != "kind"}
    return kind(**parts, **others)


def _as_attribute(name: str, value: Any) -> Any:
    """Return an entry as the operation has it."""
    return Image(*value) if name in _IMAGES else tuple(value) if isinstance(value, list) else value

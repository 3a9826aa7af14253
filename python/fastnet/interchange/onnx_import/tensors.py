"""Reading ONNX files of unknown origin: every size is checked, and nothing outside the folder is opened."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TensorReader", "attributes_of", "check_form", "name_of", "read_model"]

Array = NDArray[Any]

# What TensorProto.DataType stands for: the dtype of raw_data, and the field that holds the values otherwise.
_TYPES = {
    1: ("<f4", "float_data"),
    2: ("|u1", "int32_data"),
    3: ("|i1", "int32_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("|b1", "int32_data"),
    10: ("<f2", "int32_data"),  # the bits of each
    11: ("<f8", "double_data"),
}
_FLOAT16, _STRING = 10, 8
_EXTERNAL = 1  # TensorProto.DataLocation


def read_model(source: Any) -> Any:
    """Return the ModelProto in a file, in bytes, or what is one already.

    Raises
    ------
    ImportError
        onnx is not installed.
    OSError
        The file cannot be read.
    ValueError
        It is not an ONNX file.
    TypeError
        `source` is something else.
    """
    try:
        import onnx
    except ImportError:
        raise ImportError('from_onnx needs onnx: pip install "fastnet-nn[onnx]"') from None
    from google.protobuf.message import DecodeError

    if isinstance(source, onnx.ModelProto):
        proto = source
    else:
        content = bytes(source) if isinstance(source, bytes | bytearray | memoryview) else _content(source)
        try:
            proto = onnx.ModelProto.FromString(content)
        except (DecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"it is not an ONNX file, or it is damaged or cut short ({error})") from error
    if not proto.HasField("graph"):
        raise ValueError("it is not an ONNX file: it has no graph")
    return proto


def _content(path: str | os.PathLike[str]) -> bytes:
    if Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir():
        raise ValueError("it is not a regular file")
    return Path(path).read_bytes()


def attributes_of(node: Any) -> dict[str, Any]:
    """Return the attributes of a node by name."""
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def name_of(node: Any) -> str:
    """Return what messages call a node: its name, or those of its outputs."""
    return repr(node.name or ", ".join(node.output))


def check_form(node: Any, attributes: Mapping[str, Any], opset: int) -> None:
    """Refuse a node that has not the inputs and attributes of its operator in this opset, as it could mean anything.

    Raises
    ------
    ValueError
        It lacks one, or has one that it must not have.
    """
    from onnx import defs

    try:
        schema = defs.get_schema(node.op_type, opset)
    except defs.SchemaError:  # an operator of a newer opset
        schema = defs.get_schema(node.op_type)
    single = defs.OpSchema.FormalParameterOption.Single
    required = [one.name for one in schema.inputs if one.option == single]
    lacking = [name for place, name in enumerate(required) if not "".join(node.input[place : place + 1])]
    lacking += [name for name, one in schema.attributes.items() if one.required and name not in attributes]
    unknown = [name for name in attributes if name not in schema.attributes]
    unknown += [f"{len(node.input)} inputs"] if len(node.input) > schema.max_input else []
    for problem, names in {"lacks": lacking, "must not have": unknown}.items():
        if names:
            raise ValueError(f"{node.op_type} (node {name_of(node)}) {problem} {', '.join(names)} in opset {opset}")


class TensorReader:
    """Arrays of the tensors in a file.

    Parameters
    ----------
    folder : Path or None
        Where files that hold the values of tensors, as PyTorch writes them for large ones, may lie.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def array(self, tensor: Any) -> Array:
        """Return the values of a TensorProto, in the dtype that they have there; float16 as float32, strings as objects.

        Raises
        ------
        ValueError
            The values are not as many as the dimensions say, or the file with the values is refused.
        NotImplementedError
            The tensor has a type that no operator here takes, such as bfloat16.
        """
        dimensions = tuple(tensor.dims)
        if min(dimensions, default=0) < 0:
            raise ValueError(f"tensor {tensor.name!r} has the dimensions {dimensions}")
        size = math.prod(dimensions)
        if tensor.data_type == _STRING:
            strings = [text.decode() for text in tensor.string_data]
            self._check_size(tensor, len(strings), size, "strings")
            return np.array(strings, object).reshape(dimensions)
        if tensor.data_type not in _TYPES:
            raise NotImplementedError(f"tensor {tensor.name!r} has a type that fastnet does not read")
        dtype, field = _TYPES[tensor.data_type]
        if tensor.data_location == _EXTERNAL:
            raw = self._external(tensor, size * np.dtype(dtype).itemsize)
        elif tensor.HasField("raw_data"):
            raw = bytes(tensor.raw_data)
        else:
            values = np.array(getattr(tensor, field), "<u2" if tensor.data_type == _FLOAT16 else dtype)
            self._check_size(tensor, values.size, size, "values")
            raw = values.tobytes()
        self._check_size(tensor, len(raw), size * np.dtype(dtype).itemsize, "bytes")
        array = np.frombuffer(raw, dtype).reshape(dimensions)
        if tensor.data_type == _FLOAT16:
            return array.astype(np.float32)
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def _check_size(self, tensor: Any, found: int, expected: int, unit: str) -> None:
        if found != expected:
            raise ValueError(f"tensor {tensor.name!r} must have {expected} {unit}; it has {found}")

    def _external(self, tensor: Any, size: int) -> bytes:
        """Return what a file beside the model has for a tensor."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        if self._folder is None:
            raise ValueError(
                f"the values of tensor {tensor.name!r} are in {location!r}: from_onnx needs the path of the model"
            )
        path = self._folder / location
        if Path(location).name != location or "\\" in location or location in ("", "..") or path.is_symlink():
            raise ValueError(
                f"the values of tensor {tensor.name!r} are in {location!r}: only a file in the folder of the model is read"
            )
        if not path.is_file():
            raise ValueError(f"the values of tensor {tensor.name!r} are in {location!r}, which is no file here")
        offset, length = int(entries.get("offset", "0")), int(entries.get("length", str(size)))
        self._check_size(tensor, length, size, "bytes")
        if not 0 <= offset <= path.stat().st_size - size:
            raise ValueError(f"{location!r} is cut short: it lacks the values of tensor {tensor.name!r}")
        with path.open("rb") as file:
            file.seek(offset)
            return bytes(file.read(size))

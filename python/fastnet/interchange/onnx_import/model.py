"""Parts of models from ONNX files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.interchange.onnx_import.channels import order_of_channels
from fastnet.interchange.onnx_import.constants import BATCH
from fastnet.interchange.onnx_import.flows import Flow, Refusal, settle
from fastnet.interchange.onnx_import.operators import Importer
from fastnet.interchange.onnx_import.tensors import TensorReader, read_model
from fastnet.interchange.onnx_import.values import FLOATS
from fastnet.interchange.parts import Parts
from fastnet.interchange.pieces import make_layers
from fastnet.support.json_values import parse_bounded
from fastnet.support.validation import check_choice, check_shape, describe

Array = NDArray[Any]

UNDEFINED = 0  # of TensorProto.DataType
OLDEST_OPSET = 7  # since when operators broadcast as NumPy does


def read_onnx(source: Any, channels: str | None = None) -> Parts:
    """Return the parts of the model in an ONNX file: see `fastnet.from_onnx`."""
    is_proto = hasattr(source, "graph") and hasattr(source, "opset_import")
    if not isinstance(source, str | os.PathLike | bytes | bytearray | memoryview) and not is_proto:
        raise TypeError(f"path must be a path, bytes or an onnx.ModelProto; got {describe(source)}")
    if channels is not None:
        check_choice("channels", channels, ["first", "last"])
    folder = Path(source).parent if isinstance(source, str | os.PathLike) else None
    with refusing(source), np.errstate(all="ignore"):
        return _parts(read_model(source), TensorReader(folder), channels)


@contextmanager
def refusing(source: Any) -> Iterator[None]:
    """Make an error that names the file out of everything that a bad file can cause."""
    name = os.fspath(source) if isinstance(source, str | os.PathLike) else "the ONNX model"
    try:
        yield
    except (Refusal, NotImplementedError) as error:
        raise NotImplementedError(f"fastnet cannot import {name}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"cannot load {name}: {reason}") from error


def _parts(proto: Any, tensors: TensorReader, channels: str | None) -> Parts:
    constants = {tensor.name: tensors.array(tensor) for tensor in proto.graph.initializer}
    opset = _opset(proto)
    entry = _input(proto, constants)
    view = _input_shape(proto, entry, constants)
    moved = order_of_channels(proto.graph.node, entry.name, view, channels)
    importer = Importer(tensors, opset, constants)
    element = entry.type.tensor_type.elem_type
    start = Flow(moved.layout, moved.chain, node=entry.name, is_integer=element not in (UNDEFINED, *FLOATS))
    importer.run(proto.graph.node, entry.name, start, _batch(entry))
    flow, class_names = _output(proto, importer)
    pieces = settle(importer.arranged(flow, moved.output_order(len(flow.view))), importer.budget)
    dtype = (
        "float64"
        if np.dtype(np.float64) in (importer.dtypes or ({np.dtype(np.float64)} if element == FLOATS[1] else ()))
        else "float32"
    )
    accounted = sum(array.size for array in constants.values()) + importer.constant_count
    layers = make_layers(pieces, largest=16 * accounted + 1024)
    names = {"class_names": class_names, "feature_names": None, **_named(proto)}
    return Parts(
        moved.input_shape, layers, dtype, class_names=names["class_names"], feature_names=names["feature_names"]
    )


def _opset(proto: Any) -> int:
    from onnx import defs

    versions = [entry.version for entry in proto.opset_import if entry.domain in ("", "ai.onnx")]
    newest = defs.onnx_opset_version()
    if len(versions) != 1 or not OLDEST_OPSET <= versions[0] <= newest:
        raise ValueError(
            f"it must use one opset from {OLDEST_OPSET} to {newest}, the newest that the installed onnx knows; it has {versions}"
        )
    return int(versions[0])


def _input(proto: Any, constants: dict[str, Array]) -> Any:
    """Return the one input that is not a constant."""
    entries = [entry for entry in proto.graph.input if entry.name not in constants]
    if len(entries) != 1:
        raise NotImplementedError(f"it has {len(entries)} inputs: {', '.join(entry.name for entry in entries)}")
    return entries[0]


def _batch(entry: Any) -> int:
    """Return the size of the batch that a graph is made for, or what stands for any."""
    dimensions = entry.type.tensor_type.shape.dim
    return int(dimensions[0].dim_value) if dimensions and dimensions[0].dim_value > 0 else BATCH


def _input_shape(proto: Any, entry: Any, constants: dict[str, Array]) -> tuple[int, ...]:
    """Return the shape of one sample."""
    tensor = entry.type.tensor_type
    dimensions = [dimension.dim_value for dimension in tensor.shape.dim][1:]
    if tensor.HasField("shape") and not dimensions:
        raise ValueError(f"input {entry.name!r} has no dimension beside that of the batch")
    if len(dimensions) < 2 and not any(dimensions):
        dimensions = [_width(proto, constants)]
    return check_shape(f"the shape of input {entry.name!r}", dimensions)


def _width(proto: Any, constants: dict[str, Array]) -> int:
    """Return the number of features where the input does not say it: that of the first product."""
    from fastnet.interchange.onnx_import.tensors import attributes_of

    for node in proto.graph.node:
        if node.op_type in ("Gemm", "MatMul") and len(node.input) > 1 and node.input[1] in constants:
            return int(constants[node.input[1]].shape[1 if attributes_of(node).get("transB") else 0])
    raise ValueError("its input has no size")


def _output(proto: Any, importer: Importer) -> tuple[Flow, list[str] | None]:
    """Return the one output that is not a label, and the names of the classes."""
    flows: list[Flow] = []
    for entry in proto.graph.output:
        value = importer.value(entry.name)
        if isinstance(value, np.ndarray):
            raise ValueError(f"output {entry.name!r} is a constant")
        if isinstance(value, Flow) and value not in flows:
            flows.append(value)
    if len(flows) != 1:
        raise NotImplementedError(f"it has {len(flows)} outputs that are no labels; a model of fastnet has one")
    return flows[0], importer.class_names


def _named(proto: Any) -> dict[str, list[str]]:
    """Return the names of classes and features in the metadata, where fastnet wrote them."""
    names = {}
    for entry in proto.metadata_props if proto.producer_name == "fastnet" else ():
        if entry.key in ("class_names", "feature_names"):
            value = parse_bounded(entry.value)
            if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
                raise ValueError(f"{entry.key} in its metadata must be a list of strings; got {describe(value)}")
            names[entry.key] = value
    return names

"""Models from ONNX files: ``pip install "fastnet-nn[onnx]"``."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnet._validation import check_shape, describe
from fastnet.interchange.onnx_constants import BATCH
from fastnet.interchange.onnx_flows import Flow, Refusal, settle
from fastnet.interchange.onnx_operators import FLOATS, Importer
from fastnet.interchange.onnx_tensors import TensorReader, read_model
from fastnet.interchange.pieces import make_model

if TYPE_CHECKING:
    from fastnet.models import Sequential

__all__ = ["from_onnx"]

Array = NDArray[Any]

UNDEFINED = 0  # of TensorProto.DataType
OLDEST_OPSET = 7  # since when operators broadcast as NumPy does


def from_onnx(path: str | os.PathLike[str]) -> "Sequential":
    """Return the model in an ONNX file, if it is made of what fastnet has.

    Files of `Sequential.to_onnx`, of PyTorch (both exporters), of scikit-learn's multi-layer perceptrons through
    skl2onnx, with the scalers before them, and of others who write down the same things. Layers are recognized by what
    they compute, however they are written. An addition of two ways through the graph becomes a `Residual`.

    Parameters
    ----------
    path : str or os.PathLike
        The ONNX file. Values that are in a file of their own, as PyTorch writes large ones, are read from the same
        folder, and from nowhere else. Nothing in the file is executed.

    Returns
    -------
    Sequential
        A built model that is not compiled and predicts what the graph computes, in float64 where its weights are that,
        else in float32. It has the names of classes and features that the file has.

    Raises
    ------
    ImportError
        onnx is not installed.
    OSError
        The file cannot be read.
    ValueError
        It is no ONNX file or is damaged, or its sizes do not fit one another.
    NotImplementedError
        fastnet has no equal for an operator; the message names the first one and its node.

    Notes
    -----
    Only what prediction needs is in an ONNX file: dropout, regularizers and the training configuration are not. The two
    outputs of a binary classifier of scikit-learn, 1 - p and p of a sigmoid, become a softmax of two.

    Examples
    --------
    >>> import numpy as np
    >>> import fastnet as fn
    >>> model = fn.Sequential([fn.Dense(8, "gelu", input_shape=(4,)), fn.Dense(3, "softmax")], seed=0)
    >>> model.to_onnx("model.onnx")
    >>> again = fn.from_onnx("model.onnx")
    >>> again.layers
    [<Dense 'dense': (4,) -> (8,)>, <Dense 'dense_1': (8,) -> (3,)>]
    >>> x = np.ones((1, 4))
    >>> bool(np.allclose(again.predict(x), model.predict(x)))
    True
    """
    with _refusing(path), np.errstate(all="ignore"):
        return _model(read_model(path), TensorReader(Path(path).parent))


@contextmanager
def _refusing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Make an error that names the file out of everything that a bad file can cause."""
    try:
        yield
    except (Refusal, NotImplementedError) as error:
        raise NotImplementedError(f"fastnet cannot import {os.fspath(path)}: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"cannot load {os.fspath(path)}: {reason}") from error


def _model(proto: Any, tensors: TensorReader) -> "Sequential":
    constants = {tensor.name: tensors.array(tensor) for tensor in proto.graph.initializer}
    opset = _opset(proto)
    entry = _input(proto, constants)
    input_shape = _input_shape(proto, entry, constants)
    importer = Importer(tensors, opset, constants)
    element = entry.type.tensor_type.elem_type
    start = Flow(input_shape, chain=(), node=entry.name, is_integer=element not in (UNDEFINED, *FLOATS))
    importer.run(proto.graph.node, entry.name, start, _batch(entry))
    flow, class_names = _output(proto, importer)
    pieces = settle(flow, importer.budget)
    dtype = (
        "float64"
        if np.dtype(np.float64) in (importer.dtypes or ({np.dtype(np.float64)} if element == FLOATS[1] else ()))
        else "float32"
    )
    accounted = sum(array.size for array in constants.values()) + importer.constant_count
    model = make_model(input_shape, pieces, dtype, largest=16 * accounted + 1024)
    names = {"class_names": class_names, "feature_names": None, **_named(proto)}
    model.class_names, model.feature_names = names["class_names"], names["feature_names"]
    return model


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
    from fastnet.interchange.onnx_tensors import attributes_of

    for node in proto.graph.node:
        if node.op_type in ("Gemm", "MatMul") and len(node.input) > 1 and node.input[1] in constants:
            return int(constants[node.input[1]].shape[1 if attributes_of(node).get("transB") else 0])
    raise ValueError("its input has no size")


def _output(proto: Any, importer: Importer) -> tuple[Flow, list[str] | None]:
    """Return the one output that is no label, and the names of the classes."""
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
            value = json.loads(entry.value)
            if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
                raise ValueError(f"{entry.key} in its metadata must be a list of strings; got {describe(value)}")
            names[entry.key] = value
    return names

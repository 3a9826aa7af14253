"""Small ONNX files of nodes and constants."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="needs onnx")

__all__ = ["floats", "node", "write"]


def write(folder: Path, nodes: Sequence[Any], outputs: Sequence[str] = ("y",), **options: Any) -> Path:
    """Write a graph with the input x and the constants given as arrays."""
    dimensions = options.pop("x", ["n", 4])
    opset, inputs = options.pop("opset", 17), options.pop("inputs", ["x"])
    domains = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid("ai.onnx.ml", 1)]
    graph = onnx.helper.make_graph(
        nodes,
        "graph",
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dimensions) for name in inputs],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in options.items()],
    )
    path = folder / "model.onnx"
    path.write_bytes(onnx.helper.make_model(graph, opset_imports=domains).SerializeToString())
    return path


def node(operator: str, inputs: str, output: str = "y", **attributes: Any) -> Any:
    names = [name if name != "_" else "" for name in inputs.split()]
    return onnx.helper.make_node(operator, names, output.split(), name=f"the_{operator.lower()}", **attributes)


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)

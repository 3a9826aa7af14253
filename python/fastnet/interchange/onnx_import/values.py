"""What the operators of an ONNX graph have in common when they become pieces: weights, layouts, refusals."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.interchange.onnx_import.constants import BATCH
from fastnet.interchange.onnx_import.flows import Budget, Flow, Refusal, settle
from fastnet.interchange.onnx_import.layouts import Layout, arrangement
from fastnet.interchange.onnx_import.tensors import name_of
from fastnet.interchange.pieces import Piece

__all__ = ["FLOATS", "Labels", "Steps", "Value", "is_constant", "refusal"]

Array = NDArray[Any]
FLOATS = (1, 11, 10)  # float, double and float16 in TensorProto.DataType; float16 is computed in float


class Labels:
    """A value that names a class: it comes after the output of the model and is left out."""


Value = Flow | Array | Labels | Refusal | None


def refusal(node: Any, detail: str = "") -> Refusal:
    """Return the refusal of a node, by the name of its operator."""
    domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
    text = f"the operator {domain}{node.op_type} (node {name_of(node)}) is not available"
    return Refusal(f"{text}: {detail}" if detail else text)


def is_constant(value: Any) -> bool:
    """Return whether a value is known without a sample."""
    return isinstance(value, np.ndarray)


class Steps:
    """What the import of a graph has found so far.

    Parameters
    ----------
    opset : int

    Attributes
    ----------
    opset : int
    batch : int
        The size of the batch that the graph is made for, or `BATCH`.
    dtypes : set of dtype
        Those of the constants that meet flows.
    class_names : list of str or None
        What the operators of classifiers say about classes.
    budget : Budget
        What recognizing layers may still cost.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.batch = BATCH
        self.dtypes: set[np.dtype[Any]] = set()
        self.class_names: list[str] | None = None
        self.budget = Budget()

    def then(self, flow: Flow, layout: Layout, *pieces: Piece) -> Flow:
        """Return what more pieces make of a flow."""
        return Flow(layout, (*settle(flow, self.budget), *pieces), is_integer=flow.is_integer)

    def arranged(self, flow: Flow, order: Sequence[int] | None = None) -> Flow:
        """Return a flow whose values are here what the graph sees, transposed by `order`."""
        layout, pieces = arrangement(flow.layout, range(len(flow.layout.view)) if order is None else order)
        return flow if layout == flow.layout else self.then(flow, layout, *pieces)

    def weights(self, node: Any, inputs: Sequence[Any], size: int) -> list[Array]:
        """Return the inputs behind the first, which must be constants of one row of this size."""
        for value in inputs[1:]:
            if not is_constant(value):
                raise refusal(node, "with weights that are computed")
            if value.shape != (size,):
                raise ValueError(f"node {node.name!r} has weights of shape {value.shape} for {size} values")
            self.dtypes.add(value.dtype)
        return list(inputs[1:])

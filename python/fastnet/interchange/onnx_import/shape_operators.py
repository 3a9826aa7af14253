"""Operators of ONNX that leave the values of a sample as they are: they change its shape, its order or its type."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.interchange.onnx_import.constants import BATCH, sizes_of
from fastnet.interchange.onnx_import.flows import Flow
from fastnet.interchange.onnx_import.layouts import Layout
from fastnet.interchange.onnx_import.values import FLOATS, Labels, Steps, Value, refusal

__all__ = ["SHAPE_OPERATORS"]

Array = NDArray[Any]
Shape = tuple[int, ...]
_INTEGERS = frozenset([2, 3, 4, 5, 6, 7, 8, 12, 13])  # the other integers of TensorProto.DataType, and strings
_MOST_PERMUTED = 3  # dimensions of a sample, in the core


def _shape(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Array:
    del steps, node
    return np.array([BATCH, *inputs[0].view], np.int64)[attributes.get("start", 0) : attributes.get("end")]


def _flatten(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow: Flow = inputs[0]
    axis = attributes.get("axis", 1)
    if axis not in (1, -len(flow.view)):
        raise refusal(node, f"along axis {axis}, which is not that of the batch")
    return _reshaped(steps, flow, (math.prod(flow.view),))


def _reshape(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow, target = inputs
    if not isinstance(flow, Flow) or not isinstance(target, np.ndarray) or target.ndim != 1 or len(target) < 2:
        raise refusal(node, "it must keep the axis of the batch")
    batch, *sizes = sizes_of(target, (steps.batch, *flow.view), attributes)
    total = math.prod(flow.view)
    known = math.prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and batch != -1 and known > 0:
        sizes = [total // known if size == -1 else size for size in sizes]
    if batch not in (-1, BATCH, steps.batch) or min(sizes) < 1 or math.prod(sizes) != total:
        raise refusal(node, f"of samples of shape {flow.view} to {target.tolist()}")
    return _reshaped(steps, flow, tuple(sizes))


def _squeeze(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow: Flow = inputs[0]
    axes = _axes(node, attributes, inputs, len(flow.view) + 1)
    view = tuple(size for axis, size in enumerate(flow.view, 1) if axis not in axes)
    if not view or math.prod(view) != math.prod(flow.view):
        raise refusal(node, f"of the axes {sorted(axes)} of samples of shape {flow.view}")
    return _reshaped(steps, flow, view)


def _unsqueeze(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow: Flow = inputs[0]
    given = inputs[1] if len(inputs) > 1 else attributes.get("axes", ())
    axes = _axes(node, attributes, inputs, len(flow.view) + 1 + np.size(given))
    sizes = iter(flow.view)
    rank = len(flow.view) + len(axes)
    return _reshaped(steps, flow, tuple(1 if axis in axes else next(sizes) for axis in range(1, rank + 1)))


def _axes(node: Any, attributes: dict[str, Any], inputs: Sequence[Any], rank: int) -> set[int]:
    """Return the axes that a node names, of so many, which must not be that of the batch."""
    given = inputs[1] if len(inputs) > 1 else attributes.get("axes")
    if given is None or isinstance(given, Flow):
        raise refusal(node, "without constant axes")
    axes = {int(axis) + (rank if axis < 0 else 0) for axis in np.reshape(given, -1)}
    if len(axes) != np.size(given) or not all(0 < axis < rank for axis in axes):
        raise refusal(node, f"of the axes {np.reshape(given, -1).tolist()}")
    return axes


def _transpose(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow: Flow = inputs[0]
    rank = len(flow.view) + 1
    perm = list(attributes.get("perm", range(rank)[::-1]))
    if sorted(perm) != list(range(rank)):
        raise ValueError(f"node {node.name!r} puts {rank} axes into the order {perm}")
    if perm[0] != 0:
        raise refusal(node, "of the axis of the batch")
    if not flow.layout.is_transposed:
        flow = steps.arranged(flow)
    layout = flow.layout
    axes = tuple(layout.axes[axis - 1] for axis in perm[1:])
    result = Layout(layout.shape, axes, tuple(layout.shape[axis] for axis in axes))
    if rank - 1 > _MOST_PERMUTED and not result.keeps_order:
        raise refusal(node, f"of samples of shape {flow.view}: at most {_MOST_PERMUTED} dimensions are")
    return steps.then(flow, result)


def _reshaped(steps: Steps, flow: Flow, view: Shape) -> Flow:
    """Return a flow with another shape; only where its values follow one another as here, a row is made at once."""
    if view == flow.view:
        return flow
    result = steps.then(flow, flow.layout.reshaped(view))
    return steps.arranged(result) if len(view) == 1 and result.layout.keeps_order else result


def _same(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    del steps, node, attributes
    flow: Flow = inputs[0]
    return flow


def _dropout(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    if len(inputs) > 2 and not (inputs[2] is None or (isinstance(inputs[2], np.ndarray) and not inputs[2].any())):
        raise refusal(node, "in training")
    return _same(steps, node, attributes, inputs)


def _cast(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Value:
    del steps
    flow, to = inputs[0], attributes["to"]
    if flow.is_boolean and to in FLOATS:
        return Flow(flow.layout, None, lambda x: x.astype(np.float64), [flow], "Cast", node.name)
    if flow.is_boolean and to in _INTEGERS:
        return Labels()
    if to not in FLOATS:
        raise refusal(node, "to a type other than float, float16 and double")
    return Flow(flow.layout, flow.chain, node=node.name) if flow.is_integer else flow


SHAPE_OPERATORS = {
    "Cast": _cast,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Identity": _same,
    "Reshape": _reshape,
    "Shape": _shape,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}

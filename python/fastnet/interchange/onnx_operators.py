"""The nodes of an ONNX graph, one after the other, as flows, constants and labels."""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.interchange.onnx_constants import BATCH, computed_constant, sizes_of
from fastnet.interchange.onnx_flows import Budget, Flow, Refusal, settle
from fastnet.interchange.onnx_functions import FUNCTIONS, REDUCTIONS, ROW_FUNCTIONS
from fastnet.interchange.onnx_tensors import TensorReader, attributes_of, check_form, name_of
from fastnet.interchange.pieces import Activating, Block, Piece, Plain, Product
from fastnet.layers.functions import ActivationFunction

__all__ = ["FLOATS", "Importer", "Labels"]

Array = NDArray[Any]
FLOATS = (1, 11)  # float and double in TensorProto.DataType
_INTEGERS = frozenset([2, 3, 4, 5, 6, 7, 8, 12, 13])  # the other integers of TensorProto.DataType, and strings


# What is computed from constants only; and what gives the same for integers as for the numbers that samples are here.
_OF_CONSTANTS = frozenset(["Gather", "Squeeze", "Transpose", "Unsqueeze"])
_OF_INTEGERS = frozenset(["Cast", "Flatten", "Identity", "Reshape", "Shape", "ml.Scaler"])


class Labels:
    """A value that names a class: it comes after the output of the model and is left out."""


Value = Flow | Array | Labels | Refusal | None


class Importer:
    """The values of a graph by name.

    Attributes
    ----------
    dtypes : set of dtype
        Those of the constants that meet flows.
    class_names : list of str or None
        What the operators of classifiers say about classes.
    constant_count : int
        The number of values in constants that are nodes.
    budget : Budget
        What recognizing layers may still cost.
    """

    def __init__(self, tensors: TensorReader, opset: int, constants: dict[str, Array]) -> None:
        self._tensors = tensors
        self._opset = opset
        self._values: dict[str, Value] = dict(constants)
        self._joints: set[str] = set()
        self._batch = BATCH
        self.dtypes: set[np.dtype[Any]] = set()
        self.class_names: list[str] | None = None
        self.constant_count = 0
        self.budget = Budget()

    def run(self, nodes: Sequence[Any], input_name: str, flow: Flow, batch: int) -> None:
        """Go through all nodes; those that fastnet has no equal for count once an output needs them."""
        self._batch = batch
        self._joints = _joints(nodes, set(self._values))
        flow.joint = input_name in self._joints
        self._values[input_name] = flow
        for node in nodes:
            try:
                result = self._computed(node)
            except (Refusal, NotImplementedError) as error:
                result = error if isinstance(error, Refusal) else Refusal(str(error))
            if isinstance(result, Flow) and node.output and node.output[0] in self._joints:
                result.joint = True
            refused = result if isinstance(result, Refusal) else _refusal(node, "only its first output is available")
            self._values.update(dict.fromkeys(node.output[1:], refused))
            self._values.update(dict.fromkeys(node.output[:1], result))

    def value(self, name: str) -> Flow | Array | Labels:
        """Return the value of a name.

        Raises
        ------
        Refusal
            fastnet has no equal for an operator that it needs.
        """
        value = self._values.get(name)
        if value is None:
            raise ValueError(f"nothing computes {name!r}")
        if isinstance(value, Refusal):
            raise value
        return value

    def _computed(self, node: Any) -> Value:
        inputs = [self.value(name) if name else None for name in node.input]
        domain = "ml." if node.domain == "ai.onnx.ml" else "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
        operator = f"{domain}{node.op_type}"
        attributes = attributes_of(node)
        if operator in _OF_CONSTANTS or operator in FUNCTIONS or (operator in _HANDLERS and not domain):
            check_form(node, attributes, self._opset)
        if any(isinstance(value, Labels) for value in inputs):
            return self._of_labels(operator, node, inputs)
        if inputs and all(isinstance(value, np.ndarray) or value is None for value in inputs):
            constant = computed_constant(operator, attributes, cast("list[Array | None]", inputs))
            if constant is None:
                raise _refusal(node)
            return constant
        if operator not in _OF_INTEGERS and any(isinstance(value, Flow) and value.is_integer for value in inputs):
            raise _refusal(node, "of integers: cast them to float first")
        handler = _HANDLERS.get(operator)
        if handler is not None:
            return handler(self, node, attributes, inputs)
        if operator in FUNCTIONS:
            return self._function(node, attributes, inputs)
        raise _refusal(node)

    # ---- Constants and labels ----

    def _of_labels(self, operator: str, node: Any, inputs: Sequence[Any]) -> Value:
        if operator == "ml.ArrayFeatureExtractor" and isinstance(inputs[0], np.ndarray):
            self.class_names = [str(name) for name in inputs[0].reshape(-1)]
        elif operator not in ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"):
            raise _refusal(node)
        return Labels()

    def _constant(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Array:
        del inputs
        match attributes:
            case {"value": tensor}:
                array = self._tensors.array(tensor)
            case {"value_float": number}:
                array = np.array(number, np.float32)
            case {"value_int": number}:
                array = np.array(number, np.int64)
            case {"value_floats": numbers}:
                array = np.array(numbers, np.float32)
            case {"value_ints": numbers}:
                array = np.array(numbers, np.int64)
            case _:
                raise _refusal(node)
        self.constant_count += array.size
        return array

    # ---- Values computed for each sample ----

    def _function(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        """Return a value that is computed from others value by value or row by row; what it is shows later."""
        operator = node.op_type
        flows = [value for value in inputs if isinstance(value, Flow)]
        shape = max((flow.shape for flow in flows), key=math.prod)
        if operator in ROW_FUNCTIONS:
            inputs = self._row_inputs(node, attributes, inputs)
        if len({flow.base for flow in flows}) > 1:
            if operator == "Add" and len(flows) == 2:
                return self._residual(node, *flows)
            raise _refusal(node, "it takes more than one value that is computed")
        if operator == "Clip" and any(value is not None and np.size(value) != 1 for value in inputs[1:]):
            raise _refusal(node, "its limits must be one number each")
        arguments = [self._operand(node, value, shape) for value in inputs]
        function = FUNCTIONS[operator](attributes)
        if operator in REDUCTIONS:
            shape = (*shape[:-1], 1)
        return Flow(shape, None, function, arguments, operator, node.name)

    def _row_inputs(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> list[Any]:
        """Return the input of an operator that works along the features, which must be its axis."""
        default = [-1] if self._opset >= 13 else [1]
        axes = [attributes["axis"]] if "axis" in attributes else attributes.get("axes", default)
        if len(inputs) > 1 and isinstance(inputs[1], np.ndarray):
            axes = inputs[1].tolist()
        elif node.op_type in REDUCTIONS and "axes" not in attributes:
            axes = None
        flow = inputs[0]
        if (
            not isinstance(flow, Flow)
            or len(flow.shape) != 1
            or axes not in ([-1], [1])
            or not attributes.get("keepdims", 1)
        ):
            raise _refusal(node, f"along the axes {axes}")
        return [flow]

    def _operand(self, node: Any, value: Any, shape: tuple[int, ...]) -> Any:
        """Return an input of a function: constants without the axis of the batch, in float64."""
        if not isinstance(value, np.ndarray):
            return value
        if value.dtype.kind not in "fiu":
            raise _refusal(node, f"with a constant of {value.dtype}")
        array = value[0] if value.ndim == len(shape) + 1 and len(value) == 1 else value
        if array.size == 1 and array.ndim <= len(shape):
            array = array.reshape(())
        if array.ndim > len(shape) or np.broadcast_shapes(array.shape, shape) != shape:
            raise _refusal(node, f"with a constant of shape {value.shape} for samples of shape {shape}")
        if value.dtype.kind == "f" and value.size > 1:
            self.dtypes.add(value.dtype)
        return array.astype(np.float64)

    def _residual(self, node: Any, first: Flow, second: Flow) -> Flow:
        """Return the sum of two ways through the graph, one of which the other begins with."""
        shorter, longer = sorted([settle(first, self.budget), settle(second, self.budget)], key=len)
        if first.shape != second.shape or longer[: len(shorter)] != shorter or len(longer) == len(shorter):
            raise _refusal(node, "it adds two values neither of which is computed from the other")
        return Flow(first.shape, (*shorter, Block(longer[len(shorter) :])), node=node.name)

    def _then(self, flow: Flow, shape: tuple[int, ...], *pieces: Piece) -> Flow:
        return Flow(shape, (*settle(flow, self.budget), *pieces))

    def _weights(self, node: Any, inputs: Sequence[Any], size: int) -> list[Array]:
        """Return the inputs behind the first, which must be constants of one row of this size."""
        for value in inputs[1:]:
            if not isinstance(value, np.ndarray):
                raise _refusal(node, "with weights that are computed")
            if value.shape != (size,):
                raise ValueError(f"node {node.name!r} has weights of shape {value.shape} for {size} values")
            self.dtypes.add(value.dtype)
        return list(inputs[1:])

    def _gemm(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        kernel = inputs[1]
        bias = inputs[2] if len(inputs) > 2 else None
        if not isinstance(kernel, np.ndarray) or not isinstance(bias, np.ndarray | None) or attributes.get("transA"):
            raise _refusal(node, "it must multiply samples by constants")
        alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
        kernel = kernel.T if attributes.get("transB") else kernel
        return self._product(node, inputs[0], kernel if alpha == 1.0 else kernel * alpha, bias, beta)

    def _matmul(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        del attributes
        if not isinstance(inputs[0], Flow) or not isinstance(inputs[1], np.ndarray):
            raise _refusal(node, "it must multiply samples by a constant")
        return self._product(node, inputs[0], inputs[1], None, 1.0)

    def _product(self, node: Any, flow: Flow, kernel: Array, bias: Array | None, beta: float) -> Flow:
        if kernel.ndim != 2 or len(flow.shape) != 1 or kernel.dtype.kind != "f":
            raise _refusal(node, f"of samples of shape {flow.shape} and a constant of shape {kernel.shape}")
        if kernel.shape[0] != flow.shape[0]:
            raise ValueError(f"node {node.name!r} multiplies {flow.shape[0]} values by a kernel for {kernel.shape[0]}")
        units = int(kernel.shape[1])
        self.dtypes.add(kernel.dtype)
        if bias is not None:
            bias = np.broadcast_to(self._operand(node, bias, (units,)) * beta, units)
        return self._then(flow, (units,), Product(kernel, bias))

    def _batch_normalization(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        flow = inputs[0]
        trains = attributes.get("training_mode") or sum(map(bool, node.output)) > 1
        if trains or len(flow.shape) != 1:
            raise _refusal(node, "in training, or of samples of several dimensions")
        arguments = {"epsilon": attributes.get("epsilon", 1e-5), "momentum": attributes.get("momentum", 0.9)}
        weights = self._weights(node, inputs, flow.shape[0])
        return self._then(flow, flow.shape, Plain(layers.BatchNormalization, arguments, weights))

    def _layer_normalization(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        flow = inputs[0]
        if len(flow.shape) != 1 or attributes.get("axis", -1) not in (-1, 1):
            raise _refusal(node, "along an axis that is not that of the features")
        given = [value for value in inputs if value is not None]
        arguments = {"epsilon": attributes.get("epsilon", 1e-5), "center": len(given) > 2}
        weights = self._weights(node, given, flow.shape[0])
        return self._then(flow, flow.shape, Plain(layers.LayerNormalization, arguments, weights))

    def _scaler(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        """Return ``(x - offset) * scale``."""
        flow = inputs[0]
        offset, scale = (
            np.array(attributes.get(name, default), np.float32) for name, default in [("offset", 0.0), ("scale", 1.0)]
        )
        arguments = [self._operand(node, array, flow.shape) for array in (offset, scale)]
        shifted = Flow(flow.shape, None, FUNCTIONS["Sub"]({}), [flow, arguments[0]], "Sub", node.name)
        return Flow(flow.shape, None, FUNCTIONS["Mul"]({}), [shifted, arguments[1]], "Mul", node.name)

    # ---- Shapes and types ----

    def _shape(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Array:
        if attributes.keys() & {"start", "end"}:
            raise _refusal(node, "of a part of the shape")
        return np.array([BATCH, *inputs[0].shape], np.int64)

    def _flatten(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        axis = attributes.get("axis", 1)
        if axis not in (1, -len(inputs[0].shape)):
            raise _refusal(node, f"along axis {axis}, which is not that of the batch")
        return self._reshaped(inputs[0], (math.prod(inputs[0].shape),))

    def _reshape(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        flow, target = inputs
        if not isinstance(flow, Flow) or not isinstance(target, np.ndarray) or target.ndim != 1 or len(target) < 2:
            raise _refusal(node, "it must keep the axis of the batch")
        batch, *sizes = sizes_of(target, (self._batch, *flow.shape), attributes)
        known = math.prod(size for size in sizes if size != -1)
        if sizes.count(-1) == 1 and batch != -1 and known > 0:
            sizes = [math.prod(flow.shape) // known if size == -1 else size for size in sizes]
        if batch not in (-1, BATCH, self._batch) or min(sizes) < 1 or math.prod(sizes) != math.prod(flow.shape):
            raise _refusal(node, f"of samples of shape {flow.shape} to {target.tolist()}")
        return self._reshaped(flow, tuple(sizes))

    def _reshaped(self, flow: Flow, shape: tuple[int, ...]) -> Flow:
        if shape == flow.shape:
            return flow
        piece = Plain(layers.Flatten, {}) if len(shape) == 1 else Plain(layers.Reshape, {"target_shape": shape})
        result = self._then(flow, shape, piece)
        result.is_integer = flow.is_integer
        return result

    def _same(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        del node, attributes
        flow: Flow = inputs[0]
        return flow

    def _dropout(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        if len(inputs) > 2 and not (inputs[2] is None or (isinstance(inputs[2], np.ndarray) and not inputs[2].any())):
            raise _refusal(node, "in training")
        return self._same(node, attributes, inputs)

    def _cast(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Value:
        flow, to = inputs[0], attributes["to"]
        if flow.is_boolean and to in FLOATS:
            return Flow(flow.shape, None, lambda x: x.astype(np.float64), [flow], "Cast", node.name)
        if flow.is_boolean and to in _INTEGERS:
            return Labels()
        if to not in FLOATS:
            raise _refusal(node, "to a type other than float and double")
        return Flow(flow.shape, flow.chain, node=node.name) if flow.is_integer else flow

    # ---- Classifiers ----

    def _label(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Labels:
        del node, attributes, inputs
        return Labels()

    def _zip_map(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        names = attributes.get("classlabels_strings") or attributes.get("classlabels_int64s") or []
        self.class_names = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
        return self._same(node, attributes, inputs)

    def _concat(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        """Return 1 - p and p of a sigmoid of one output as a softmax of two, whose first logit is 0."""
        match inputs:
            case [Flow(operator="Sub", arguments=[np.ndarray() as one, Flow() as p]), Flow() as same] if (
                p is same and p.shape == (1,) and (one == 1.0).all() and attributes["axis"] in (1, -1)
            ):
                chain = settle(p, self.budget)
            case _:
                raise _refusal(node)
        match chain:
            case [*first, Product(kernel=kernel, bias=bias), Activating(function=ActivationFunction(name="sigmoid"))]:
                kernel = np.concatenate([np.zeros_like(kernel), kernel], axis=1)
                bias = None if bias is None else np.concatenate([np.zeros_like(bias), bias])
                softmax = Activating(ActivationFunction("softmax"))
                return Flow((2,), (*first, Product(kernel, bias), softmax), node=node.name)
        raise _refusal(node)


def _joints(nodes: Sequence[Any], constants: set[str]) -> set[str]:
    """Return the names of values that are added to another one that is no constant either."""
    joints: set[str] = set()
    for node in nodes:
        names = set(node.input)
        if names <= constants:
            constants.update(node.output)
        elif node.op_type == "Add" and not names & constants:
            joints |= names
    return joints


def _refusal(node: Any, detail: str = "") -> Refusal:
    domain = f"{node.domain}." if node.domain not in ("", "ai.onnx") else ""
    text = f"the operator {domain}{node.op_type} (node {name_of(node)}) is not available"
    return Refusal(f"{text}: {detail}" if detail else text)


_HANDLERS: dict[str, Callable[[Importer, Any, dict[str, Any], Sequence[Any]], Value]] = {
    "ArgMax": Importer._label,
    "BatchNormalization": Importer._batch_normalization,
    "Cast": Importer._cast,
    "Concat": Importer._concat,
    "Constant": Importer._constant,
    "Dropout": Importer._dropout,
    "Flatten": Importer._flatten,
    "Gemm": Importer._gemm,
    "Identity": Importer._same,
    "LayerNormalization": Importer._layer_normalization,
    "MatMul": Importer._matmul,
    "Reshape": Importer._reshape,
    "Shape": Importer._shape,
    "ml.Binarizer": Importer._label,
    "ml.Scaler": Importer._scaler,
    "ml.ZipMap": Importer._zip_map,
}

"""The nodes of an ONNX graph, one after the other, as flows, constants and labels."""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.interchange.onnx_import.constants import computed_constant
from fastnet.interchange.onnx_import.flows import Flow, Refusal, settle
from fastnet.interchange.onnx_import.functions import FUNCTIONS, REDUCTIONS, ROW_FUNCTIONS
from fastnet.interchange.onnx_import.image_operators import IMAGE_OPERATORS, pooled_globally
from fastnet.interchange.onnx_import.layouts import Layout, channels_last
from fastnet.interchange.onnx_import.shape_operators import SHAPE_OPERATORS
from fastnet.interchange.onnx_import.tensors import TensorReader, attributes_of, check_form
from fastnet.interchange.onnx_import.values import Labels, Steps, Value, refusal
from fastnet.interchange.pieces import Activating, Block, Plain, Product
from fastnet.layers.functions import ActivationFunction

__all__ = ["HANDLERS", "Importer"]

Array = NDArray[Any]


# What is computed from constants only; and what gives the same for integers as for the numbers that samples are here.
_OF_CONSTANTS = frozenset(["Gather", "Slice"])
_OF_INTEGERS = frozenset([*SHAPE_OPERATORS, "ml.Scaler"]) - {"Dropout"}

_CONCATENATED = "of values that are computed from the input: branches of a network can be added, not concatenated"


class Importer(Steps):
    """The values of a graph by name.

    Attributes
    ----------
    constant_count : int
        The number of values in constants that are nodes.
    """

    def __init__(self, tensors: TensorReader, opset: int, constants: dict[str, Array]) -> None:
        super().__init__(opset)
        self._tensors = tensors
        self._values: dict[str, Value] = dict(constants)
        self._joints: set[str] = set()
        self.constant_count = 0

    def run(self, nodes: Sequence[Any], input_name: str, flow: Flow, batch: int) -> None:
        """Go through all nodes; those that fastnet has no equal for count once an output needs them."""
        self.batch = batch
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
            refused = result if isinstance(result, Refusal) else refusal(node, "only its first output is available")
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
        if operator in _OF_CONSTANTS or operator in FUNCTIONS or (operator in HANDLERS and not domain):
            check_form(node, attributes, self.opset)
        if any(isinstance(value, Labels) for value in inputs):
            return self._of_labels(operator, node, inputs)
        if inputs and all(isinstance(value, np.ndarray) or value is None for value in inputs):
            if operator == "ConstantOfShape" and "value" in attributes:
                attributes = {"value": self._tensors.array(attributes["value"])}
            constant = computed_constant(operator, attributes, cast("list[Array | None]", inputs))
            if constant is None:
                raise refusal(node)
            return constant
        if operator not in _OF_INTEGERS and any(isinstance(value, Flow) and value.is_integer for value in inputs):
            raise refusal(node, "of integers: cast them to float first")
        handler = HANDLERS.get(operator)
        if inputs and not isinstance(inputs[0], Flow) and operator not in ("Gemm", "MatMul") and operator in HANDLERS:
            raise refusal(node, "its first input must be computed from the samples")
        if handler is not None:
            return handler(self, node, attributes, inputs)
        if operator in FUNCTIONS:
            return self._function(node, attributes, inputs)
        raise refusal(node)

    # ---- Constants and labels ----

    def _of_labels(self, operator: str, node: Any, inputs: Sequence[Any]) -> Value:
        if operator == "ml.ArrayFeatureExtractor" and isinstance(inputs[0], np.ndarray):
            self.class_names = [str(name) for name in inputs[0].reshape(-1)]
        elif operator not in ("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"):
            raise refusal(node)
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
                raise refusal(node)
        self.constant_count += array.size
        return array

    # ---- Values computed for each sample ----

    def _function(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        """Return a value that is computed from others value by value or row by row; what it is shows later."""
        operator = node.op_type
        pooled = pooled_globally(self, node, attributes, inputs) if operator in REDUCTIONS else None
        if pooled is not None:
            return pooled
        if operator in ROW_FUNCTIONS:
            inputs = self._row_inputs(node, attributes, inputs)
        flows = [value for value in inputs if isinstance(value, Flow)]
        layout = max((flow.layout for flow in flows), key=lambda one: math.prod(one.view))
        if len({flow.base for flow in flows}) > 1:
            if operator == "Add" and len(flows) == 2:
                return self._residual(node, *flows)
            raise refusal(node, "it takes more than one value that is computed")
        if len({flow.layout.axes for flow in flows}) > 1 or len({len(flow.view) for flow in flows}) > 1:
            raise refusal(node, "it takes values in different orders")
        if operator == "Clip" and any(value is not None and np.size(value) != 1 for value in inputs[1:]):
            raise refusal(node, "its limits must be one number each")
        arguments = [self._operand(node, value, layout) for value in inputs]
        function = FUNCTIONS[operator](attributes)
        if operator in REDUCTIONS:
            shape = (*layout.shape[:-1], 1)
            layout = Layout(shape, layout.axes, tuple(shape[axis] for axis in layout.axes))
        return Flow(layout, None, function, arguments, operator, node.name)

    def _row_inputs(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> list[Any]:
        """Return the input of an operator that works along one axis, which must be the last one here."""
        default = [-1] if self.opset >= 13 else [1]
        axes = [attributes["axis"]] if "axis" in attributes else attributes.get("axes", default)
        if len(inputs) > 1 and isinstance(inputs[1], np.ndarray):
            axes = inputs[1].tolist()
        elif node.op_type in REDUCTIONS and "axes" not in attributes:
            axes = None
        flow = inputs[0]
        if not isinstance(flow, Flow) or axes is None or len(axes) != 1 or not attributes.get("keepdims", 1):
            raise refusal(node, f"along the axes {axes}")
        flow = flow if flow.layout.is_transposed else self.arranged(flow)
        rank = len(flow.view) + 1
        axis = axes[0] + (rank if axes[0] < 0 else 0)
        whole = self.opset < 13 and node.op_type not in REDUCTIONS and axis != rank - 1  # all axes from this one on
        if not 0 < axis < rank or flow.layout.axes[axis - 1] != rank - 2 or whole:
            raise refusal(node, f"along the axes {axes} of samples of shape {flow.view}")
        return [flow]

    def _operand(self, node: Any, value: Any, layout: Layout) -> Any:
        """Return an input of a function: constants in the order of fastnet, without the axis of the batch, in float64."""
        if not isinstance(value, np.ndarray):
            return value
        if value.dtype.kind not in "fiu":
            raise refusal(node, f"with a constant of {value.dtype}")
        view = layout.view
        array = value[0] if value.ndim == len(view) + 1 and len(value) == 1 else value
        if array.ndim > len(view) or np.broadcast_shapes(array.shape, view) != view:
            raise refusal(node, f"with a constant of shape {value.shape} for samples of shape {view}")
        if value.dtype.kind == "f" and value.size > 1:
            self.dtypes.add(value.dtype)
        return layout.constant(array).astype(np.float64)

    def _residual(self, node: Any, first: Flow, second: Flow) -> Flow:
        """Return the sum of two ways through the graph from the last value that both go through."""
        if first.view != second.view:
            raise refusal(node, f"of samples of shape {first.view} and {second.view}")
        if first.layout != second.layout:
            first, second = self.arranged(first), self.arranged(second)
        shorter, longer = sorted([settle(first, self.budget), settle(second, self.budget)], key=len)
        common = next((place for place, piece in enumerate(shorter) if piece is not longer[place]), len(shorter))
        if common == len(longer):
            raise refusal(node, "it adds a value to itself")
        block = Block(longer[common:], shorter[common:])
        return Flow(first.layout, (*shorter[:common], block), node=node.name)

    def _gemm(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        kernel = inputs[1]
        bias = inputs[2] if len(inputs) > 2 else None
        if not isinstance(kernel, np.ndarray) or not isinstance(bias, np.ndarray | None) or attributes.get("transA"):
            raise refusal(node, "it must multiply samples by constants")
        alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
        kernel = kernel.T if attributes.get("transB") else kernel
        return self._product(node, inputs[0], kernel if alpha == 1.0 else kernel * alpha, bias, beta)

    def _matmul(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        del attributes
        if not isinstance(inputs[0], Flow) or not isinstance(inputs[1], np.ndarray):
            raise refusal(node, "it must multiply samples by a constant")
        return self._product(node, inputs[0], inputs[1], None, 1.0)

    def _product(self, node: Any, flow: Flow, kernel: Array, bias: Array | None, beta: float) -> Flow:
        if kernel.ndim != 2 or kernel.dtype.kind != "f" or (node.op_type == "Gemm" and len(flow.view) != 1):
            raise refusal(node, f"of samples of shape {flow.view} and a constant of shape {kernel.shape}")
        if kernel.shape[0] != flow.view[-1]:
            raise ValueError(f"node {node.name!r} multiplies {flow.view[-1]} values by a kernel for {kernel.shape[0]}")
        units = int(kernel.shape[1])
        self.dtypes.add(kernel.dtype)
        result = Layout.plain((*flow.view[:-1], units))
        if bias is not None:
            bias = np.broadcast_to(self._operand(node, bias, result) * beta, units)
        if len(flow.view) > 1:
            return self.then(self.arranged(flow), result, Product.dense(kernel, bias))
        flat = [] if len(flow.shape) == 1 else [Plain(layers.Flatten, {})]
        return self.then(flow, result, *flat, Product.dense(flow.layout.rows(kernel), bias))

    def _batch_normalization(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        flow = inputs[0]
        if attributes.get("training_mode") or sum(map(bool, node.output)) > 1:
            raise refusal(node, "in training")
        if len(flow.view) > 1 and not attributes.get("spatial", 1):
            raise refusal(node, "of every pixel by itself")
        flow = self.arranged(flow, channels_last(len(flow.view)))
        arguments = {"epsilon": attributes.get("epsilon", 1e-5), "momentum": attributes.get("momentum", 0.9)}
        weights = self.weights(node, inputs, flow.shape[-1])
        return self.then(flow, flow.layout, Plain(layers.BatchNormalization, arguments, weights))

    def _layer_normalization(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        flow = inputs[0]
        if attributes.get("axis", -1) not in (-1, len(flow.view)):
            raise refusal(node, "along an axis that is not that of the features")
        flow = self.arranged(flow)
        given = [value for value in inputs if value is not None]
        arguments = {"epsilon": attributes.get("epsilon", 1e-5), "center": len(given) > 2}
        weights = self.weights(node, given, flow.shape[-1])
        return self.then(flow, flow.layout, Plain(layers.LayerNormalization, arguments, weights))

    def _scaler(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        """Return ``(x - offset) * scale``."""
        flow = inputs[0]
        offset, scale = (
            np.array(attributes.get(name, default), np.float32) for name, default in [("offset", 0.0), ("scale", 1.0)]
        )
        arguments = [self._operand(node, array, flow.layout) for array in (offset, scale)]
        shifted = Flow(flow.layout, None, FUNCTIONS["Sub"]({}), [flow, arguments[0]], "Sub", node.name)
        return Flow(flow.layout, None, FUNCTIONS["Mul"]({}), [shifted, arguments[1]], "Mul", node.name)

    # ---- Classifiers ----

    def _label(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Labels:
        del node, attributes, inputs
        return Labels()

    def _zip_map(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        del node
        names = attributes.get("classlabels_strings") or attributes.get("classlabels_int64s") or []
        self.class_names = [name.decode() if isinstance(name, bytes) else str(name) for name in names]
        flow: Flow = inputs[0]
        return flow

    def _concat(self, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
        """Return 1 - p and p of a sigmoid of one output as a softmax of two, whose first logit is 0."""
        match inputs:
            case [Flow(operator="Sub", arguments=[np.ndarray() as one, Flow() as p]), Flow() as same] if (
                p is same and p.layout == Layout.plain((1,)) and (one == 1.0).all() and attributes["axis"] in (1, -1)
            ):
                chain = settle(p, self.budget)
            case _:
                raise refusal(node, _CONCATENATED)
        match chain:
            case [
                *first,
                Product(kernel=kernel, bias=bias, layer=layers.Dense),
                Activating(function=ActivationFunction(name="sigmoid")),
            ]:
                kernel = np.concatenate([np.zeros_like(kernel), kernel], axis=1)
                bias = None if bias is None else np.concatenate([np.zeros_like(bias), bias])
                softmax = Activating(ActivationFunction("softmax"))
                return Flow(Layout.plain((2,)), (*first, Product.dense(kernel, bias), softmax), node=node.name)
        raise refusal(node, _CONCATENATED)


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


Handler = Callable[[Importer, Any, dict[str, Any], Sequence[Any]], Value]
HANDLERS: dict[str, Handler] = {
    **SHAPE_OPERATORS,
    **IMAGE_OPERATORS,
    "ArgMax": Importer._label,
    "BatchNormalization": Importer._batch_normalization,
    "Concat": Importer._concat,
    "Constant": Importer._constant,
    "Gemm": Importer._gemm,
    "LayerNormalization": Importer._layer_normalization,
    "MatMul": Importer._matmul,
    "ml.Binarizer": Importer._label,
    "ml.Scaler": Importer._scaler,
    "ml.ZipMap": Importer._zip_map,
}

"""The operations of a model as the nodes of an ONNX graph."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.operations.steps import (
    Activating,
    Addition,
    LayerNormalizing,
    Multiplication,
    Operation,
    Remembering,
    Scaling,
    SlopedActivating,
    scaled,
)

__all__ = ["Graph", "add_operations"]

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805

# The activations that are an operator of ONNX: its name, the opset that has it first, its attributes, and whether
# onnxruntime computes it in float64, too. The others, and these where they are missing, are written out below.
_NATIVE: dict[str, tuple[str, int, Callable[[float], dict[str, Any]], bool]] = {
    "relu": ("Relu", 13, lambda _: {}, True),
    "sigmoid": ("Sigmoid", 13, lambda _: {}, True),
    "tanh": ("Tanh", 13, lambda _: {}, True),
    "exponential": ("Exp", 13, lambda _: {}, True),
    "softmax": ("Softmax", 13, lambda _: {"axis": -1}, True),
    "log_softmax": ("LogSoftmax", 13, lambda _: {"axis": -1}, True),
    "leaky_relu": ("LeakyRelu", 13, lambda alpha: {"alpha": alpha}, False),
    "elu": ("Elu", 13, lambda alpha: {"alpha": alpha}, False),
    "selu": ("Selu", 13, lambda _: {"alpha": SELU_ALPHA, "gamma": SELU_SCALE}, False),
    "softplus": ("Softplus", 13, lambda _: {}, False),
    "softsign": ("Softsign", 13, lambda _: {}, False),
    "hard_sigmoid": ("HardSigmoid", 13, lambda _: {"alpha": 1 / 6, "beta": 0.5}, False),
    "mish": ("Mish", 18, lambda _: {}, False),
    "gelu": ("Gelu", 20, lambda _: {"approximate": "none"}, False),
    "gelu_tanh": ("Gelu", 20, lambda _: {"approximate": "tanh"}, False),
}


class Graph:
    """Nodes and constants of a graph in the making, for one opset, in one dtype."""

    def __init__(self, opset: int, dtype: str) -> None:
        self.opset = opset
        self.dtype = np.dtype(dtype)
        self.layer = ""  # the layer that nodes are added for, which their names begin with
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._names: set[str] = {"input", "output", "probabilities", "label"}
        self._scalars: dict[float, str] = {}

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        name = self._free(f"{self.layer}/{operator}" if self.layer else operator)
        self.nodes.append(helper.make_node(operator, list(inputs), [output or name], name=name, **attributes))
        return output or name

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Add an array, in its own dtype, and return its name."""
        from onnx import numpy_helper

        name = self._free(f"{self.layer}.{name}" if self.layer else name)
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values).reshape(values.shape), name))
        return name

    def scalar(self, value: float) -> str:
        """Return the name of a number in the dtype of the graph, which is added once."""
        if value not in self._scalars:
            layer, self.layer = self.layer, ""
            self._scalars[value] = self.constant(f"{value:.6g}", np.array(value, self.dtype))
            self.layer = layer
        return self._scalars[value]

    def _free(self, name: str) -> str:
        candidates = (f"{name}_{number}" for number in range(1, len(self._names) + 1))
        free = next(candidate for candidate in [name, *candidates] if candidate not in self._names)
        self._names.add(free)
        return free


def add_operations(graph: Graph, operations: Sequence[Operation], x: str) -> str:
    """Add what the operations compute from `x`, and return the name of the result."""
    stack: list[str] = []
    for operation in _folded(operations, graph.dtype):
        graph.layer = operation.layer
        match operation:
            case Multiplication(kernel=kernel, bias=None):
                x = graph.add("MatMul", x, graph.constant("kernel", kernel))
            case Multiplication(kernel=kernel, bias=bias):
                x = graph.add("Gemm", x, graph.constant("kernel", kernel), graph.constant("bias", _array(bias)))
            case Scaling():
                x = _add_scaling(graph, operation, x)
            case Activating(function=function, alpha=alpha):
                x = _add_activation(graph, function, alpha, x)
            case SlopedActivating(slope=slope):
                x = _add_sloped(graph, slope, x)
            case LayerNormalizing():
                x = _add_layer_normalization(graph, operation, x)
            case Remembering():
                stack.append(x)
            case Addition():
                x = graph.add("Add", x, stack.pop())
            case _:
                raise AssertionError(f"no operator for {operation!r}")
    graph.layer = ""
    return x


def _array(values: Any) -> NDArray[Any]:
    return np.asarray(values)


def _folded(operations: Sequence[Operation], dtype: Any) -> list[Operation]:
    """Return the operations, with each scaling of a product, batch normalization above all, taken into its factors."""
    result: list[Operation] = []
    for operation in operations:
        before = result[-1] if result else None
        if isinstance(before, Multiplication) and isinstance(operation, Scaling):
            product = scaled(before, operation)
            kernel, bias = product.kernel.astype(dtype), _array(product.bias).astype(dtype)
            result[-1] = replace(product, kernel=kernel, bias=bias)
        else:
            result.append(operation)
    return result


def _add_scaling(graph: Graph, scaling: Scaling, x: str) -> str:
    steps = [("Sub", "center", scaling.center, 0), ("Mul", "factor", scaling.factor, 1)]
    for operator, name, values, neutral in [*steps, ("Add", "offset", scaling.offset, 0)]:
        if (values != neutral).any():
            x = graph.add(operator, x, graph.constant(name, values.astype(graph.dtype)))
    return x


def _add_sloped(graph: Graph, slope: NDArray[Any], x: str) -> str:
    slopes = graph.constant("alpha", slope)
    if graph.dtype == np.float32:
        return graph.add("PRelu", x, slopes)
    return graph.add("Where", graph.add("Greater", x, graph.scalar(0.0)), x, graph.add("Mul", x, slopes))


def _add_layer_normalization(graph: Graph, operation: LayerNormalizing, x: str) -> str:
    gamma, beta, epsilon = operation.gamma, operation.beta, operation.epsilon
    if graph.opset >= 17 and graph.dtype == np.float32:
        scale = graph.constant("gamma", np.ones(operation.size, graph.dtype) if gamma is None else gamma)
        shift = [] if beta is None else [graph.constant("beta", beta)]
        return graph.add("LayerNormalization", x, scale, *shift, axis=-1, epsilon=epsilon)
    deviation = graph.add("Sub", x, _add_mean(graph, x))
    variance = _add_mean(graph, graph.add("Mul", deviation, deviation))
    x = graph.add("Div", deviation, graph.add("Sqrt", graph.add("Add", variance, graph.scalar(epsilon))))
    if gamma is not None:
        x = graph.add("Mul", x, graph.constant("gamma", gamma))
    if beta is not None:
        x = graph.add("Add", x, graph.constant("beta", beta))
    return x


def _add_mean(graph: Graph, x: str) -> str:
    """Add the mean of each sample; the axis became an input in opset 18."""
    if graph.opset < 18:
        return graph.add("ReduceMean", x, axes=[-1], keepdims=1)
    return graph.add("ReduceMean", x, graph.constant("axis", np.array([-1], np.int64)), keepdims=1)


def _add_activation(graph: Graph, function: str, alpha: float, x: str) -> str:
    """Add an activation: as one node where the opset has it and runtimes compute it, else written out."""
    if function in _NATIVE:
        operator, since, attributes, in_float64 = _NATIVE[function]
        if graph.opset >= since and (in_float64 or graph.dtype == np.float32):
            return graph.add(operator, x, **attributes(alpha))
    add, number = graph.add, graph.scalar
    match function:
        case "leaky_relu":
            return add("Where", add("Greater", x, number(0.0)), x, add("Mul", x, number(alpha)))
        case "elu":
            negative = add("Sub", add("Exp", add("Min", x, number(0.0))), number(1.0))
            return add("Where", add("Greater", x, number(0.0)), x, add("Mul", negative, number(alpha)))
        case "selu":
            return add("Mul", _add_activation(graph, "elu", SELU_ALPHA, x), number(SELU_SCALE))
        case "softplus":  # max(x, 0) + log(1 + exp(-|x|)) overflows nowhere
            small = add("Exp", add("Neg", add("Abs", x)))
            return add("Add", add("Relu", x), add("Log", add("Add", small, number(1.0))))
        case "softsign":
            return add("Div", x, add("Add", add("Abs", x), number(1.0)))
        case "hard_sigmoid":
            line = add("Add", add("Mul", x, number(1 / 6)), number(0.5))
            return add("Clip", line, number(0.0), number(1.0))
        case "silu" if graph.dtype == np.float32:
            return add("Mul", x, add("Sigmoid", x))
        case "silu":  # older onnxruntimes make an operator of the form above that they lack in float64
            return add("Div", x, add("Add", add("Exp", add("Neg", x)), number(1.0)))
        case "mish":
            return add("Mul", x, add("Tanh", _add_activation(graph, "softplus", 0.0, x)))
        case "gelu":
            return _add_half_of_one_plus(graph, x, _add_erf(graph, add("Mul", x, number(math.sqrt(0.5)))))
        case "gelu_tanh":
            cube = add("Mul", add("Mul", add("Mul", x, x), x), number(0.044715))
            angle = add("Mul", add("Add", x, cube), number(math.sqrt(2.0 / math.pi)))
            return _add_half_of_one_plus(graph, x, add("Tanh", angle))
        case other:
            raise AssertionError(f"no operator for the activation {other!r}")


def _add_half_of_one_plus(graph: Graph, x: str, share: str) -> str:
    """Add ``x / 2 * (1 + share)``."""
    half = graph.add("Mul", x, graph.scalar(0.5))
    return graph.add("Mul", half, graph.add("Add", share, graph.scalar(1.0)))


def _add_erf(graph: Graph, x: str) -> str:
    """Add the error function, which onnxruntime has in float32 alone: 6e-8 is its precision in both dtypes."""
    from onnx import TensorProto

    if graph.dtype == np.float32:
        return graph.add("Erf", x)
    rounded = graph.add("Erf", graph.add("Cast", x, to=TensorProto.FLOAT))
    return graph.add("Cast", rounded, to=TensorProto.DOUBLE)

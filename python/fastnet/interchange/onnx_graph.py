"""The operations of a model as the nodes of an ONNX graph."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.operations import steps
from fastnet.operations.steps import Operation, scaled

__all__ = ["Graph", "add_operations"]


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
            case steps.Multiplication(kernel=kernel, bias=None):
                x = graph.add("MatMul", x, graph.constant("kernel", kernel))
            case steps.Multiplication(kernel=kernel, bias=bias):
                x = graph.add("Gemm", x, graph.constant("kernel", kernel), graph.constant("bias", _array(bias)))
            case steps.Scaling():
                x = _add_scaling(graph, operation, x)
            case steps.Activating(function=function, alpha=alpha):
                x = _add_activation(graph, function, alpha, x)
            case steps.SlopedActivating(slope=slope):
                x = _add_sloped(graph, slope, x)
            case steps.LayerNormalizing():
                x = _add_layer_normalization(graph, operation, x)
            case steps.Remembering():
                stack.append(x)
            case steps.Addition():
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
        if isinstance(before, steps.Multiplication) and isinstance(operation, steps.Scaling):
            product = scaled(before, operation)
            kernel, bias = product.kernel.astype(dtype), _array(product.bias).astype(dtype)
            result[-1] = replace(product, kernel=kernel, bias=bias)
        else:
            result.append(operation)
    return result


def _add_scaling(graph: Graph, scaling: steps.Scaling, x: str) -> str:
    parts = [("Sub", "center", scaling.center, 0), ("Mul", "factor", scaling.factor, 1)]
    for operator, name, values, neutral in [*parts, ("Add", "offset", scaling.offset, 0)]:
        if (values != neutral).any():
            x = graph.add(operator, x, graph.constant(name, values.astype(graph.dtype)))
    return x


def _add_sloped(graph: Graph, slope: NDArray[Any], x: str) -> str:
    slopes = graph.constant("alpha", slope)
    if graph.dtype == np.float32:
        return graph.add("PRelu", x, slopes)
    return graph.add("Where", graph.add("Greater", x, graph.scalar(0.0)), x, graph.add("Mul", x, slopes))


def _add_layer_normalization(graph: Graph, operation: steps.LayerNormalizing, x: str) -> str:
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
    """Add an activation in the first of the ways to write it that the opset has and runtimes compute in the dtype."""
    is_single = graph.dtype == np.float32
    forms = (form for form in ACTIVATIONS[function].onnx if form.opset <= graph.opset and (form.float64 or is_single))
    return _add_expression(graph, ast.parse(next(forms).expression, mode="eval").body, x, alpha)


def _add_expression(graph: Graph, expression: ast.expr, x: str, alpha: float) -> str:
    """Add what an expression of `fastnet.functional.activations.table.Onnx` says; return the name of its value."""
    match expression:
        case ast.Name(id="x"):
            return x
        case ast.Name(id="alpha"):
            return graph.scalar(alpha)
        case ast.Constant(value=float() | int() as value):
            return graph.scalar(float(value))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            inputs = [_add_expression(graph, argument, x, alpha) for argument in arguments]
            if name in ACTIVATIONS:
                return _add_activation(graph, name, alpha, *inputs)
            if name == "Erf":
                return _add_erf(graph, *inputs)
            attributes = {str(keyword.arg): _attribute(keyword.value, alpha) for keyword in keywords}
            return graph.add(name, *inputs, **attributes)
        case other:
            raise AssertionError(f"no operators for {ast.unparse(other)!r}")


def _attribute(value: ast.expr, alpha: float) -> Any:
    return alpha if isinstance(value, ast.Name) else ast.literal_eval(value)


def _add_erf(graph: Graph, x: str) -> str:
    """Add the error function, which onnxruntime has in float32 alone: 6e-8 is its precision in both dtypes."""
    from onnx import TensorProto

    if graph.dtype == np.float32:
        return graph.add("Erf", x)
    rounded = graph.add("Erf", graph.add("Cast", x, to=TensorProto.FLOAT))
    return graph.add("Cast", rounded, to=TensorProto.DOUBLE)

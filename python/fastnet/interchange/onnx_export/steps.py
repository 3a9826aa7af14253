"""The operations of a model as the nodes of an ONNX graph."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.onnx_export.axes import Tensor, as_image, constant_beside, flat, in_order, of_shape, permuted
from fastnet.interchange.onnx_export.graph import Graph
from fastnet.interchange.onnx_export.images import add_image_operation
from fastnet.interchange.onnx_export.integers import add_factors, add_rounded
from fastnet.operations import steps
from fastnet.operations.quantizing import QuantizedMultiplication
from fastnet.operations.steps import Operation, scaled, takes_scaling

__all__ = ["add_operations"]

# A scaling is a product and a sum where no mean is more than this many deviations from 0: float32 then loses at most 4 of its
# 24 bits to the difference between the two. Elsewhere the mean is subtracted first.
_NEAR_ZERO = 16


def add_operations(graph: Graph, operations: Sequence[Operation], x: Tensor) -> Tensor:
    """Add what the operations compute from `x`, and return the result."""
    stack: list[Tensor] = []
    operations = _folded(operations, graph.dtype)
    for i, operation in enumerate(operations):
        graph.layer = operation.layer
        match operation:
            case steps.Multiplication() | QuantizedMultiplication():
                x = _add_product(graph, operation, x)
            case steps.Scaling():
                x = replace(x, name=_add_scaling(graph, operation, x))
            case steps.Activating():
                x = _add_activating(graph, operation, x)
            case steps.SlopedActivating():
                x = replace(x, name=_add_sloped(graph, operation, x))
            case steps.LayerNormalizing():
                x = _add_layer_normalization(graph, operation, x)
            case steps.Permuting(shape=shape, axes=axes):
                x = _add_permutation(graph, shape, axes, x)
            case steps.ImageOperation():
                x = add_image_operation(graph, operation, x)
            case steps.Remembering():
                x = _as_needed(graph, operations[i:], x)
                stack.append(x)
            case steps.Exchanging():
                x, stack[-1] = stack[-1], x
            case steps.Addition():
                x = _add_sum(graph, stack.pop(), x)
            case _:
                raise AssertionError(f"no operator for {operation!r}")
    graph.layer = ""
    return x


def _folded(operations: Sequence[Operation], dtype: Any) -> list[Operation]:
    """Return the operations, with each scaling of a product, batch normalization above all, taken into its factors."""
    result: list[Operation] = []
    for operation in operations:
        before = result[-1] if result else None
        if before is not None and isinstance(operation, steps.Scaling) and takes_scaling(before, operation):
            product = scaled(before, operation)
            kernel, bias = product.kernel.astype(dtype), np.asarray(product.bias).astype(dtype)
            result[-1] = replace(product, kernel=kernel, bias=bias)
        else:
            result.append(operation)
    return result


def _add_product(graph: Graph, product: steps.Multiplication | QuantizedMultiplication, x: Tensor) -> Tensor:
    """Add a product with a kernel whose rows are in the order in which the values lie."""
    kernel = product.kernel.reshape(*x.shape, product.size).transpose(*x.order, len(x.shape)).reshape(-1, product.size)
    if isinstance(product, QuantizedMultiplication):
        rows = add_rounded(graph, product, x, lambda x: Tensor.of(flat(graph, x), (prod(x.shape),)))
        factors = [rows.name, *add_factors(graph, product, kernel, axis=1)]
    else:
        bias = [] if product.bias is None else [graph.constant("bias", product.bias)]
        factors = [flat(graph, x), graph.constant("kernel", kernel), *bias]
    return Tensor.of(graph.add("MatMul" if product.bias is None else "Gemm", *factors), (product.size,))


def _as_needed(graph: Graph, operations: Sequence[Operation], x: Tensor) -> Tensor:
    """Return a tensor as the first convolution behind it takes it, so that it is not moved twice if it is added again."""
    by_value = steps.Scaling | steps.Activating | steps.SlopedActivating | steps.Remembering
    first = next((operation for operation in operations if not isinstance(operation, by_value)), None)
    is_image = isinstance(first, steps.ImageOperation) and (1, *x.shape)[-3:] == first.image
    return as_image(graph, x, x.shape) if is_image else x


def _add_sum(graph: Graph, one: Tensor, other: Tensor) -> Tensor:
    """Add a sum of tensors, in the order of the one that has another than the model."""
    kept, moved = (other, one) if one == Tensor.of(one.name, one.shape) else (one, other)
    moved = moved if moved.shape == kept.shape else of_shape(graph, moved, kept.shape)
    return replace(kept, name=graph.add("Add", in_order(graph, moved, kept.order).name, kept.name))


def _add_permutation(graph: Graph, shape: tuple[int, ...], axes: tuple[int, ...], x: Tensor) -> Tensor:
    missing = len(shape) - len(x.shape)
    if missing > 0 and shape[missing:] == x.shape and axes[:missing] == tuple(range(missing)):
        shape, axes = x.shape, tuple(axis - missing for axis in axes[missing:])
    return permuted(graph, x, shape, axes)


def _add_scaling(graph: Graph, scaling: steps.Scaling, x: Tensor) -> str:
    center, factor, offset = scaling.center, scaling.factor, scaling.offset
    shift = center.astype(np.float64) * factor
    if np.all(np.abs(shift) <= _NEAR_ZERO):
        center, offset = np.zeros(()), offset - shift
    name = x.name
    parts = [("Sub", "center", center, 0), ("Mul", "factor", factor, 1), ("Add", "offset", offset, 0)]
    for operator, constant, values, neutral in parts:
        if (values != neutral).any():
            name = graph.add(operator, name, constant_beside(graph, constant, values, x))
    return name


def _add_sloped(graph: Graph, operation: steps.SlopedActivating, x: Tensor) -> str:
    slopes = constant_beside(graph, "alpha", operation.slope, x)
    if graph.dtype == np.float32:
        return graph.add("PRelu", x.name, slopes)
    return graph.add("Where", graph.add("Greater", x.name, graph.scalar(0.0)), x.name, graph.add("Mul", x.name, slopes))


def _with_rows(graph: Graph, rows: int, x: Tensor) -> Tensor:
    """Return a tensor whose last axis, in the model, is that of rows."""
    length = prod(x.shape) // rows
    if x.shape[-1] == length:
        return x
    return of_shape(graph, x, (length,) if rows == 1 else (rows, length))


def _add_layer_normalization(graph: Graph, operation: steps.LayerNormalizing, x: Tensor) -> Tensor:
    x = _with_rows(graph, operation.rows, x)
    x = in_order(graph, x, tuple(range(len(x.shape))))
    return replace(x, name=_add_normalized_rows(graph, operation, x.name))


def _add_normalized_rows(graph: Graph, operation: steps.LayerNormalizing, x: str) -> str:
    gamma, beta, epsilon = operation.gamma, operation.beta, operation.epsilon
    if graph.opset >= 17 and graph.dtype == np.float32:
        scale = graph.constant(
            "gamma", np.ones(operation.size // operation.rows, graph.dtype) if gamma is None else gamma
        )
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


def _add_activating(graph: Graph, operation: steps.Activating, x: Tensor) -> Tensor:
    """Add an activation; the axis of the rows of a softmax may be another than the last one."""
    if ACTIVATIONS[operation.function].by_row:
        x = _with_rows(graph, operation.rows, x)
    last = x.axis(-1)
    settings = {"alpha": operation.alpha, "axis": -1 if last == len(x.shape) else last}
    return replace(x, name=_add_activation(graph, operation.function, settings, x.name))


def _add_activation(graph: Graph, function: str, settings: Mapping[str, float], x: str) -> str:
    """Add an activation in the first of the ways to write it that the opset has and runtimes compute in the dtype."""
    is_single = graph.dtype == np.float32
    forms = (form for form in ACTIVATIONS[function].onnx if form.opset <= graph.opset and (form.float64 or is_single))
    return _add_expression(graph, ast.parse(next(forms).expression, mode="eval").body, x, settings)


def _add_expression(graph: Graph, expression: ast.expr, x: str, settings: Mapping[str, float]) -> str:
    """Add what an expression of `fastnet.functional.activations.table.Onnx` says; return the name of its value."""
    match expression:
        case ast.Name(id="x"):
            return x
        case ast.Name(id="alpha"):
            return graph.scalar(settings["alpha"])
        case ast.Constant(value=float() | int() as value):
            return graph.scalar(float(value))
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=float() | int() as value)):
            return graph.scalar(-float(value))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=keywords):
            inputs = [_add_expression(graph, argument, x, settings) for argument in arguments]
            if name in ACTIVATIONS:
                return _add_activation(graph, name, settings, *inputs)
            if name == "Erf":
                return _add_erf(graph, *inputs)
            attributes = {str(keyword.arg): _attribute(keyword, settings) for keyword in keywords}
            return graph.add(name, *inputs, **attributes)
        case other:
            raise AssertionError(f"no operators for {ast.unparse(other)!r}")


def _attribute(keyword: ast.keyword, settings: Mapping[str, float]) -> Any:
    """Return the value of an attribute; the axis of a row is that of the tensor."""
    name = "axis" if keyword.arg == "axis" else getattr(keyword.value, "id", None)
    return ast.literal_eval(keyword.value) if name is None else settings[name]


def _add_erf(graph: Graph, x: str) -> str:
    """Add the error function, which onnxruntime has in float32 alone: 6e-8 is its precision in both dtypes."""
    from onnx import TensorProto

    if graph.dtype == np.float32:
        return graph.add("Erf", x)
    rounded = graph.add("Erf", graph.add("Cast", x, to=TensorProto.FLOAT))
    return graph.add("Cast", rounded, to=TensorProto.DOUBLE)

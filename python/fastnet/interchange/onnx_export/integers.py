"""Products and convolutions in 8-bit integers as an ONNX graph has them: in float32, between pairs of two operators.

QuantizeLinear counts values in steps, and DequantizeLinear makes values of the steps. Runtimes take a product with the
pairs around it for one in integers, and those that do not know how compute the same in float32.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastnet.interchange.onnx_export.axes import Tensor
from fastnet.interchange.onnx_export.graph import Graph
from fastnet.operations.quantizing import Quantized
from fastnet.operations.steps import Array, Operation

__all__ = ["add_factors", "add_rounded", "takes_bytes"]

# With kernels of int8, onnxruntime adds two products of 8 bits in 16 bits on processors with AVX2 and without VNNI, and
# sums end at 32,767. With those of uint8 it does not.
ZERO_OF_KERNELS = 128


def takes_bytes(operation: Operation) -> bool:
    """Return whether an operation counts its inputs in steps of 1 from 0, so that bytes are those steps."""
    return isinstance(operation, Quantized) and (operation.input_scale, operation.zero_point) == (1.0, 0)


def add_rounded(graph: Graph, operation: Quantized, x: Tensor, moved: Callable[[Tensor], Tensor]) -> Tensor:
    """Add the rounding of values to the steps of an operation; as steps, in bytes, they are moved to where it needs them.

    What are steps already is not rounded.
    """
    step, zero = np.array(operation.input_scale, np.float32), np.array(operation.zero_point, np.uint8)
    scale = graph.constant("input_scale", step), graph.constant("zero_point", zero)
    if not x.is_steps:
        x = replace(x, name=graph.add("QuantizeLinear", x.name, *scale), is_steps=True)
    x = moved(x)
    return replace(x, name=graph.add("DequantizeLinear", x.name, *scale), is_steps=False)


def add_factors(graph: Graph, operation: Quantized, kernel: NDArray[np.int8], axis: int) -> list[str]:
    """Add a kernel, whose units or filters are along `axis`, and the bias if there is one.

    A bias has the steps of the sums that it is added to, half of one of which is less than 1/250 of what a step of an
    input may change. It remains in float32 where the sums and it are too large together for 32 bits.
    """
    matrix = operation.kernel.reshape(-1, len(operation.scale))
    input_scale, bias = np.float32(operation.input_scale), operation.bias
    scale = operation.scale if bias is None else _scale_beside_bias(operation.scale, input_scale, bias, matrix)
    shifted = (kernel.astype(np.int16) + ZERO_OF_KERNELS).astype(np.uint8)
    names = [_add_integers(graph, "kernel", shifted, ZERO_OF_KERNELS, scale, axis)]
    if bias is None:
        return names
    steps = np.rint(bias.astype(np.float64) / (input_scale * scale))
    largest_sum = 255 * np.abs(matrix.astype(np.int64)).sum(axis=0)
    if np.all(np.abs(steps) + largest_sum < 2**31):
        return [*names, _add_integers(graph, "bias", steps.astype(np.int32), 0, input_scale * scale, 0)]
    return [*names, graph.constant("bias", bias)]


def _scale_beside_bias(scale: Array, input_scale: np.float32, bias: Array, matrix: Array) -> Array:
    """Return the scales of units, with one for those of weights 0, which have any, that makes a step of the bias."""
    is_free = ~matrix.any(axis=0) & (bias != 0)
    return np.where(is_free, np.abs(bias) / input_scale, scale).astype(np.float32)


def _add_integers(graph: Graph, name: str, integers: Array, zero_point: int, scale: Array, axis: int) -> str:
    names = graph.constant(name, integers), graph.constant(f"{name}_scale", scale)
    zero = graph.constant(f"{name}_zero_point", np.full(len(scale), zero_point, integers.dtype))
    return graph.add("DequantizeLinear", *names, zero, axis=axis)

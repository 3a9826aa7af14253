"""The operations of images as nodes of an ONNX graph, with the channels first."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from fastnet.interchange.onnx_export.axes import Tensor, as_image
from fastnet.interchange.onnx_export.graph import Graph
from fastnet.interchange.onnx_export.integers import add_factors, add_rounded
from fastnet.layers.geometry import Pair
from fastnet.operations import steps
from fastnet.operations.quantizing import QuantizedConvolution
from fastnet.operations.steps import Array, ImageOperation

__all__ = ["add_image_operation"]

T = TypeVar("T")
Axes = tuple[int, ...]  # 0 and 1 for those of images, 1 for that of sequences

_IN_FLOAT32 = ("Conv", "ConvTranspose", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Resize")


def add_image_operation(graph: Graph, operation: ImageOperation, x: Tensor) -> Tensor:
    """Add the operator for an operation of images, and return its output.

    What has a height of 1 and does not change it is an operation of sequences, with one axis fewer.

    Raises
    ------
    NotImplementedError
        The graph is in float64, and onnxruntime has the operator in float32 alone.
    """
    heights = operation.image.height, operation.output.height, _window_of(operation)[0]
    axes = (1,) if heights == (1, 1, 1) and len(x.shape) < 3 else (0, 1)
    image = (*_along(operation.image, axes), operation.image.channels)
    if isinstance(operation, QuantizedConvolution):
        x = add_rounded(graph, operation, x, lambda x: as_image(graph, x, image))
    else:
        x = as_image(graph, x, image)
    shape = (*_along(operation.output, axes), operation.output.channels)
    match operation:
        case steps.Convolution() | QuantizedConvolution():
            name = _add_convolution(graph, operation, x, axes)
        case steps.TransposedConvolution():
            name = _add_transposed(graph, operation, x, axes)
        case steps.Pooling():
            name = _add_pooling(graph, operation, x, axes)
        case steps.Padding():
            name = _add_padding(graph, operation, x, axes)
        case steps.Upsampling():
            name = _add_upsampling(graph, operation, x, axes)
        case other:
            raise AssertionError(f"no operator for {other!r}")
    return replace(x, name=name, shape=shape)


def _along(sizes: Sequence[T], axes: Axes) -> list[T]:
    return [sizes[axis] for axis in axes]


def _add(graph: Graph, operator: str, *inputs: str, **attributes: Any) -> str:
    if graph.dtype == np.float64 and operator in _IN_FLOAT32:
        raise NotImplementedError(
            f"layer {graph.layer!r} is in float64, in which onnxruntime has no {operator}: "
            "give the weights to a model with dtype='float32'"
        )
    return graph.add(operator, *inputs, **attributes)


def _window_of(operation: ImageOperation) -> Pair:
    match operation:
        case (
            steps.Convolution(kernel=kernel)
            | steps.TransposedConvolution(kernel=kernel)
            | QuantizedConvolution(kernel=kernel)
        ):
            return kernel.shape[0], kernel.shape[1]
        case steps.Pooling(window=window):
            return window
        case steps.Upsampling(factors=factors):
            return factors
        case _:
            return 1, 1


def _parameters(graph: Graph, kernel: Array, bias: Array | None, axes: Axes) -> list[str]:
    """Add a kernel and a bias."""
    return [
        graph.constant("kernel", _moved(kernel, axes).astype(graph.dtype)),
        *([] if bias is None else [graph.constant("bias", bias.astype(graph.dtype))]),
    ]


def _moved(kernel: Array, axes: Axes) -> Array:
    """Return a kernel with its last two axes in front, as in ONNX."""
    return kernel.transpose(3, 2, 0, 1) if len(axes) == 2 else kernel[0].transpose(2, 1, 0)


def _add_convolution(graph: Graph, operation: steps.Convolution | QuantizedConvolution, x: Tensor, axes: Axes) -> str:
    if isinstance(operation, QuantizedConvolution):
        inputs = [x.name, *add_factors(graph, operation, _moved(operation.kernel, axes), axis=0)]
        groups = 1
    else:
        inputs = [x.name, *_parameters(graph, operation.kernel, operation.bias, axes)]
        groups = operation.groups
    window = _window_of(operation)
    return _add(
        graph,
        "Conv",
        *inputs,
        kernel_shape=_along(window, axes),
        group=groups,
        dilations=_along(operation.dilation, axes),
        **_windows(operation, window, operation.dilation, axes),
    )


def _windows(
    operation: steps.Convolution | QuantizedConvolution | steps.Pooling, window: Pair, dilation: Pair, axes: Axes
) -> dict[str, list[int]]:
    """Return the strides, and the zeros before and behind, along each axis."""
    output, image = np.array(operation.output[:2]), np.array(operation.image[:2])
    reached = (output - 1) * operation.strides + _extent(window, dilation) - operation.before
    after = np.maximum(reached - image, 0).tolist()
    return {"strides": _along(operation.strides, axes), "pads": [*_along(operation.before, axes), *_along(after, axes)]}


def _extent(window: Pair, dilation: Pair) -> Array:
    return (np.array(window) - 1) * dilation + 1


def _add_transposed(graph: Graph, operation: steps.TransposedConvolution, x: Tensor, axes: Axes) -> str:
    window = _window_of(operation)
    output, image = np.array(operation.output[:2]), np.array(operation.image[:2])
    full = (image - 1) * operation.strides + _extent(window, operation.dilation)
    after = _along((full - operation.before - output).tolist(), axes)  # less than 0 where something is missing there
    return _add(
        graph,
        "ConvTranspose",
        x.name,
        *_parameters(graph, operation.kernel, operation.bias, axes),
        kernel_shape=_along(window, axes),
        strides=_along(operation.strides, axes),
        dilations=_along(operation.dilation, axes),
        pads=[*_along(operation.before, axes), *(max(size, 0) for size in after)],
        output_padding=[max(-size, 0) for size in after],
    )


def _add_pooling(graph: Graph, operation: steps.Pooling, x: Tensor, axes: Axes) -> str:
    name = {"max": "Max", "average": "Average"}[operation.function]
    is_whole = operation.window == operation.image[:2] and operation.output[:2] == (1, 1) and operation.before == (0, 0)
    # The evaluator that comes with onnx finds no largest value of a whole sequence.
    if is_whole and not (name == "Max" and len(axes) == 1):
        return _add(graph, f"Global{name}Pool", x.name)
    windows = _windows(operation, operation.window, (1, 1), axes)
    return _add(graph, f"{name}Pool", x.name, kernel_shape=_along(operation.window, axes), **windows)


def _add_padding(graph: Graph, operation: steps.Padding, x: Tensor, axes: Axes) -> str:
    """Add a slice where something is cut off, and zeros where they are put on."""
    name, image = x.name, _along(operation.image, axes)
    before = _along(operation.before, axes)
    after = [new - old - first for first, new, old in zip(before, _along(operation.output, axes), image, strict=True)]
    if min(before + after) < 0:
        parts = {
            "starts": [max(-size, 0) for size in before],
            "ends": [old + min(size, 0) for size, old in zip(after, image, strict=True)],
            "axes": [2 + axis for axis in range(len(axes))],
        }
        name = graph.add("Slice", name, *(graph.constant(key, np.array(part, np.int64)) for key, part in parts.items()))
    if max(before + after) > 0:
        pads = [max(size, 0) for side in (before, after) for size in (0, 0, *side)]
        name = graph.add("Pad", name, graph.constant("pads", np.array(pads, np.int64)))
    return name


def _add_upsampling(graph: Graph, operation: steps.Upsampling, x: Tensor, axes: Axes) -> str:
    scales = graph.constant("scales", np.array([1, 1, *_along(operation.factors, axes)], np.float32))
    if operation.interpolation == "nearest":
        attributes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    else:
        attributes = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
    return _add(graph, "Resize", x.name, "", scales, **attributes)

"""A built model as a list of simple operations.

What prediction has no use for, dropout and noise, is left out, and so are reshapes. Normalization by known numbers, rescaling
included, is one operation, `Scaling`. A layer with an activation gives two operations, and a separable convolution one more.
"""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.layers.base import Layer, Shape
from fastnet.layers.geometry import Image, of_both_axes
from fastnet.network.layered import Layered
from fastnet.operations.steps import (
    Activating,
    Addition,
    Array,
    Convolution,
    Exchanging,
    ImageOperation,
    LayerNormalizing,
    Multiplication,
    Operation,
    Padding,
    Permuting,
    Pooling,
    Remembering,
    Scaling,
    SlopedActivating,
    TransposedConvolution,
    Upsampling,
)

__all__ = ["operations_of"]

# Types of descriptions for the core.
_TRAINING_ONLY = (
    *("dropout", "spatial_dropout", "gaussian_noise"),
    *("random_flip", "random_affine", "random_elastic", "random_levels"),
)
_PADDING = ("padding2d", "random_crop")  # a prediction cuts out the middle
_POOLING = ("max_pooling2d", "average_pooling2d")
_OF_IMAGES = ("conv2d", "conv2d_transpose", "upsampling2d", *_PADDING, *_POOLING)
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")

Description = dict[str, Any]  # of a layer for the core


def operations_of(model: Layered) -> list[Operation]:
    """Return what a prediction of a built model does, step by step.

    Parameters
    ----------
    model : Sequential
        A built model. The arrays are copies of its weights, in its dtype; what is computed from them, such as the factor
        of a normalization, is computed in float64 first.

    Returns
    -------
    list of Operation

    Raises
    ------
    ValueError
        The model is not built.
    NotImplementedError
        A layer has no operation.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.operations.making import operations_of
    >>> model = fn.Sequential([fn.Dense(2, "relu", input_shape=(3,)), fn.Dropout(0.5), fn.Dense(1)])
    >>> [type(operation).__name__ for operation in operations_of(model)]
    ['Multiplication', 'Activating', 'Multiplication']
    """
    model._require_built("operations_of")
    return [
        operation
        for layer, weights in model._leaves_with_weights()
        for operation in _operations_of_layer(layer, weights)
    ]


def _operations_of_layer(layer: Layer, arrays: list[Array]) -> Iterator[Operation]:
    weights = dict(zip(layer.weight_names, arrays, strict=True))
    shape = layer.input_shape or ()
    size, image = prod(shape), _image_of(shape)
    inputs: list[tuple[int, Image | None]] = []  # of the residual blocks that have not ended
    for names, description in layer.descriptions(shape):
        own = {name.rpartition(".")[2]: weights[name] for name in names}
        operation: Operation | None
        match description["type"]:
            case "residual_begin":
                inputs.append((size, image))
            case "residual_shortcut":
                size, image = inputs[-1]
            case "residual_end":
                inputs.pop()
        if description["type"] in _OF_IMAGES:
            operation = _image_operation(layer.name, description, own)
        elif description["type"] == "dense" and "positions" in description:
            operation = _pointwise(layer.name, description["positions"], image, own)
        else:
            operation = _operation(size, layer.name, description, own)
        if operation is not None:
            yield operation
            size = operation.size
            image = operation.output if isinstance(operation, ImageOperation) else image
        if description.get("activation", "linear") != "linear":
            yield _activating(size, layer.name, description)


def _image_of(shape: Shape) -> Image | None:
    return Image(*of_both_axes(shape[:-1]), shape[-1]) if len(shape) in (2, 3) else None


def _activating(size: int, layer: str, description: Description) -> Activating:
    function = description["activation"]
    rows = size // description["filters"] if "filters" in description else description.get("positions", 1)
    return Activating(size, layer, function, description["alpha"], rows if ACTIVATIONS[function].by_row else 1)


def _operation(size: int, layer: str, description: Description, own: dict[str, Array]) -> Operation | None:
    """Return the operation that a description for the core stands for, without its activation."""
    match description["type"]:
        case "dense":
            return Multiplication(description["units"], layer, own["kernel"], own.get("bias"))
        case "rescaling":
            return Scaling(size, layer, np.zeros(()), np.array(description["scale"]), np.array(description["offset"]))
        case "normalization":
            return _scaling(size, layer, own["mean"], own["variance"], description["epsilon"], None, None)
        case "batch_normalization":
            moments = own["moving_mean"], own["moving_variance"]
            return _scaling(size, layer, *moments, description["epsilon"], own.get("gamma"), own.get("beta"))
        case "layer_normalization":
            rows = description.get("positions", 1)
            return LayerNormalizing(size, layer, description["epsilon"], own.get("gamma"), own.get("beta"), rows)
        case "prelu":
            return SlopedActivating(size, layer, own["alpha"].reshape(-1))
        case "permutation":
            return Permuting(size, layer, tuple(description["shape"]), tuple(description["axes"]))
        case "residual_begin":
            return Remembering(size, layer)
        case "residual_shortcut":
            return Exchanging(size, layer)
        case "residual_end":
            return Addition(size, layer)
        case "activation":
            return None
        case kind if kind in _TRAINING_ONLY:
            return None
        case other:
            raise NotImplementedError(
                f"layer {layer!r} ({other}) cannot be exported or quantized: there is no operation for it; "
                "Sequential.save() keeps every model"
            )


def _image_operation(layer: str, description: Description, own: dict[str, Array]) -> ImageOperation:
    def pair(name: str) -> tuple[int, int]:
        return description[f"{name}_height"], description[f"{name}_width"]

    image = Image(*(description[axis] for axis in Image._fields))
    kind = description["type"]
    if kind == "upsampling2d":
        factors = down, right = pair("factor")
        output = Image(image.height * down, image.width * right, image.channels)
        interpolation = "bilinear" if description["bilinear"] else "nearest"
        return Upsampling(prod(output), layer, image, output, factors, interpolation)
    output = Image(*pair("output"), description.get("filters", image.channels))
    ends = prod(output), layer, image, output
    before = description["top"], description["left"]
    if kind in _PADDING:
        return Padding(*ends, before)
    if kind in _POOLING:
        return Pooling(*ends, kind.partition("_")[0], pair("pool"), pair("stride"), before)
    kernel = next(own[name] for name in _KERNELS if name in own)
    windows = own.get("bias"), pair("stride"), pair("dilation"), before
    if kind == "conv2d_transpose":
        return TransposedConvolution(*ends, kernel.reshape(*pair("kernel"), *kernel.shape[-2:]), *windows)
    kernel = kernel.reshape(*pair("kernel"), -1, output.channels)
    return Convolution(*ends, kernel, *windows, description["groups"])


def _pointwise(layer: str, positions: int, image: Image | None, own: dict[str, Array]) -> Convolution:
    """Return a dense layer that works at several positions, where these are the pixels of an image, as a convolution."""
    channels, filters = own["kernel"].shape
    if image is None or image.height * image.width != positions:
        image = Image(1, positions, channels)
    output = image._replace(channels=filters)
    kernel = own["kernel"].reshape(1, 1, channels, filters)
    return Convolution(prod(output), layer, image, output, kernel, own.get("bias"), (1, 1), (1, 1), (0, 0), groups=1)


def _scaling(
    size: int,
    layer: str,
    mean: Array,
    variance: Array,
    epsilon: float,
    gamma: Array | None,
    beta: Array | None,
) -> Scaling:
    inverse = 1.0 / np.sqrt(variance.astype(np.float64) + epsilon)
    factor = inverse if gamma is None else gamma * inverse
    offset = np.zeros(()) if beta is None else beta
    return Scaling(size, layer, mean, factor.astype(mean.dtype), offset.astype(mean.dtype))

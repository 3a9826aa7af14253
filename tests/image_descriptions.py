"""The core's descriptions of layers for images, from the shape of one sample and arguments like Keras's."""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import reference_images as ref
from reference_images import Axes, Axis

Description = dict[str, Any]
Shape = tuple[int, ...]
Pair = tuple[int, int]
AXES = {"valid": ref.valid, "same": ref.same, "causal": ref.causal}
TRANSPOSED = {"valid": ref.transposed_valid, "same": ref.transposed_same}


# ---- Layers whose windows slide over images --------------------------------------------------------------------------


def windows(
    shape: Shape, window: Pair, strides: Pair = (1, 1), padding: str = "valid", dilation: Pair = (1, 1)
) -> Axes:
    rows, columns = (AXES[padding](*axis) for axis in zip(shape[:2], window, strides, dilation, strict=True))
    return rows, columns


def transposed_windows(
    shape: Shape,
    window: Pair,
    strides: Pair = (1, 1),
    padding: str = "valid",
    dilation: Pair = (1, 1),
    output_padding: tuple[int | None, int | None] = (None, None),
) -> Axes:
    zipped = zip(shape[:2], window, strides, dilation, output_padding, strict=True)
    rows, columns = (TRANSPOSED[padding](*axis) for axis in zipped)
    return rows, columns


def sides(name: str, values: Sequence[int]) -> Description:
    return dict(zip((f"{name}height", f"{name}width"), values, strict=True))


def placed(kind: str, shape: Shape, axes: Axes, **further: Any) -> Description:
    """Describe a layer for images of a shape: where its windows lie and what else it takes."""
    outputs = [axis.image if kind == "conv2d_transpose" else axis.output for axis in axes]
    place = {"channels": shape[2], "top": axes[0].before, "left": axes[1].before}
    return {"type": kind, **sides("", shape[:2]), **place, **sides("output_", outputs), **further}


def strides(axes: Axes) -> Description:
    return sides("stride_", [axis.stride for axis in axes])


def kernel(axes: Axes) -> Description:
    sizes, dilation = [axis.window for axis in axes], [axis.dilation for axis in axes]
    return {**sides("kernel_", sizes), **strides(axes), **sides("dilation_", dilation)}


def unit(filters: int, activation: str, use_bias: bool) -> Description:
    return {"filters": filters, "activation": activation, "alpha": 0.2, "use_bias": use_bias}


def conv2d(
    shape: Shape, axes: Axes, filters: int, activation: str = "linear", *, groups: int = 1, use_bias: bool = True
) -> Description:
    return placed("conv2d", shape, axes, **kernel(axes), **unit(filters, activation, use_bias), groups=groups)


def conv2d_transpose(
    shape: Shape, axes: Axes, filters: int, activation: str = "linear", *, use_bias: bool = True
) -> Description:
    return placed("conv2d_transpose", shape, axes, **kernel(axes), **unit(filters, activation, use_bias))


def pooling(kind: str, shape: Shape, axes: Axes) -> Description:
    """Describe pooling of the kind "max" or "average"."""
    pool = sides("pool_", [axis.window for axis in axes])
    return placed(f"{kind}_pooling2d", shape, axes, **pool, **strides(axes))


def padding2d(shape: Shape, before: Pair, after: Pair) -> Description:
    """Describe zeros around an image; negative numbers cut it."""
    sizes = zip(shape[:2], before, after, strict=True)
    rows, columns = (Axis(size, 1, size + first + last, before=first) for size, first, last in sizes)
    return placed("padding2d", shape, (rows, columns))


def described_axes(layer: Mapping[str, Any]) -> Axes:
    """Return where the windows of a described layer lie: those of a transposed convolution on its output."""

    def axis(side: str, before: str) -> Axis:
        image, output = layer[side], layer[f"output_{side}"]
        if layer["type"] == "conv2d_transpose":
            image, output = output, image
        window = layer.get(f"kernel_{side}", layer.get(f"pool_{side}", 1))
        stride, dilation = layer.get(f"stride_{side}", 1), layer.get(f"dilation_{side}", 1)
        return Axis(image, window, output, stride, dilation, layer[before])

    return axis("height", "top"), axis("width", "left")


# ---- Other layers ----------------------------------------------------------------------------------------------------


def upsampling2d(shape: Shape, factors: Pair, *, bilinear: bool = False) -> Description:
    size = sides("", shape[:2])
    return {"type": "upsampling2d", **size, "channels": shape[2], **sides("factor_", factors), "bilinear": bilinear}


def permutation(shape: Shape, axes: Sequence[int]) -> Description:
    """Describe a new order of the axes of images, or of arrays of fewer axes."""
    missing = 3 - len(shape)
    whole = [1] * missing + list(shape), [*range(missing), *(axis + missing for axis in axes)]
    return {"type": "permutation", "shape": whole[0], "axes": whole[1]}


def spatial_dropout(shape: Shape, rate: float, seed: int) -> Description:
    return {"type": "spatial_dropout", "channels": shape[2], "rate": rate, "seed": seed}


def by_channel(kind: str, shape: Shape, **settings: Any) -> Description:
    """Describe a layer of rows that takes every pixel as one."""
    return {"type": kind, "positions": prod(shape[:-1]), **settings}


def dense(shape: Shape, units: int, activation: str = "linear", *, use_bias: bool = True) -> Description:
    settings = {"units": units, "activation": activation, "alpha": 0.2, "use_bias": use_bias}
    return by_channel("dense", shape, **settings)


def output_size(layer: Mapping[str, Any], size: int) -> int:
    """Return how many numbers a described layer makes of `size`."""
    match layer["type"]:
        case "dense":
            return int(layer["units"] * layer.get("positions", 1))
        case "upsampling2d":
            return int(size * layer["factor_height"] * layer["factor_width"])
        case _ if "output_height" in layer:
            return int(layer["output_height"] * layer["output_width"] * layer.get("filters", layer["channels"]))
    return size


def output_shape(layer: Mapping[str, Any], shape: Shape) -> Shape:
    """Return the shape that a described layer makes of that of images."""
    match layer["type"]:
        case "dense":
            return (*shape[:-1], layer["units"])
        case "permutation":
            return tuple(layer["shape"][axis] for axis in layer["axes"])
        case "upsampling2d":
            return shape[0] * layer["factor_height"], shape[1] * layer["factor_width"], shape[2]
        case _ if "output_height" in layer:
            return layer["output_height"], layer["output_width"], layer.get("filters", shape[2])
    return shape

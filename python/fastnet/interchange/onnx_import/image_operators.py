"""Operators of ONNX for images and sequences."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.interchange.onnx_import.constants import BATCH
from fastnet.interchange.onnx_import.flows import Flow
from fastnet.interchange.onnx_import.layouts import Layout
from fastnet.interchange.onnx_import.values import Steps, Value, refusal
from fastnet.interchange.onnx_import.window_operators import WINDOW_OPERATORS, framing, image_of, image_result
from fastnet.interchange.pieces import Plain

__all__ = ["IMAGE_OPERATORS", "pooled_globally"]

Array = NDArray[Any]

# ---- Whole images ---------------------------------------------------------------------------------------------------

_GLOBAL = {
    "GlobalAveragePool": (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
    "GlobalMaxPool": (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
    "ReduceMax": (layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D),
    "ReduceMean": (layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D),
}


def _global_pool(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    del attributes
    flow = image_of(steps, node, inputs[0])
    rank, channels = len(flow.shape) - 1, flow.shape[-1]
    layout = Layout.plain((channels,)).reshaped((channels, *(1,) * rank))
    return steps.then(flow, layout, Plain(_GLOBAL[node.op_type][rank - 1], {}))


def pooled_globally(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow | None:
    """Return what a reduction along all axes but one makes of images, if it is one."""
    flow = inputs[0]
    axes = inputs[1] if len(inputs) > 1 else attributes.get("axes")
    if not isinstance(flow, Flow) or axes is None or isinstance(axes, Flow) or node.op_type not in _GLOBAL:
        return None
    rank = len(flow.view)
    reduced = {int(axis) + (rank + 1 if axis < 0 else 0) - 1 for axis in np.reshape(axes, -1)}
    kept = [axis for axis in range(rank) if axis not in reduced]
    if rank not in (2, 3) or len(kept) != 1 or reduced | set(kept) != set(range(rank)):
        return None
    if rank == 2 and flow.layout.is_transposed and flow.layout.axes[kept[0]] == 0:
        return None  # along the last axis, of every row by itself
    flow = steps.arranged(flow, (*sorted(reduced), *kept))
    view = [size if axis in kept else 1 for axis, size in enumerate(flow.view)]
    layout = Layout.plain(flow.shape[-1:]).reshaped(view if attributes.get("keepdims", 1) else flow.shape[-1:])
    return steps.then(flow, layout, Plain(_GLOBAL[node.op_type][rank - 2], {}))


# ---- Frames ---------------------------------------------------------------------------------------------------------


def _pad(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow: Flow = inputs[0]
    pads, value, axes = ([*inputs[1:], None, None, None])[:3]
    pads = attributes.get("pads") if pads is None else pads
    value = attributes.get("value", 0.0) if value is None else value
    mode = attributes.get("mode", b"constant")
    if any(isinstance(one, Flow) for one in (pads, value, axes)) or pads is None:
        raise refusal(node, "by numbers that are computed")
    rank = len(flow.view) + 1
    places = [int(axis) % rank for axis in range(rank)] if axes is None else [int(axis) % rank for axis in axes]
    sizes = [int(size) for size in pads]
    if len(sizes) != 2 * len(places) or len(set(places)) != len(places):
        raise ValueError(f"node {node.name!r} has pads of {sizes} for {rank} axes")
    added = dict(zip(places, zip(sizes[: len(places)], sizes[len(places) :], strict=True), strict=True))
    if not any(sizes):
        return flow
    if mode != b"constant" or np.any(value):
        raise refusal(node, f"with mode={mode.decode()} and a value of {np.squeeze(value)}: only zeros are added")
    return _framed(steps, node, flow, {axis: pair for axis, pair in added.items() if any(pair)})


_WHOLE = 2**31 - 1  # from here on, the end of a slice stands for that of the axis


def _slice(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow: Flow = inputs[0]
    given = ([*inputs[1:], None, None, None, None])[:4]
    names = ("starts", "ends", "axes", "steps")
    starts, ends, axes, strides = (
        attributes.get(n) if one is None else one for n, one in zip(names, given, strict=True)
    )
    if starts is None or ends is None or any(isinstance(one, Flow) for one in (starts, ends, axes, strides)):
        raise refusal(node, "from places that are computed")
    rank, count = len(flow.view) + 1, np.size(starts)
    places = [int(axis) % rank for axis in (range(count) if axes is None else axes)]
    if np.size(ends) != count or len(places) != count or len(set(places)) != count:
        raise ValueError(f"node {node.name!r} has starts, ends and axes of different lengths, or an axis twice")
    cut: dict[int, tuple[int, int]] = {}
    for axis, start, end in zip(places, starts, ends, strict=True):
        size = steps.batch if axis == 0 else flow.view[axis - 1]
        first, last, _ = slice(int(start), int(end)).indices(size)
        if (axis == 0 and (int(start) != 0 or int(end) < min(size, _WHOLE))) or last <= first:
            raise refusal(node, f"of axis {axis} from {start} to {end}")
        if axis > 0 and (first > 0 or last < size):
            cut[axis] = (-first, last - size)
    if strides is not None and any(int(stride) != 1 for stride in strides):
        raise refusal(node, "of every second value or fewer")
    return _framed(steps, node, flow, cut)


def _framed(steps: Steps, node: Any, flow: Flow, added: dict[int, tuple[int, int]]) -> Flow:
    """Return images with so many rows and columns more before and after each of these axes, or less."""
    if not added:
        return flow
    rank, layout = len(flow.view) + 1, flow.layout
    in_place = layout.is_transposed and rank in (3, 4) and 0 not in added
    if not in_place or any(layout.axes[axis - 1] == rank - 2 for axis in added):
        flow = image_of(steps, node, flow)
        layout = flow.layout
    by_axis: list[tuple[int, int]] = [(0, 0)] * (rank - 1)
    for axis, pair in added.items():
        if axis == 0 or layout.axes[axis - 1] == rank - 2:
            raise refusal(node, f"of axis {axis}, which is not one of the height and the width")
        by_axis[layout.axes[axis - 1]] = pair
    shape = tuple(size + sum(pair) for size, pair in zip(layout.shape, by_axis, strict=True))
    result = Layout(shape, layout.axes, tuple(shape[axis] for axis in layout.axes))
    return steps.then(flow, result, *framing(by_axis[:-1]))


# ---- Sizes ----------------------------------------------------------------------------------------------------------

_LONGEST = 2**16  # a line of pixels whose places are computed

# Of each value along an axis the place that it is taken from, by the factor, the number before and the number after.
_PLACES: dict[bytes, Callable[[Array, int, int], Array]] = {
    b"asymmetric": lambda x, factor, _: x / factor,
    b"align_corners": lambda x, factor, size: x * (size - 1) / max(size * factor - 1, 1),
    b"half_pixel": lambda x, factor, _: (x + 0.5) / factor - 0.5,
    b"half_pixel_symmetric": lambda x, factor, _: (x + 0.5) / factor - 0.5,
    b"pytorch_half_pixel": lambda x, factor, size: (x + 0.5) / factor - 0.5 if size * factor > 1 else 0.0 * x,
    b"tf_half_pixel_for_nn": lambda x, factor, _: (x + 0.5) / factor,
}
_ROUNDED: dict[bytes, Callable[[Array], Array]] = {
    b"ceil": np.ceil,
    b"floor": np.floor,
    b"round_prefer_ceil": lambda x: np.floor(x + 0.5),
    b"round_prefer_floor": lambda x: np.ceil(x - 0.5),
}


def _resize(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow = image_of(steps, node, inputs[0])
    factors = _factors(steps, node, attributes, inputs, flow.view)
    rank = len(factors)
    mode = attributes.get("mode", b"nearest")
    is_old = node.op_type == "Upsample" or steps.opset < 11
    places = _PLACES.get(attributes.get("coordinate_transformation_mode", b"asymmetric" if is_old else b"half_pixel"))
    rounded = _ROUNDED.get(attributes.get("nearest_mode", b"floor" if is_old else b"round_prefer_floor"))
    if mode not in (b"nearest", b"linear") or places is None or rounded is None or attributes.get("antialias"):
        raise refusal(node, f"with mode={mode.decode()} and such places of pixels")
    for size, factor in zip(flow.shape[:-1], factors, strict=True):
        if size * factor > _LONGEST:
            raise refusal(node, f"to {size * factor} pixels in a line")
        x = np.arange(size * factor)
        wanted = x // factor if mode == b"nearest" else np.clip((x + 0.5) / factor - 0.5, 0, size - 1)
        place = places(x.astype(np.float64), factor, size)
        if not np.allclose(np.clip(rounded(place) if mode == b"nearest" else place, 0, size - 1), wanted):
            raise refusal(node, f"with mode={mode.decode()} and such places of pixels")
    if mode == b"linear" and rank == 1:
        raise refusal(node, "of sequences with mode=linear")
    own = {"size": tuple(factors), "interpolation": "nearest" if mode == b"nearest" else "bilinear"}
    piece = Plain(layers.UpSampling2D, own) if rank == 2 else Plain(layers.UpSampling1D, {"size": factors[0]})
    sizes = [size * factor for size, factor in zip(flow.shape[:-1], factors, strict=True)]
    return steps.then(flow, image_result(sizes, flow.shape[-1]), *([piece] if max(factors) > 1 else []))


def _factors(
    steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any], view: Sequence[int]
) -> list[int]:
    """Return by how much images grow along every axis but those of the batch and of the channels."""
    rank = len(view) + 1
    scales = inputs[1] if len(inputs) == 2 else inputs[2] if len(inputs) > 2 else attributes.get("scales")
    sizes = inputs[3] if len(inputs) > 3 else None
    if attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        raise refusal(node, "with a keep_aspect_ratio_policy")
    if isinstance(scales, Flow) or isinstance(sizes, Flow):
        raise refusal(node, "by numbers that are computed")
    axes = [int(axis) % rank for axis in attributes.get("axes", range(rank))]
    given = sizes if sizes is not None and np.size(sizes) else scales
    if given is None or np.size(given) != len(axes):
        raise ValueError(f"node {node.name!r} must have scales or sizes for {len(axes)} axes")
    before = (steps.batch, *view) if given is sizes else (1,) * rank
    factors = [1.0] * rank
    for axis, value in zip(axes, given, strict=True):
        factors[axis] = 1.0 if value == before[axis] else float(value) / before[axis]
    if given is sizes and steps.batch == BATCH:
        factors[0] = 1.0
    if factors[:2] != [1.0, 1.0] or not all(math.isfinite(one) and one == int(one) >= 1 for one in factors):
        raise refusal(node, f"by the factors {factors}: only integers are, and those of the height and the width")
    return [int(one) for one in factors[2:]]


IMAGE_OPERATORS: dict[str, Callable[[Steps, Any, dict[str, Any], Sequence[Any]], Value]] = {
    **WINDOW_OPERATORS,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "Pad": _pad,
    "Resize": _resize,
    "Slice": _slice,
    "Upsample": _resize,
}

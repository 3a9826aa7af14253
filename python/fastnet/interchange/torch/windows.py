"""Modules of PyTorch that move a window over images or sequences, or change their frame, as layers."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.interchange.torch.calls import Call
from fastnet.interchange.torch.made import Made
from fastnet.layers.base import Shape
from fastnet.layers.geometry import Image, Windows, of_both_axes, transposed_windows_of, windows_of

__all__ = ["convolved", "framed", "pooled", "resized", "transposed"]

Array = NDArray[Any]
Sides = list[tuple[int, int]]
Sizes = tuple[int, ...]


def _layer(name: str, rank: int) -> Any:
    return getattr(layers, f"{name}{rank}D")


def _image(shape: Shape) -> Image:
    return Image(*of_both_axes(shape[:-1]), shape[-1])


def _same(shape: Shape, kernel: Sizes, stride: Sizes, dilation: Sizes) -> list[Windows]:
    """Return the windows of ``padding="same"`` along every axis."""
    both = windows_of(_image(shape), "same", *map(of_both_axes, (kernel, stride, dilation)))
    return list(both)[-len(kernel) :]


def _kernel(weight: Array) -> Array:
    """Return a weight with its first two axes, the channels, at the end and exchanged."""
    return np.moveaxis(weight, (0, 1), (-1, -2))


# ---- Convolutions ---------------------------------------------------------------------------------------------------


def convolved(made: Made, call: Call, weight: Array, bias: list[Array]) -> None:
    """Add a convolution, behind zeros where `padding` is neither of fastnet's."""
    rank, groups = call.rank, call.arguments["groups"]
    kernel, stride, dilation = (call.sizes(name) for name in ("kernel_size", "stride", "dilation"))
    extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = call.arguments["padding"]
    if not isinstance(padding, str):
        padding = _named_padding(made, call.sizes("padding"), extents, kernel, stride, dilation)
    settings: dict[str, Any] = {"kernel_size": kernel, "strides": stride, "padding": padding, "dilation_rate": dilation}
    settings["use_bias"] = bool(bias)
    if rank == 2 and 1 < groups == made.shape[-1]:
        by_channel = weight.reshape(groups, -1, *kernel)  # channels of the input, and those of the output for each
        arguments = {**settings, "depth_multiplier": by_channel.shape[1]}
        made.add(layers.DepthwiseConv2D, arguments, [np.moveaxis(by_channel, (0, 1), (-2, -1)), *bias])
    else:
        arguments = {**settings, "filters": len(weight), "groups": groups}
        made.add(_layer("Conv", rank), arguments, [_kernel(weight), *bias])


def _named_padding(
    made: Made, padding: Sizes, extents: list[int], kernel: Sizes, stride: Sizes, dilation: Sizes
) -> str:
    """Return the padding of a layer; where it is none of fastnet's, add zeros in front."""
    if not any(padding):
        return "valid"
    axes = zip(made.shape, padding, extents, stride, strict=False)
    found = [Windows((size + 2 * more - extent) // step + 1, more) for size, more, extent, step in axes]
    if found == _same(made.shape, kernel, stride, dilation):
        return "same"
    _add_frame(made, [(more, more) for more in padding])
    return "valid"


def transposed(made: Made, call: Call, weight: Array, bias: list[Array]) -> None:
    """Add a transposed convolution, in front of a cut where it is none of fastnet's."""
    rank = call.rank
    kernel, stride, dilation = (call.sizes(name) for name in ("kernel_size", "stride", "dilation"))
    padding, more = call.sizes("padding"), call.sizes("output_padding")
    axes = list(zip(made.shape, kernel, stride, dilation, padding, more, strict=False))
    wanted = [Windows((n - 1) * s - 2 * p + (k - 1) * d + 1 + o, p) for n, k, s, d, p, o in axes]
    arguments = {"filters": weight.shape[1], "kernel_size": kernel, "strides": stride, "dilation_rate": dilation}
    arguments["use_bias"] = bool(bias)
    kind = getattr(layers, f"Conv{rank}DTranspose")
    own: list[tuple[str, Sizes | None]] = [("valid", None), ("same", None), ("same", more)]
    for name, output_padding in own:
        given = (None, None) if output_padding is None else of_both_axes(output_padding, 0)
        pairs = map(of_both_axes, (kernel, stride, dilation))
        if list(transposed_windows_of(_image(made.shape), name, given, *pairs))[-rank:] == wanted:
            settings = {"padding": name, "output_padding": output_padding}
            made.add(kind, {**arguments, **settings}, [_kernel(weight), *bias])
            return
    behind = tuple(max(o - p, 0) for *_, p, o in axes)
    settings = {"padding": "valid", "output_padding": behind}
    made.add(kind, {**arguments, **settings}, [_kernel(weight), *bias])
    _add_frame(made, [(-p, min(o - p, 0)) for *_, p, o in axes])


# ---- Pooling --------------------------------------------------------------------------------------------------------


def pooled(made: Made, call: Call) -> None:
    """Add a pooling."""
    rank, name = call.rank, "Max" if "Max" in call.kind else "Average"
    if call.arguments.get("return_indices"):
        raise NotImplementedError("return_indices=True is not available")
    if call.kind.startswith("Adaptive"):
        _adaptive(made, call, name)
        return
    if call.arguments.get("divisor_override") is not None:
        raise NotImplementedError("divisor_override is not available")
    if set(call.sizes("dilation") if "dilation" in call.arguments else (1,)) != {1}:
        raise NotImplementedError("a dilation is not available")
    kernel, stride, padding = (call.sizes(argument) for argument in ("kernel_size", "stride", "padding"))
    sides = [(more, more) for more in padding]
    if made.frame is not None:
        sides = [(a + before, b + after) for (a, b), (before, after) in zip(sides, made.frame, strict=True)]
        made.frame = None
    axes = zip(made.shape, sides, kernel, stride, strict=False)
    ceil = call.arguments["ceil_mode"]
    found = [Windows(_number(size, pair, window, step, ceil), pair[0]) for size, pair, window, step in axes]
    arguments = {"pool_size": kernel, "strides": stride}
    inside = name == "Max" or not call.arguments["count_include_pad"] or not any(padding)
    if not ceil and not any(map(any, sides)):
        made.add(_layer(f"{name}Pooling", rank), arguments, [])
    elif inside and found == _same(made.shape, kernel, stride, (1,) * rank):
        made.add(_layer(f"{name}Pooling", rank), {**arguments, "padding": "same"}, [])
    elif not ceil and (made.is_positive if name == "Max" else call.arguments["count_include_pad"]):
        _add_frame(made, sides)
        made.add(_layer(f"{name}Pooling", rank), arguments, [])
    else:
        raise NotImplementedError(
            f"padding={call.arguments['padding']!r} and ceil_mode={ceil} are neither padding='valid' nor 'same' for samples of "
            f"shape {made.shape}" + (", whose values may be negative" if name == "Max" else "")
        )


def _number(size: int, sides: tuple[int, int], window: int, stride: int, ceil: bool) -> int:
    """Return how many windows PyTorch takes."""
    room = size + sum(sides) - window
    if not ceil:
        return room // stride + 1
    number = -(-room // stride) + 1
    return number - 1 if (number - 1) * stride >= size + sides[0] else number  # the last one begins inside


def _adaptive(made: Made, call: Call, name: str) -> None:
    """Add a pooling to a size, which must divide that of the sample."""
    rank = call.rank
    value = call.arguments["output_size"]
    wanted = value if isinstance(value, tuple) else (value,) * rank
    sizes = made.shape[:-1]
    wanted = tuple(size if one is None else one for size, one in zip(sizes, wanted, strict=True))
    if set(wanted) == {1}:
        made.add(_layer(f"Global{name}Pooling", rank), {"keepdims": True}, [])
    elif any(size % one for size, one in zip(sizes, wanted, strict=True)):
        raise NotImplementedError(f"output_size={value!r} does not divide the sizes of samples of shape {made.shape}")
    elif wanted != sizes:
        window = tuple(size // one for size, one in zip(sizes, wanted, strict=True))
        made.add(_layer(f"{name}Pooling", rank), {"pool_size": window}, [])


# ---- Frames and sizes -----------------------------------------------------------------------------------------------


def framed(made: Made, call: Call) -> None:
    """Add zeros around, or note that it is minus infinity."""
    rank, given = call.rank, call.arguments["padding"]
    values = given if isinstance(given, tuple) else (given,) * (2 * rank)
    if len(values) != 2 * rank or not all(type(one) is int for one in values):
        raise ValueError(f"padding must be an integer or {2 * rank} integers; got {given!r}")
    sides = [(values[index], values[index + 1]) for index in range(0, 2 * rank, 2)][::-1]  # the last axis comes first
    value = call.arguments.get("value", 0.0)
    if value == -math.inf and min(values) >= 0:
        made.frame = sides
    elif value == 0.0:
        _add_frame(made, sides)
    else:
        raise NotImplementedError(f"padding with {value!r} is not available")


def _add_frame(made: Made, sides: Sides) -> None:
    """Add zeros, and cut off where a number is negative."""
    rank = len(sides)
    for name, argument, sign in (("ZeroPadding", "padding", 1), ("Cropping", "cropping", -1)):
        own = tuple((max(sign * before, 0), max(sign * after, 0)) for before, after in sides)
        if any(map(any, own)):
            made.add(_layer(name, rank), {argument: own if rank == 2 else own[0]}, [])


def resized(made: Made, call: Call) -> None:
    """Add an enlargement by whole factors."""
    sizes, size, scale = made.shape[:-1], call.arguments["size"], call.arguments["scale_factor"]
    given = size if scale is None else scale
    values = given if isinstance(given, tuple) else (given,) * len(sizes)
    if len(sizes) not in (1, 2) or len(values) != len(sizes):
        raise ValueError(f"it takes images or sequences; got samples of shape {made.shape}")
    factors = [value / one if scale is None else value for value, one in zip(values, sizes, strict=True)]
    if any(factor != int(factor) for factor in factors):
        raise NotImplementedError(f"only whole factors are available; got {given!r} for samples of shape {made.shape}")
    mode, corners = call.arguments["mode"], call.arguments["align_corners"]
    if mode not in ("nearest", "nearest-exact", *(["bilinear"] if len(sizes) == 2 else [])) or corners:
        raise NotImplementedError(f"mode={mode!r} with align_corners={corners!r} is not available")
    arguments: dict[str, Any] = {"size": tuple(map(int, factors)) if len(sizes) == 2 else int(factors[0])}
    if mode == "bilinear":
        arguments["interpolation"] = "bilinear"
    made.add(_layer("UpSampling", len(sizes)), arguments, [])

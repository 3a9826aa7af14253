"""Operators of ONNX that move a window over images or sequences: convolutions and poolings."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from numpy.typing import NDArray

from fastnet import layers
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.onnx_import.flows import Flow, settle
from fastnet.interchange.onnx_import.layouts import Layout, channels_last
from fastnet.interchange.onnx_import.values import Steps, is_constant, refusal
from fastnet.interchange.pieces import Activating, Piece, Plain, Product
from fastnet.layers.geometry import Image, of_both_axes, transposed_windows_of

__all__ = ["WINDOW_OPERATORS", "framing", "image_of", "image_result"]

Array = NDArray[Any]
Pair = tuple[int, int]


class _Windows(NamedTuple):
    """The windows along one axis.

    Attributes
    ----------
    size : int
        The length of the axis.
    kernel, stride, dilation : int
    before, after : int
        How many values are added in front and behind.
    number : int
        How many windows there are.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int
    number: int

    @property
    def extent(self) -> int:
        """The values from the first of a window to the last."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def excess(self) -> int:
        """The values behind the axis that the last window covers."""
        return max((self.number - 1) * self.stride + self.extent - self.size - self.before, 0)

    @property
    def is_valid(self) -> bool:
        """Whether no window reaches over an end."""
        return self.before == 0 and self.excess == 0

    @property
    def is_same(self) -> bool:
        """Whether they are those of Keras's "same"."""
        number = -(-self.size // self.stride)
        before = max((number - 1) * self.stride + self.extent - self.size, 0) // 2
        return (self.number, self.before) == (number, before)


def image_of(steps: Steps, node: Any, flow: Flow) -> Flow:
    """Return a flow of images or sequences with their channels last."""
    rank = len(flow.view)
    if rank not in (2, 3):
        raise refusal(node, f"of samples of shape {flow.view}; those of images have 3 dimensions and of sequences 2")
    return steps.arranged(flow, channels_last(rank))


def image_result(sizes: Sequence[int], channels: int) -> Layout:
    """Return the layout of images or sequences with their channels last that the graph sees first."""
    return Layout.ordered((channels, *sizes), channels_last(len(sizes) + 1))


def framing(added: Sequence[Pair]) -> list[Piece]:
    """Return what adds zeros to both ends of every axis, or cuts values off where they are negative."""
    pieces: list[Piece] = []
    kinds = [(layers.Cropping1D, layers.Cropping2D), (layers.ZeroPadding1D, layers.ZeroPadding2D)]
    for name, sign, kind in zip(("cropping", "padding"), (-1, 1), kinds, strict=True):
        pairs = tuple((max(sign * before, 0), max(sign * after, 0)) for before, after in added)
        if any(map(any, pairs)):
            pieces.append(Plain(kind[len(pairs) - 1], {name: pairs if len(pairs) > 1 else pairs[0]}))
    return pieces


def _integers(node: Any, attributes: dict[str, Any], name: str, default: Sequence[int], minimum: int) -> list[int]:
    values = [int(value) for value in attributes.get(name, default)]
    if len(values) != len(default) or min(values) < minimum:
        raise ValueError(f"node {node.name!r} has {name} of {values}; it must be {len(default)} integers")
    return values


def _windows(
    node: Any, attributes: dict[str, Any], sizes: Sequence[int], kernel: Sequence[int], ceil: bool = False
) -> list[_Windows]:
    rank = len(sizes)
    given = _integers(node, attributes, "kernel_shape", kernel, 1)
    if given != list(kernel):
        raise ValueError(f"node {node.name!r} has a kernel_shape of {given} and a kernel of {list(kernel)}")
    strides = _integers(node, attributes, "strides", [1] * rank, 1)
    dilations = _integers(node, attributes, "dilations", [1] * rank, 1)
    pads = _integers(node, attributes, "pads", [0] * (2 * rank), 0)
    auto = attributes.get("auto_pad", b"NOTSET")
    if auto not in (b"NOTSET", b"VALID", b"SAME_UPPER", b"SAME_LOWER") or (ceil and auto != b"NOTSET"):
        raise refusal(node, f"with auto_pad={auto.decode()}")
    result = []
    for axis, (size, length, stride, dilation) in enumerate(zip(sizes, kernel, strides, dilations, strict=True)):
        extent = (length - 1) * dilation + 1
        before, after = (pads[axis], pads[axis + rank]) if auto == b"NOTSET" else (0, 0)
        if auto in (b"SAME_UPPER", b"SAME_LOWER"):
            total = max((-(-size // stride) - 1) * stride + extent - size, 0)
            before = (total + (auto == b"SAME_LOWER")) // 2
            after = total - before
        number = (size + before + after - extent + (stride - 1 if ceil else 0)) // stride + 1
        if ceil and (number - 1) * stride >= size + before:
            number -= 1  # a window begins inside, or in the padding before
        if number < 1:
            raise ValueError(f"node {node.name!r} has windows of {extent} values for {size}")
        one = _Windows(size, length, stride, 1 if length == 1 else dilation, before, after, number)
        result.append(one)
    return result


# ---- Convolutions ---------------------------------------------------------------------------------------------------


def _kernel(steps: Steps, node: Any, flow: Flow, inputs: Sequence[Any]) -> tuple[Array, Array | None]:
    kernel, bias = inputs[1], inputs[2] if len(inputs) > 2 else None
    if not is_constant(kernel) or not (bias is None or is_constant(bias)):
        raise refusal(node, "with weights that are computed")
    if kernel.ndim != len(flow.view) + 1:
        raise ValueError(f"node {node.name!r} has a kernel of shape {kernel.shape} for samples of shape {flow.view}")
    steps.dtypes.add(kernel.dtype)
    return kernel, bias


def _check_bias(node: Any, bias: Array | None, filters: int) -> None:
    if bias is not None and bias.shape != (filters,):
        raise ValueError(f"node {node.name!r} has a bias of shape {bias.shape} for {filters} channels")


def _arguments(node: Any, windows: Sequence[_Windows]) -> dict[str, Any]:
    strides, dilations = [tuple(getattr(one, name) for one in windows) for name in ("stride", "dilation")]
    if max(strides) > 1 and max(dilations) > 1:
        raise refusal(node, f"with strides of {strides} and dilations of {dilations}")
    return {"kernel_size": tuple(one.kernel for one in windows), "strides": strides, "dilation_rate": dilations}


def _conv(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow = image_of(steps, node, inputs[0])
    kernel, bias = _kernel(steps, node, flow, inputs)
    filters, channels, groups = kernel.shape[0], flow.shape[-1], attributes.get("group", 1)
    if groups < 1 or kernel.shape[1] * groups != channels or filters % groups:
        raise ValueError(
            f"node {node.name!r} has a kernel of shape {kernel.shape} and {groups} groups for {channels} channels"
        )
    _check_bias(node, bias, filters)
    windows = _windows(node, attributes, flow.shape[:-1], kernel.shape[2:])
    arguments = _arguments(node, windows)
    frame: list[Piece] = []
    if all(one.is_valid for one in windows):
        arguments["padding"] = "valid"
    elif all(one.is_same for one in windows):
        arguments["padding"] = "same"
    else:
        frame = framing([(one.before, one.excess) for one in windows])
    own = kernel.transpose(*range(2, kernel.ndim), 1, 0)
    if groups == channels > 1 and len(windows) == 2:
        own = own.reshape(*own.shape[:2], channels, filters // channels)
        convolution = Product(own, bias, layers.DepthwiseConv2D, {**arguments, "depth_multiplier": own.shape[-1]})
    else:
        kind = layers.Conv2D if len(windows) == 2 else layers.Conv1D
        convolution = Product(own, bias, kind, {**arguments, "filters": filters, "groups": groups})
    return steps.then(flow, image_result([one.number for one in windows], filters), *frame, convolution)


def _conv_transpose(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow = image_of(steps, node, inputs[0])
    kernel, bias = _kernel(steps, node, flow, inputs)
    if attributes.get("group", 1) != 1:
        raise refusal(node, f"with {attributes['group']} groups, of which a transposed convolution has one in fastnet")
    if "output_shape" in attributes:
        raise refusal(node, f"with an output_shape of {attributes['output_shape']}: pads and output_padding are read")
    sizes, rank = flow.shape[:-1], len(flow.shape) - 1
    if kernel.shape[0] != flow.shape[-1]:
        raise ValueError(f"node {node.name!r} has a kernel of shape {kernel.shape} for {flow.shape[-1]} channels")
    auto = attributes.get("auto_pad", b"NOTSET")
    if auto not in (b"NOTSET", b"VALID"):
        raise refusal(node, f"with auto_pad={auto.decode()}")
    _check_bias(node, bias, kernel.shape[1])
    frameless = {name: value for name, value in attributes.items() if name not in ("auto_pad", "pads")}
    extents = [
        (length - 1) * d + 1
        for length, d in zip(kernel.shape[2:], attributes.get("dilations", [1] * rank), strict=True)
    ]
    windows = _windows(node, frameless, extents, kernel.shape[2:])  # of one value of the input each
    pads = _integers(node, attributes if auto == b"NOTSET" else {}, "pads", [0] * (2 * rank), 0)
    more = _integers(node, attributes, "output_padding", [0] * rank, 0)
    arguments = _arguments(node, windows)
    full = [(n - 1) * one.stride + one.extent + m for n, one, m in zip(sizes, windows, more, strict=True)]
    cut = list(zip(pads[:rank], pads[rank:], strict=True))
    numbers = [size - before - after for size, (before, after) in zip(full, cut, strict=True)]
    if min(numbers) < 1:
        raise ValueError(f"node {node.name!r} would make samples of shape {numbers}")
    pairs = [of_both_axes(arguments[name]) for name in ("kernel_size", "strides", "dilation_rate")]
    image = Image(*of_both_axes(tuple(sizes)), flow.shape[-1])
    same = transposed_windows_of(image, "same", (None, None), *pairs)[2 - rank :]
    if [tuple(one) for one in same] == [(number, before) for number, (before, _) in zip(numbers, cut, strict=True)]:
        arguments["padding"], frame = "same", list[Piece]()
    elif any(m >= one.stride for m, one in zip(more, windows, strict=True)):
        raise refusal(node, f"with an output_padding of {more}, which must be less than the strides")
    else:
        arguments["output_padding"] = tuple(more)
        frame = framing([(-before, -after) for before, after in cut])
    own = kernel.transpose(*range(2, kernel.ndim), 1, 0)
    kind = layers.Conv2DTranspose if rank == 2 else layers.Conv1DTranspose
    product = Product(own, bias, kind, {**arguments, "filters": kernel.shape[1]})
    return steps.then(flow, image_result(numbers, kernel.shape[1]), product, *frame)


# ---- Poolings -------------------------------------------------------------------------------------------------------

_POOLINGS = {
    "AveragePool": (layers.AveragePooling1D, layers.AveragePooling2D),
    "MaxPool": (layers.MaxPooling1D, layers.MaxPooling2D),
}


def _pool(steps: Steps, node: Any, attributes: dict[str, Any], inputs: Sequence[Any]) -> Flow:
    flow = image_of(steps, node, inputs[0])
    sizes, channels = flow.shape[:-1], flow.shape[-1]
    length = _integers(node, attributes, "kernel_shape", [1] * len(sizes), 1)
    windows = _windows(node, attributes, sizes, length, bool(attributes.get("ceil_mode")))
    if any(one.dilation > 1 for one in windows):
        raise refusal(node, "with dilations")
    includes_zeros = node.op_type == "AveragePool" and bool(attributes.get("count_include_pad"))
    if includes_zeros and any(one.excess > one.after for one in windows):
        raise refusal(node, "with ceil_mode and count_include_pad")
    chain = settle(flow, steps.budget)
    zeros_are_least = node.op_type == "MaxPool" and _is_never_negative(chain)
    pieces = _pooling(_POOLINGS[node.op_type], windows, pads_with_zeros=includes_zeros or zeros_are_least)
    if pieces is None:
        raise refusal(node, f"with pads of {attributes.get('pads')}: other values than Keras's padding adds")
    return steps.then(flow, image_result([one.number for one in windows], channels), *pieces)


def _pooling(
    kinds: tuple[type[layers.Layer], ...], windows: Sequence[_Windows], pads_with_zeros: bool
) -> list[Piece] | None:
    """Return the layers that pool such windows; None where there are none."""
    kind = kinds[len(windows) - 1]
    arguments = {"pool_size": tuple(one.kernel for one in windows), "strides": tuple(one.stride for one in windows)}
    if all(one.is_valid for one in windows):
        return [Plain(kind, {**arguments, "padding": "valid"})]
    if pads_with_zeros:
        return [*framing([(one.before, one.excess) for one in windows]), Plain(kind, arguments)]
    if all(one.is_same for one in windows):
        return [Plain(kind, {**arguments, "padding": "same"})]
    # With a stride of 1 "same" has a window around every value. Those that are wanted are among them.
    first = [(one.kernel - 1) // 2 - one.before for one in windows]
    last = [start + (one.number - 1) * one.stride for start, one in zip(first, windows, strict=True)]
    if min(first) < 0 or any(place >= one.size for place, one in zip(last, windows, strict=True)):
        return None
    ones = (1,) * len(windows)
    cut = [(-start, place + 1 - one.size) for start, place, one in zip(first, last, windows, strict=True)]
    every = Plain(kind, {**arguments, "strides": ones, "padding": "same"})
    return [every, *framing(cut), Plain(kind, {**arguments, "pool_size": ones})]


_KEEPING_SIGNS = (layers.MaxPooling1D, layers.MaxPooling2D, layers.AveragePooling1D, layers.AveragePooling2D)


def _is_never_negative(chain: Sequence[Piece]) -> bool:
    """Return whether the values that a chain ends in are at least 0, as behind a rectifier."""
    for piece in reversed(chain):
        match piece:
            case Activating(function=function):
                return ACTIVATIONS[function.name].range[0] >= 0.0
            case Plain(layer=kind) if kind in _KEEPING_SIGNS:
                continue
            case _:
                return False
    return False


WINDOW_OPERATORS = {"AveragePool": _pool, "Conv": _conv, "ConvTranspose": _conv_transpose, "MaxPool": _pool}

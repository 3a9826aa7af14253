"""Layers of images and sequences as modules of PyTorch, whose channels come first."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet.interchange.torch.module import TorchModule, no_counterpart
from fastnet.layers.base import Layer
from fastnet.layers.geometry import ImageLayer

__all__ = ["image_modules", "pads", "pointwise"]

Array = NDArray[Any]
Description = Mapping[str, Any]


def image_modules(layer: ImageLayer, own: dict[str, Array]) -> list[TorchModule]:
    """Return the modules of a layer in a built model, without its activation.

    Parameters
    ----------
    layer : ImageLayer
    own : dict from str to ndarray
        Its weights, and perhaps a bias that the layer does not have.

    Raises
    ------
    NotImplementedError
        PyTorch has no module for it.
    """
    modules: list[TorchModule] = []
    descriptions = list(layer.descriptions(layer.input_shape or ()))
    for names, description in descriptions:
        weights = [own[name] for name in (own if len(descriptions) == 1 else names)]
        axes = _axes(description, layer.rank)
        match description["type"]:
            case "conv2d":
                modules += _convolution(layer, description, axes, weights)
            case "conv2d_transpose":
                modules += _transposed(layer, description, axes, weights)
            case "max_pooling2d" | "average_pooling2d":
                modules += _pooling(layer, axes, description["type"] == "max_pooling2d")
            case "padding2d" | "random_crop":
                sides = [(axis.before, axis.number - axis.size - axis.before) for axis in axes]
                modules.append(TorchModule(f"ZeroPad{layer.rank}d({_frame(sides)})"))
            case "upsampling2d":
                factors = (description["factor_height"], description["factor_width"])[-layer.rank :]
                mode = "bilinear" if description["bilinear"] else "nearest-exact"
                modules.append(TorchModule(f"Upsample(scale_factor={_sizes(factors)}, mode={mode!r})"))
            case "spatial_dropout":
                modules.append(TorchModule(f"Dropout{layer.rank}d({description['rate']!r})"))
            case _:
                raise no_counterpart(layer, f"torch.nn.Sequential has nothing like {type(layer).__name__}")
    if len(layer.output_shape or ()) == 1:
        modules.append(TorchModule("Flatten()"))
    return modules


class _Axis(NamedTuple):
    """One axis of an image, the windows along it, and how many of them there are."""

    size: int
    window: int
    stride: int
    dilation: int
    before: int
    number: int

    @property
    def extent(self) -> int:
        return (self.window - 1) * self.dilation + 1

    @property
    def sides(self) -> tuple[int, int]:
        """How far windows reach over both ends."""
        return self.before, max((self.number - 1) * self.stride + self.extent - self.size - self.before, 0)


_BEFORE = {"height": "top", "width": "left"}


def _axes(description: Description, rank: int) -> list[_Axis]:
    """Return the axes in a description for the core; a sequence has the width alone."""
    return [
        _Axis(
            description.get(name, 1),
            description.get(f"kernel_{name}", description.get(f"pool_{name}", 1)),
            description.get(f"stride_{name}", 1),
            description.get(f"dilation_{name}", 1),
            description.get(_BEFORE[name], 0),
            description.get(f"output_{name}", 1),
        )
        for name in ["height", "width"][-rank:]
    ]


# ---- Convolutions ---------------------------------------------------------------------------------------------------


def pads(layer: ImageLayer) -> bool:
    """Return whether windows of a layer reach over an end."""
    descriptions = layer.descriptions(layer.input_shape or ())
    return any(max(axis.sides) > 0 for _, description in descriptions for axis in _axes(description, layer.rank))


def pointwise(kernel: Array, bias: Sequence[Array], rank: int) -> TorchModule:
    """Return a `Dense` layer of every position as a convolution whose window is one value."""
    weight = np.ascontiguousarray(kernel.T).reshape(*kernel.T.shape, *(1,) * rank)
    return TorchModule(_code(f"Conv{rank}d", *kernel.shape, 1, bias=bool(bias)), _arrays(weight, bias))


def _convolution(
    layer: ImageLayer, description: Description, axes: list[_Axis], weights: list[Array]
) -> list[TorchModule]:
    kernel, *bias = weights
    filters, groups = description["filters"], description["groups"]
    kernel = kernel.reshape(*(axis.window for axis in axes), -1, filters)  # that of channels by themselves as of groups
    padding, before = _padding(axes)
    code = _code(
        f"Conv{layer.rank}d",
        description["channels"],
        filters,
        tuple(axis.window for axis in axes),
        stride=tuple(axis.stride for axis in axes),
        padding=padding,
        dilation=tuple(axis.dilation for axis in axes),
        groups=groups,
        bias=bool(bias),
    )
    return [*before, TorchModule(code, _arrays(_weight(kernel), bias))]


def _transposed(
    layer: ImageLayer, description: Description, axes: list[_Axis], weights: list[Array]
) -> list[TorchModule]:
    """Return a transposed convolution that cuts off the same at both ends, and what cuts off the rest."""
    kernel, *bias = weights
    missing = [axis.number - ((axis.size - 1) * axis.stride + axis.extent - 2 * axis.before) for axis in axes]
    code = _code(
        f"ConvTranspose{layer.rank}d",
        description["channels"],
        description["filters"],
        tuple(axis.window for axis in axes),
        stride=tuple(axis.stride for axis in axes),
        padding=tuple(axis.before for axis in axes),
        output_padding=tuple(max(number, 0) for number in missing),
        dilation=tuple(axis.dilation for axis in axes),
        bias=bool(bias),
    )
    modules = [TorchModule(code, _arrays(_weight(kernel), bias))]
    if min(missing) < 0:
        modules.append(TorchModule(f"ZeroPad{layer.rank}d({_frame([(0, min(number, 0)) for number in missing])})"))
    return modules


def _weight(kernel: Array) -> Array:
    """Return a kernel in PyTorch's layout, where the last axis comes first and the one before it second."""
    return np.ascontiguousarray(np.moveaxis(kernel, (-1, -2), (0, 1)))


def _arrays(weight: Array, bias: Sequence[Array]) -> dict[str, Array]:
    return {"weight": weight, **dict(zip(["bias"], bias, strict=False))}


# ---- Pooling --------------------------------------------------------------------------------------------------------


def _pooling(layer: Layer, axes: list[_Axis], largest: bool) -> list[TorchModule]:
    """Return the pooling; means leave out what is around an image."""
    kind, rank = "Max" if largest else "Avg", len(axes)
    if all(axis.number == 1 and axis.window == axis.size and not axis.before for axis in axes):
        return [TorchModule(f"Adaptive{kind}Pool{rank}d(1)")]
    window, stride = tuple(axis.window for axis in axes), tuple(axis.stride for axis in axes)
    if largest:
        padding, before = _padding(axes, "float('-inf')")
        return [*before, TorchModule(_code(f"MaxPool{rank}d", window, stride=stride, padding=padding))]
    uneven = [axis for axis in axes if axis.sides[0] != axis.sides[1]]
    if any(axis.stride == 1 for axis in uneven):
        raise no_counterpart(layer, "PyTorch takes means over as much at both ends of an image")
    settings: dict[str, Any] = {"stride": stride, "padding": tuple(axis.before for axis in axes)}
    settings |= {"ceil_mode": True} if uneven else {}  # one more window, which reaches over the end
    settings |= {"count_include_pad": False} if any(max(axis.sides) for axis in axes) else {}
    return [TorchModule(_code(f"AvgPool{rank}d", window, **settings))]


# ---- Code -----------------------------------------------------------------------------------------------------------


def _padding(axes: list[_Axis], value: str = "") -> tuple[Any, list[TorchModule]]:
    """Return the argument `padding`, and the module in front where both ends differ."""
    sides = [axis.sides for axis in axes]
    if all(first == last for first, last in sides):
        return tuple(first for first, _ in sides), []
    kind, more = ("ConstantPad", f", {value}") if value else ("ZeroPad", "")
    return 0, [TorchModule(f"{kind}{len(axes)}d({_frame(sides)}{more})")]


def _frame(sides: Sequence[tuple[int, int]]) -> str:
    """Return the code of numbers at both ends of every axis, the last axis first."""
    return repr(tuple(number for pair in reversed(sides) for number in pair))


_DEFAULTS = {"padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "bias": True}


def _code(kind: str, *arguments: Any, **settings: Any) -> str:
    """Return the call that makes a module, without arguments that have their default."""
    stride = 1 if kind.startswith("Conv") else arguments[0]  # that of a pooling is the size of its window
    defaults = {**_DEFAULTS, "stride": stride}
    given = {name: value for name, value in settings.items() if _sizes(value) != _sizes(defaults.get(name))}
    return (
        f"{kind}({', '.join([*map(_sizes, arguments), *(f'{name}={_sizes(value)}' for name, value in given.items())])})"
    )


def _sizes(value: Any) -> str:
    """Return the code of an argument: of sizes that are all the same, one number."""
    return repr(value[0] if isinstance(value, tuple) and len(set(value)) == 1 else value)

"""The layers for the modules of a ``torch.nn.Sequential`` whose arguments are known."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet import layers
from fastnet.interchange.parts import Parts
from fastnet.interchange.torch.calls import Call
from fastnet.interchange.torch.functions import FUNCTIONS
from fastnet.interchange.torch.made import Made
from fastnet.interchange.torch.sample import Sample
from fastnet.interchange.torch.windows import convolved, framed, pooled, resized, transposed
from fastnet.layers.base import Shape

__all__ = ["network_parts"]

Array = NDArray[Any]
_HARMLESS = 1 << 22  # values of a sample whose order is written down
_FRAMED = "padding with minus infinity is read in front of MaxPool alone"


def network_parts(
    calls: Sequence[Call], tensors: Mapping[str, Array], input_shape: Shape | None, dtype: DTypeLike | None
) -> Parts:
    """Return the parts of the model of modules.

    Parameters
    ----------
    calls : list of Call
    tensors : dict from str to ndarray
        The state dict.
    input_shape : tuple of int or None
        The shape of one sample, channels last; None where the first modules tell.
    dtype : dtype or None
        That of the model; None for that of the tensors.

    Raises
    ------
    ValueError, NotImplementedError
        A module or a tensor is not understood, or does not fit; the message names it.
    """
    if not calls:
        raise ValueError("the torch.nn.Sequential has no modules")
    every = [*_with_those_inside(calls)]
    first = any(call.kind in _OF_IMAGES for call in every)
    input_shape = input_shape or _row(every, first)
    used: set[str] = set()
    made = _read(calls, _Reader(tensors, first, input_shape, used))
    for tensor in tensors.keys() - used:
        raise ValueError(f"tensor {tensor!r} belongs to none of the modules")
    if dtype is None:
        dtype = "float64" if tensors and all(array.dtype.itemsize >= 8 for array in tensors.values()) else "float32"
    return Parts(input_shape, made.layers(), dtype)


def _with_those_inside(calls: Sequence[Call]) -> Iterator[Call]:
    for call in calls:
        yield call
        if call.kind == "Residual":
            yield from _with_those_inside([*call.arguments["body"], *call.arguments["shortcut"]])


def _read(calls: Sequence[Call], reader: "_Reader") -> Made:
    """Return the layers for modules in a row."""
    for call in calls:
        with _naming(call):
            reader.prepare(call)
        if call.kind == "Residual":
            body, shortcut = (_read(call.arguments[part], reader.inside()) for part in ("body", "shortcut"))
            with _naming(call):
                reader.sample.made.add_block(body, shortcut)
        else:
            with _naming(call):
                reader.add(call)
    reader.finish()
    return reader.sample.made


@contextmanager
def _naming(call: Call) -> Iterator[None]:
    """Let errors name a module."""
    try:
        yield
    except NotImplementedError as error:
        raise NotImplementedError(f"{call}: {str(error).removeprefix('fastnet: ')}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:  # arguments of other types
        raise ValueError(f"{call}: {error}") from error


def _row(calls: Sequence[Call], first: bool) -> Shape:
    """Return the shape of a sample of a network that takes rows."""
    sizes = {"Linear": "in_features", "BatchNorm1d": "num_features", "LayerNorm": "normalized_shape"}
    found = [call.arguments[sizes[call.kind]] for call in calls if call.kind in sizes]
    if first or not found or any(call.kind in ("Flatten", "Unflatten", "Permute") for call in calls):
        raise ValueError(
            "input_shape is needed: the shape of one sample as fastnet takes it, channels last, such as (28, 28, 1)"
        )
    return (math.prod(found[0]) if isinstance(found[0], tuple) else found[0],)


class _Reader:
    """Makes layers of modules in a row.

    Where a module takes images or sequences, channels come first in PyTorch and last in fastnet.
    """

    def __init__(self, tensors: Mapping[str, Array], first: bool, shape: Shape, used: set[str]) -> None:
        self.sample = Sample(shape, first)
        self._tensors = tensors
        self._first = first
        self._used = used

    def prepare(self, call: Call) -> None:
        """Add what must lie in front of a module."""
        if self.made.frame is not None and call.kind not in ("MaxPool1d", "MaxPool2d"):
            raise NotImplementedError(_FRAMED)
        if call.kind != "Permute":
            self.sample.reshape()
        if call.kind not in _OF_ANY_AXES:
            self.sample.settle()
        if call.kind == "Residual":
            self.sample.restore_order()

    def inside(self) -> "_Reader":
        """Return a reader of modules that begin with the sample here."""
        reader = _Reader(self._tensors, self._first, self.shape, self._used)
        reader.made.is_positive = self.made.is_positive
        return reader

    def add(self, call: Call) -> None:
        """Add the layers for a module."""
        if call.kind in _READERS:
            _READERS[call.kind](self, call)
        else:
            self._activation(call)

    def finish(self) -> None:
        """Add what must lie behind the modules: the sample is fastnet's as PyTorch's is PyTorch's."""
        if self.made.frame is not None:
            raise NotImplementedError(_FRAMED)
        self.sample.reshape()
        self.sample.settle()
        self.sample.restore_order()

    # ---- Helpers ----

    @property
    def made(self) -> Made:
        return self.sample.made

    @property
    def shape(self) -> Shape:
        return self.sample.shape

    def _tensor(self, call: Call, leaf: str, shape: Shape) -> Array:
        name = f"{call.name}.{leaf}"
        if name not in self._tensors:
            raise ValueError(f"tensor {name!r} is missing")
        if self._tensors[name].shape != shape:
            raise ValueError(f"tensor {name!r} must have shape {shape}; got {self._tensors[name].shape}")
        self._used.add(name)
        return self._tensors[name]

    def _bias(self, call: Call, size: int) -> list[Array]:
        return [self._tensor(call, "bias", (size,))] if call.arguments["bias"] else []

    def _image(self, rank: int) -> Shape:
        """Return the shape of the sample, which must be an image or a sequence."""
        if len(self.shape) != rank + 1:
            shape = "(height, width, channels)" if rank == 2 else "(steps, channels)"
            raise ValueError(f"it takes samples of shape {shape}; got {self.shape} of the modules before it")
        return self.shape

    def _expect(self, call: Call, **values: Any) -> None:
        for name, value in values.items():
            if call.arguments[name] != value:
                raise NotImplementedError(f"{name}={call.arguments[name]!r} is not available, only {value!r}")

    # ---- Modules with products ----

    def linear(self, call: Call) -> None:
        inputs, units = call.arguments["in_features"], call.arguments["out_features"]
        if self.sample.last_size != inputs:
            raise ValueError(f"it takes rows of {inputs} values; got samples of shape {self.shape}: a Flatten may lack")
        self.sample.put_last_axis_last()
        kernel = self.sample.in_order(self._tensor(call, "weight", (units, inputs)).T)
        bias = self._bias(call, units)
        self.made.add(layers.Dense, {"units": units, "use_bias": bool(bias)}, [kernel, *bias])
        self.sample.forget_order()

    def convolution(self, call: Call) -> None:
        self._expect(call, padding_mode="zeros")
        self._image(call.rank)
        channels, filters, groups = (call.arguments[name] for name in ("in_channels", "out_channels", "groups"))
        window = call.sizes("kernel_size")
        if channels % groups or channels != self.shape[-1]:
            raise ValueError(f"it takes {channels} channels in {groups} groups; got samples of shape {self.shape}")
        weight = self._tensor(call, "weight", (filters, channels // groups, *window))
        convolved(self.made, call, weight, self._bias(call, filters))

    def transposed(self, call: Call) -> None:
        self._expect(call, padding_mode="zeros", groups=1)
        self._image(call.rank)
        channels, filters = call.arguments["in_channels"], call.arguments["out_channels"]
        weight = self._tensor(call, "weight", (channels, filters, *call.sizes("kernel_size")))
        transposed(self.made, call, weight, self._bias(call, filters))

    # ---- Normalization ----

    def batch_normalization(self, call: Call) -> None:
        size = call.arguments["num_features"]
        self._expect(call, track_running_stats=True)
        ranks = (2,) if call.kind == "BatchNorm2d" else (0, 1)
        if self.shape[-1] != size or len(self.shape) - 1 not in ranks or (len(self.shape) > 1 and not self._first):
            raise ValueError(f"it takes {size} features; got samples of shape {self.shape}")
        affine = call.arguments["affine"]
        names = [*(["weight", "bias"] if affine else []), "running_mean", "running_var"]
        momentum = call.arguments["momentum"]
        arguments = {
            "momentum": 0.9 if momentum is None else 1.0 - momentum,
            "epsilon": call.arguments["eps"],
            "center": affine,
            "scale": affine,
        }
        arrays = [self.sample.in_order(self._tensor(call, name, (size,))) for name in names]
        self.made.add(layers.BatchNormalization, arguments, arrays)

    def layer_normalization(self, call: Call) -> None:
        given = call.arguments["normalized_shape"]
        size = self.sample.last_size
        if given not in (size, (size,)):
            raise NotImplementedError(
                f"it normalizes {given}; only the last axis is available, which has {size} values"
            )
        self.sample.put_last_axis_last()
        affine = call.arguments["elementwise_affine"]
        biased = affine and call.arguments["bias"]
        names = [name for name, there in {"weight": affine, "bias": biased}.items() if there]
        arrays = [self.sample.in_order(self._tensor(call, name, self.shape[-1:])) for name in names]
        arguments = {"epsilon": call.arguments["eps"], "scale": affine, "center": biased}
        self.made.add(layers.LayerNormalization, arguments, arrays)

    def prelu(self, call: Call) -> None:
        size = call.arguments["num_parameters"]
        if size not in (1, self.shape[-1]) or (len(self.shape) > 1 and not self._first):
            raise ValueError(f"it has {size} slopes; got samples of shape {self.shape}")
        slopes = np.broadcast_to(self._tensor(call, "weight", (size,)), self.shape[-1:])
        shared = list(range(1, len(self.shape)))
        alpha = self.sample.in_order(slopes).reshape(*(1 for _ in shared), -1)
        self.made.add(layers.PReLU, {"shared_axes": shared} if shared else {}, [alpha])

    # ---- Modules without tensors ----

    def pooling(self, call: Call) -> None:
        self._image(call.rank)
        pooled(self.made, call)

    def resizing(self, call: Call) -> None:
        self._image(call.rank if call.kind != "Upsample" else len(self.shape) - 1)
        (resized if call.kind == "Upsample" else framed)(self.made, call)

    def dropout(self, call: Call) -> None:
        rank = "" if call.kind == "Dropout" else f"{call.rank}D"
        if rank:
            self._image(call.rank)
        kind = getattr(layers, f"SpatialDropout{rank}" if rank else "Dropout")
        self.made.add(kind, {"rate": call.arguments["p"]}, [])

    def identity(self, call: Call) -> None:
        del call

    def flatten(self, call: Call) -> None:
        self._expect(call, start_dim=1)
        if call.arguments["end_dim"] not in (-1, len(self.shape)):
            raise NotImplementedError(f"end_dim={call.arguments['end_dim']!r} is not available, only -1")
        largest = max(_HARMLESS, sum(array.size for array in self._tensors.values()))
        if math.prod(self.shape) > largest:
            raise ValueError(f"it flattens samples of shape {self.shape}, more than the tensors account for")
        self.sample.flatten()

    def unflatten(self, call: Call) -> None:
        self._expect(call, dim=1)
        given = call.arguments["unflattened_size"]
        self.sample.unflatten(given if isinstance(given, tuple) else (given,))

    def permutation(self, call: Call) -> None:
        dims = call.arguments["dims"]
        if sorted(dims) != list(range(len(dims))) or dims[:1] != (0,) or len(dims) != 1 + self.sample.rank:
            raise ValueError(f"it puts axes {dims} into order; got samples of shape {self.shape} in a batch, axis 0")
        self.sample.permute(tuple(dim - 1 for dim in dims[1:]))

    def _activation(self, call: Call) -> None:
        by_row = call.kind in ("Softmax", "LogSoftmax")
        arguments = {name: value for name, value in call.arguments.items() if name != "inplace"}
        if by_row:
            rank = len(self.shape)
            channels = 1 + self.sample.axes.index(rank - 1)
            known = (channels, channels - 1 - rank, *([None] if rank in (1, 3) and channels == 1 else []))
            if arguments["dim"] not in known:
                raise NotImplementedError(f"dim={arguments['dim']!r} is not available, only the channels, {channels}")
            arguments["dim"] = -1
        self.made.activate(FUNCTIONS[call.kind](arguments))


_READERS: dict[str, Callable[[_Reader, Call], None]] = {
    "Linear": _Reader.linear,
    "LayerNorm": _Reader.layer_normalization,
    "PReLU": _Reader.prelu,
    "Dropout": _Reader.dropout,
    "Identity": _Reader.identity,
    "Flatten": _Reader.flatten,
    "Unflatten": _Reader.unflatten,
    "Permute": _Reader.permutation,
    "Upsample": _Reader.resizing,
    "BatchNorm1d": _Reader.batch_normalization,
    "BatchNorm2d": _Reader.batch_normalization,
    **{f"Conv{rank}d": _Reader.convolution for rank in (1, 2)},
    **{f"ConvTranspose{rank}d": _Reader.transposed for rank in (1, 2)},
    **{
        f"{kind}Pool{rank}d": _Reader.pooling
        for kind in ("Max", "Avg", "AdaptiveMax", "AdaptiveAvg")
        for rank in (1, 2)
    },
    **{f"{kind}Pad{rank}d": _Reader.resizing for kind in ("Zero", "Constant") for rank in (1, 2)},
    **{f"Dropout{rank}d": _Reader.dropout for rank in (1, 2)},
}
_OF_ANY_AXES = {"Permute", "Flatten", "Linear", "LayerNorm", "Dropout", "Identity", *FUNCTIONS}
_OF_IMAGES = frozenset(kind for kind in _READERS if kind[-1] == "d" and kind[-2].isdigit()) - {"BatchNorm1d"} | {
    "Upsample"
}

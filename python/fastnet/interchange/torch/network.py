"""The layers for the modules of a ``torch.nn.Sequential`` whose arguments are known."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnet import layers
from fastnet.functional.activations.table import ACTIVATIONS
from fastnet.interchange.parts import Parts
from fastnet.interchange.torch.calls import Call, calls_in_code
from fastnet.interchange.torch.layout import order_of
from fastnet.interchange.torch.made import Made
from fastnet.interchange.torch.windows import convolved, framed, pooled, resized, transposed
from fastnet.layers.base import Shape
from fastnet.layers.functions import ActivationFunction

__all__ = ["network_parts"]

Array = NDArray[Any]
_HARMLESS = 1 << 22  # values of a sample whose order is written down


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
    first = any(call.kind in _OF_IMAGES for call in calls)
    reader = _Reader(tensors, first, input_shape or _row(calls, first))
    for call in calls:
        try:
            reader.add(call)
        except NotImplementedError as error:
            raise NotImplementedError(f"{call}: {str(error).removeprefix('fastnet: ')}") from error
        except (
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:  # arguments of other types
            raise ValueError(f"{call}: {error}") from error
    for tensor in tensors.keys() - reader.used:
        raise ValueError(f"tensor {tensor!r} belongs to none of the modules")
    made = reader.finish()
    if dtype is None:
        dtype = "float64" if tensors and all(array.dtype.itemsize >= 8 for array in tensors.values()) else "float32"
    return Parts(reader.input_shape, made, dtype)


def _row(calls: Sequence[Call], first: bool) -> Shape:
    """Return the shape of a sample of a network that takes rows."""
    sizes = {"Linear": "in_features", "BatchNorm1d": "num_features", "LayerNorm": "normalized_shape"}
    found = [call.arguments[sizes[call.kind]] for call in calls if call.kind in sizes]
    if first or not found or any(call.kind in ("Flatten", "Unflatten") for call in calls):
        raise ValueError(
            "input_shape is needed: the shape of one sample as fastnet takes it, channels last, such as (28, 28, 1)"
        )
    return (math.prod(found[0]) if isinstance(found[0], tuple) else found[0],)


class _Reader:
    """The layers so far, and how the sample behind them lies in PyTorch.

    Where a module takes images or sequences, channels come first in PyTorch and last in fastnet.
    """

    def __init__(self, tensors: Mapping[str, Array], first: bool, input_shape: Shape) -> None:
        self.input_shape = input_shape
        self.made = Made(input_shape)
        self.used: set[str] = set()
        self._tensors = tensors
        self._first = first
        self._order: NDArray[np.intp] | None = None  # which value of a row is at each place in PyTorch; None: the same

    def add(self, call: Call) -> None:
        """Add the layers for a module."""
        if self.made.frame is not None and call.kind not in ("MaxPool1d", "MaxPool2d"):
            raise NotImplementedError("padding with minus infinity is read in front of MaxPool alone")
        if call.kind in _READERS:
            _READERS[call.kind](self, call)
        else:
            self._activation(call)

    def finish(self) -> list[layers.Layer]:
        """Return the layers with their weights."""
        if self.made.frame is not None:
            raise NotImplementedError("padding with minus infinity is read in front of MaxPool alone")
        if self._order is not None:
            raise NotImplementedError(
                "the network ends in a flattened image, whose values have another order in fastnet: leave out the last Flatten"
            )
        return self.made.layers()

    # ---- Helpers ----

    @property
    def shape(self) -> Shape:
        return self.made.shape

    def _tensor(self, call: Call, leaf: str, shape: Shape) -> Array:
        name = f"{call.name}.{leaf}"
        if name not in self._tensors:
            raise ValueError(f"tensor {name!r} is missing")
        if self._tensors[name].shape != shape:
            raise ValueError(f"tensor {name!r} must have shape {shape}; got {self._tensors[name].shape}")
        self.used.add(name)
        return self._tensors[name]

    def _bias(self, call: Call, size: int) -> list[Array]:
        return [self._tensor(call, "bias", (size,))] if call.arguments["bias"] else []

    def _in_order(self, array: Array) -> Array:
        """Return what belongs to the values of a row, in their order in fastnet."""
        if self._order is None:
            return array
        moved = np.empty_like(array)
        moved[self._order] = array
        return moved

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
        if (self._first and len(self.shape) > 1) or self.shape[-1:] != (inputs,):
            raise ValueError(f"it takes rows of {inputs} values; got samples of shape {self.shape}: a Flatten may lack")
        kernel = self._in_order(self._tensor(call, "weight", (units, inputs)).T)
        bias = self._bias(call, units)
        self.made.add(layers.Dense, {"units": units, "use_bias": bool(bias)}, [kernel, *bias])
        self._order = None

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
        arrays = [self._in_order(self._tensor(call, name, (size,))) for name in names]
        self.made.add(layers.BatchNormalization, arguments, arrays)

    def layer_normalization(self, call: Call) -> None:
        given = call.arguments["normalized_shape"]
        if (self._first and len(self.shape) > 1) or given not in (self.shape[-1], self.shape[-1:]):
            raise NotImplementedError(
                f"it normalizes {given}; of samples of shape {self.shape} only the last axis of rows"
            )
        affine, biased = (
            call.arguments["elementwise_affine"],
            call.arguments["elementwise_affine"] and call.arguments["bias"],
        )
        names = [name for name, there in {"weight": affine, "bias": biased}.items() if there]
        arrays = [self._in_order(self._tensor(call, name, self.shape[-1:])) for name in names]
        arguments = {"epsilon": call.arguments["eps"], "scale": affine, "center": biased}
        self.made.add(layers.LayerNormalization, arguments, arrays)

    def prelu(self, call: Call) -> None:
        size = call.arguments["num_parameters"]
        if size not in (1, self.shape[-1]) or (len(self.shape) > 1 and not self._first):
            raise ValueError(f"it has {size} slopes; got samples of shape {self.shape}")
        slopes = np.broadcast_to(self._tensor(call, "weight", (size,)), self.shape[-1:])
        shared = list(range(1, len(self.shape)))
        alpha = self._in_order(slopes).reshape(*(1 for _ in shared), -1)
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
        if len(self.shape) == 1:
            return
        largest = max(_HARMLESS, sum(array.size for array in self._tensors.values()))
        if math.prod(self.shape) > largest:
            raise ValueError(f"it flattens samples of shape {self.shape}, more than the tensors account for")
        order = order_of(self.shape) if self._first else np.arange(math.prod(self.shape))
        if not self.made.drop_dimensions():
            self.made.add(layers.Flatten, {}, [])
        self._order = order if (order != np.arange(len(order))).any() else None

    def unflatten(self, call: Call) -> None:
        self._expect(call, dim=1)
        given = call.arguments["unflattened_size"]
        given = given if isinstance(given, tuple) else (given,)
        shape = (*given[1:], given[0]) if self._first else given
        if len(self.shape) != 1 or math.prod(shape) != self.shape[0]:
            raise ValueError(f"it makes samples of shape {given} of rows; got samples of shape {self.shape}")
        natural = np.arange(self.shape[0])
        present = natural if self._order is None else self._order
        wanted = order_of(shape) if self._first and len(shape) > 1 else natural
        if (present != wanted).any():
            moved = np.empty_like(wanted)
            moved[wanted] = present
            self.made.move(moved)
        self.made.add(layers.Reshape, {"target_shape": shape}, [])
        self._order = None

    def _activation(self, call: Call) -> None:
        by_row = call.kind in ("Softmax", "LogSoftmax")
        arguments = {name: value for name, value in call.arguments.items() if name != "inplace"}
        if by_row:
            channels = 1 if self._first or len(self.shape) == 1 else len(self.shape)
            last = {
                channels,
                channels - 1 - len(self.shape),
                *([None] if len(self.shape) in (1, 3) and channels == 1 else []),
            }
            if arguments["dim"] not in last:
                raise NotImplementedError(f"dim={arguments['dim']!r} is not available, only the channels, {channels}")
            arguments["dim"] = -1
        self.made.activate(_FUNCTIONS[call.kind](arguments))


# ---- Activations ----------------------------------------------------------------------------------------------------


def _functions() -> dict[str, Callable[[Mapping[str, Any]], ActivationFunction]]:
    """Return what makes an activation of a module's arguments, by the module's class."""
    known: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    for name, facts in ACTIVATIONS.items():
        if facts.torch:
            (call,) = calls_in_code(f"Sequential({facts.torch.format(alpha=0.5)})")
            arguments = {key: value for key, value in call.arguments.items() if key != "inplace"}
            known.setdefault(call.kind, []).append((name, arguments))

    def maker(candidates: list[tuple[str, dict[str, Any]]]) -> Callable[[Mapping[str, Any]], ActivationFunction]:
        def make(arguments: Mapping[str, Any]) -> ActivationFunction:
            for name, own in candidates:
                parameter, _ = ACTIVATIONS[name].parameter or ("", 0.0)
                if all(own[key] == value for key, value in arguments.items() if key != parameter):
                    return ActivationFunction(name, float(arguments.get(parameter, 0.0)))
            given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
            raise NotImplementedError(f"{given} is not available")

        return make

    return {kind: maker(candidates) for kind, candidates in known.items()}


_FUNCTIONS = _functions()
_READERS: dict[str, Callable[[_Reader, Call], None]] = {
    "Linear": _Reader.linear,
    "LayerNorm": _Reader.layer_normalization,
    "PReLU": _Reader.prelu,
    "Dropout": _Reader.dropout,
    "Identity": _Reader.identity,
    "Flatten": _Reader.flatten,
    "Unflatten": _Reader.unflatten,
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
_OF_IMAGES = frozenset(kind for kind in _READERS if kind[-1] == "d" and kind[-2].isdigit()) - {"BatchNorm1d"} | {
    "Upsample"
}

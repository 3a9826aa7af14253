"""What an import finds, piece by piece, and the layers that are made of it in the end."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.layers.functions import ActivationFunction

__all__ = ["Activating", "Block", "Piece", "Plain", "Product", "make_layers", "scaling_pieces"]

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a model to be made."""


@dataclass(frozen=True, eq=False)
class Plain(Piece):
    """A layer by its class and arguments, with its weights."""

    layer: type[layers.Layer]
    arguments: dict[str, Any]
    weights: Sequence[Array] = ()


@dataclass(frozen=True, eq=False)
class Product(Piece):
    """A layer that multiplies by a kernel, `Dense` or a convolution, which includes the activation after it.

    Attributes
    ----------
    kernel : ndarray
    bias : ndarray of shape (outputs,) or None
    layer : type
    arguments : dict
        Those of the layer beside its activation and whether it has a bias.
    """

    kernel: Array
    bias: Array | None
    layer: type[layers.Layer]
    arguments: dict[str, Any]

    @classmethod
    def dense(cls, kernel: Array, bias: Array | None) -> "Product":
        """Return the multiplication by a matrix."""
        return cls(kernel, bias, layers.Dense, {"units": kernel.shape[1]})


@dataclass(frozen=True, eq=False)
class Activating(Piece):
    """An activation."""

    function: ActivationFunction


@dataclass(frozen=True, eq=False)
class Block(Piece):
    """Pieces whose output is added to their input, or to what other pieces make of it."""

    pieces: Sequence[Piece]
    shortcut: Sequence[Piece] = ()


def scaling_pieces(shape: Shape, center: Array, factor: Array, offset: Array) -> list[Piece]:
    """Return the pieces of ``(x - center) * factor + offset`` for numbers or rows in float64.

    One number for all values gives a `Rescaling`. A row has a number for each channel. Otherwise it is a `Normalization`, where that can be done without a
    loss of digits, or else a `BatchNormalization`.
    """
    shifted = offset - center * factor
    is_number = max(center.ndim, factor.ndim, offset.ndim) == 0
    if is_number and (center == 0.0 or abs(shifted) <= 10.0):
        neutral = factor == 1.0 and shifted == 0.0
        return [] if neutral else [Plain(layers.Rescaling, {"scale": float(factor), "offset": float(shifted)})]
    by_channel = max(center.ndim, factor.ndim, offset.ndim) <= 1
    row = shape[-1:] if by_channel else shape
    center, factor, offset = (np.broadcast_to(array, row).reshape(-1) for array in (center, factor, offset))
    variance = 1.0 / factor**2 - layers.Normalization.epsilon
    mean = center - offset / factor
    simple = not (center.any() and offset.any())
    if simple and (factor > 0.0).all() and (variance >= 0.0).all() and np.isfinite(mean).all():
        piece = Plain(layers.Normalization, {}, [mean, variance])
    else:
        weights = [factor, offset, center, np.broadcast_to(1.0, factor.shape)]
        piece = Plain(layers.BatchNormalization, {"epsilon": 0.0}, weights)
    if by_channel:
        return [piece]
    return [Plain(layers.Flatten, {}), piece, Plain(layers.Reshape, {"target_shape": shape})]


def make_layers(pieces: Sequence[Piece], largest: int) -> list[layers.Layer]:
    """Return the layers of the pieces with their weights; more than `largest` values in them are refused."""
    made = _layers(pieces)
    count = sum(array.size for _, weights in made for array in weights)
    if count > largest:
        raise ValueError(f"the model would have {count} weights, more than the file accounts for")
    for layer, weights in made:
        layer.keep_weights(weights)
    return [layer for layer, _ in made]


def _layers(pieces: Sequence[Piece]) -> list[tuple[layers.Layer, Sequence[Array]]]:
    """Return the layers with their weights; where there are none, one that changes nothing."""
    return list(_made(pieces)) or [(layers.Activation("linear"), [])]


def _made(pieces: Sequence[Piece]) -> Iterator[tuple[layers.Layer, Sequence[Array]]]:
    for before, piece, after in zip([None, *pieces], pieces, [*pieces[1:], None], strict=False):
        match piece:
            case Product(kernel=kernel, bias=bias, layer=kind, arguments=arguments):
                activation = after.function if isinstance(after, Activating) else None
                layer = kind(**arguments, activation=activation, use_bias=bias is not None)
                yield layer, [kernel] if bias is None else [kernel, bias]
            case Activating(function=function):
                if not isinstance(before, Product):
                    yield layers.Activation(function), []
            case Block(pieces=inner, shortcut=shortcut):
                inside, beside = _layers(inner), list(_made(shortcut))
                block = layers.Residual([layer for layer, _ in inside], [layer for layer, _ in beside])
                yield block, [w for _, weights in [*inside, *beside] for w in weights]
            case Plain(layer=kind, arguments=arguments, weights=weights):
                yield kind(**arguments), weights
            case _:
                raise AssertionError(f"no layer for {piece!r}")

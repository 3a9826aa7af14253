"""The layout of samples in PyTorch, where the channels of images and sequences come first."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastnet.layers.base import Shape

__all__ = ["axes_of", "channels_first", "inverse", "order_of"]

Axes = tuple[int, ...]  # of a sample, each once


def axes_of(rank: int) -> Axes:
    """Return which axis of a sample of fastnet each axis is in PyTorch."""
    return (rank - 1, *range(rank - 1))


def inverse(axes: Sequence[int]) -> Axes:
    """Return the order of axes that undoes another."""
    return tuple(map(int, np.argsort(axes)))


def channels_first(shape: Shape) -> Shape:
    """Return the shape of a sample in PyTorch; a row stays as it is."""
    return (*shape[-1:], *shape[:-1])


def order_of(shape: Shape, axes: Axes | None = None) -> NDArray[np.intp]:
    """Return which value of a sample of fastnet is at each place of the flattened sample of PyTorch.

    `axes` are those of `axes_of` unless given.
    """
    values = np.arange(math.prod(shape)).reshape(shape)
    return np.ascontiguousarray(values.transpose(axes or axes_of(len(shape)))).reshape(-1)

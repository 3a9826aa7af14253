"""The layout of samples in PyTorch, where the channels of images and sequences come first."""

import math

import numpy as np
from numpy.typing import NDArray

from fastnet.layers.base import Shape

__all__ = ["channels_first", "order_of"]


def channels_first(shape: Shape) -> Shape:
    """Return the shape of a sample in PyTorch; a row stays as it is."""
    return (*shape[-1:], *shape[:-1])


def order_of(shape: Shape) -> NDArray[np.intp]:
    """Return which value of a sample of fastnet is at each place of the flattened sample of PyTorch."""
    values = np.arange(math.prod(shape)).reshape(shape)
    return np.ascontiguousarray(np.moveaxis(values, -1, 0)).reshape(-1)

"""How the values of a sample lie in fastnet, and how an ONNX graph sees them.

ONNX has the channels of images first, fastnet has them last. So values are transposed in thought only, as a view, and
what depends on their order, such as the kernel behind a Flatten, is brought into the order that they have here.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.interchange.pieces import Piece, Plain

__all__ = ["Layout", "arrangement", "channels_last"]

Array = NDArray[Any]
Shape = tuple[int, ...]
MOST_PERMUTED = 2**24  # values of a constant that is brought into another order


@dataclass(frozen=True)
class Layout:
    """The graph sees ``values.transpose(axes).reshape(view)`` of a sample's values of shape `shape`.

    Attributes
    ----------
    shape : tuple of int
        The shape of a sample in fastnet.
    axes : tuple of int
        Its axes, in the order that the graph has them in.
    view : tuple of int
        The shape of a sample in the graph.
    """

    shape: Shape
    axes: Shape
    view: Shape

    @classmethod
    def plain(cls, shape: Sequence[int]) -> "Layout":
        """Return the layout of values that are the same here and there."""
        return cls(tuple(shape), tuple(range(len(shape))), tuple(shape))

    @classmethod
    def ordered(cls, view: Sequence[int], order: Sequence[int]) -> "Layout":
        """Return the layout of values that are ``seen.transpose(order)`` here."""
        return cls(tuple(view[axis] for axis in order), _inverse(order), tuple(view))

    @property
    def transposed(self) -> Shape:
        """The shape before the view is given its own."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def is_transposed(self) -> bool:
        """Whether the view has the axes of `shape`, in whatever order."""
        return self.transposed == self.view

    @property
    def keeps_order(self) -> bool:
        """Whether the values follow one another in the graph as they do here."""
        return _keeps_order(self.shape, self.axes)

    def reshaped(self, view: Sequence[int]) -> "Layout":
        """Return the layout where the graph gives the values another shape."""
        return Layout(self.shape, self.axes, tuple(view))

    def constant(self, array: Array) -> Array:
        """Return an array that is broadcast to the view in the order of fastnet, so that it is broadcast to `shape`."""
        if array.size == 1:
            return array.reshape(())
        if self.is_transposed:
            array = array.reshape((1,) * (len(self.view) - array.ndim) + array.shape)
        else:
            if math.prod(self.view) > MOST_PERMUTED:
                raise ValueError(f"a constant for samples of shape {self.view} would be too large")
            array = np.broadcast_to(array, self.view).reshape(self.transposed)
        array = array.transpose(_inverse(self.axes))
        return array.reshape(array.shape[next(axis for axis, size in enumerate(array.shape) if size > 1) :])

    def rows(self, kernel: Array) -> Array:
        """Return a matrix with a row for each value that the graph sees, with the rows in the order of fastnet."""
        if self.keeps_order:
            return kernel
        columns = kernel.shape[1]
        by_axis = kernel.reshape(*self.transposed, columns).transpose(*_inverse(self.axes), len(self.axes))
        return by_axis.reshape(math.prod(self.shape), columns)


def arrangement(layout: Layout, order: Sequence[int]) -> tuple[Layout, list[Piece]]:
    """Return the layout of values that are ``seen.transpose(order)`` here, and the layers that bring them there."""
    view = layout.view
    wanted = Layout.ordered(view, order)
    if layout.is_transposed:
        moves = [(layout.shape, tuple(layout.axes[axis] for axis in order))]
    else:
        moves = [(layout.shape, layout.axes), (view, tuple(order))]
    pieces: list[Piece] = []
    shape = layout.shape
    for start, axes in moves:
        if not _keeps_order(start, axes):
            dims = tuple(axis + 1 for axis in axes)
            pieces += [*_reshaping(shape, start), Plain(layers.Permute, {"dims": dims})]
            shape = tuple(start[axis] for axis in axes)
    return wanted, pieces + _reshaping(shape, wanted.shape)


def _reshaping(before: Shape, after: Shape) -> list[Piece]:
    if before == after:
        return []
    return [Plain(layers.Flatten, {}) if len(after) == 1 else Plain(layers.Reshape, {"target_shape": after})]


def _keeps_order(shape: Shape, axes: Sequence[int]) -> bool:
    longer = [axis for axis in axes if shape[axis] > 1]
    return longer == sorted(longer)


def channels_last(rank: int) -> Shape:
    """Return the order of axes that puts the channels of an image, or of a sequence, last."""
    return (*range(1, rank), 0)


def _inverse(order: Sequence[int]) -> Shape:
    return tuple(sorted(range(len(order)), key=lambda place: order[place]))

"""The sample behind the layers that were read so far, and how PyTorch sees it."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet import layers
from fastnet.interchange.torch.layout import axes_of, inverse, order_of
from fastnet.interchange.torch.made import Made
from fastnet.layers.base import Shape

__all__ = ["Sample"]


class Sample:
    """The layers so far with the sample behind them, whose axes or values may have another order in PyTorch.

    Permutations are only kept in mind until a module needs another order than there is: those that exporters write cancel
    out, or are what a reshape does.

    Parameters
    ----------
    shape : tuple of int
        That of a sample in front of the layers.
    takes_images : bool
        Whether a module of the network takes images or sequences: then channels come first in PyTorch, and last in fastnet.

    Attributes
    ----------
    made : Made
        The layers.
    """

    def __init__(self, shape: Shape, takes_images: bool) -> None:
        self.made = Made(shape)
        self._first = takes_images
        self._axes: tuple[int, ...] | None = None  # which axis of fastnet's sample each is; None for the usual ones
        self._order: NDArray[np.intp] | None = None  # which value of a row is at each place in PyTorch; None: the same
        self._flattened: tuple[Shape, tuple[int, ...]] = (), ()  # the shape and the axes of what such a row was
        self._unflattened: tuple[Shape, tuple[int, ...]] | None = None  # a shape for the row, and then an order of axes

    @property
    def shape(self) -> Shape:
        """Its shape in fastnet."""
        return self.made.shape

    @property
    def rank(self) -> int:
        """How many axes it has in PyTorch."""
        return len(self.shape) if self._unflattened is None else len(self._unflattened[0])

    @property
    def axes(self) -> tuple[int, ...]:
        """Which axis of the sample in fastnet each of its axes is in PyTorch."""
        return self._usual_axes() if self._axes is None else self._axes

    @property
    def last_size(self) -> int:
        """The size of its last axis in PyTorch."""
        return self.shape[self.axes[-1]]

    def _usual_axes(self) -> tuple[int, ...]:
        rank = len(self.shape)
        return axes_of(rank) if self._first else tuple(range(rank))

    def in_order(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return what belongs to the values of a row, in their order in fastnet."""
        if self._order is None:
            return array
        moved = np.empty_like(array)
        moved[self._order] = array
        return moved

    # ---- Axes ----

    def permute(self, axes: tuple[int, ...]) -> None:
        """Put the axes, as PyTorch has them, into another order."""
        if self._unflattened is not None:
            shape, before = self._unflattened
            self._unflattened = shape, tuple(before[axis] for axis in axes)
        else:
            self._axes = tuple(self.axes[axis] for axis in axes)

    def settle(self) -> None:
        """Let the axes be the usual ones."""
        if self._axes is not None:
            self._arrange(self._usual_axes())
            self._axes = None

    def put_last_axis_last(self) -> None:
        """Let the last axis of PyTorch be the last one of fastnet."""
        if self.axes[-1] != len(self.shape) - 1:
            self._axes = self._arrange(tuple(range(len(self.shape))))

    def _arrange(self, wanted: tuple[int, ...]) -> tuple[int, ...]:
        """Add the `Permute` behind which each axis of PyTorch is that of fastnet which is wanted."""
        dims = [self.axes[axis] + 1 for axis in inverse(wanted)]
        if dims != sorted(dims):
            self.made.add(layers.Permute, {"dims": dims}, [])
        return wanted

    # ---- Rows ----

    def flatten(self) -> None:
        """Make a row of the sample."""
        if len(self.shape) == 1:
            return
        shape, axes = self.shape, self.axes
        order = order_of(shape, axes)
        if not self.made.drop_dimensions():
            self.made.add(layers.Flatten, {}, [])
        self._axes = None
        self._order = order if (order != np.arange(len(order))).any() else None
        self._flattened = shape, axes

    def forget_order(self) -> None:
        """Take note that a layer made a new row, in the same order in both."""
        self._order = None

    def restore_order(self) -> None:
        """Let the values of a row have PyTorch's order in fastnet, too."""
        if self._order is None:
            return
        shape, axes = self._flattened
        if not self.made.take_back(layers.Flatten, shape):
            self.made.add(layers.Reshape, {"target_shape": shape}, [])
        self.made.add(layers.Permute, {"dims": [axis + 1 for axis in axes]}, [])
        self.made.add(layers.Flatten, {}, [])
        self._order = None

    def unflatten(self, shape: Shape) -> None:
        """Make images or the like of a row, as soon as the order of their axes is known."""
        if len(self.shape) != 1 or math.prod(shape) != self.shape[0]:
            raise ValueError(f"it makes samples of shape {shape} of rows; got samples of shape {self.shape}")
        self._unflattened = shape, tuple(range(len(shape)))

    def reshape(self) -> None:
        """Add the layers for the last `unflatten` and the permutations behind it."""
        if self._unflattened is None:
            return
        (shape, axes), self._unflattened = self._unflattened, None
        before, there = self._flattened
        places = np.arange(self.shape[0]).reshape(shape).transpose(axes)
        places = np.moveaxis(places, 0, -1) if self._first and len(shape) > 1 else places
        order = places.reshape(-1) if self._order is None else self._order[places.reshape(-1)]
        if (order == np.arange(len(order))).all() or self.made.move(order):
            self.made.add(layers.Reshape, {"target_shape": places.shape}, [])
        elif self._order is not None and shape == tuple(before[axis] for axis in there):  # as before it was flattened
            self.made.add(layers.Reshape, {"target_shape": before}, [])
            self._axes = tuple(there[axis] for axis in axes)
        else:
            self.restore_order()
            self.made.add(layers.Reshape, {"target_shape": shape}, [])
            self._axes = axes
        self._order = None

"""Where the values of a sample lie in a tensor of an ONNX graph, and the nodes that move them.

A model has the channels last. The operators of ONNX for images want them first, so a tensor may have the axes of a sample in
another order than the model; what works value by value takes it as it is, and a kernel behind it has its rows in that order.
"""

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from fastnet.interchange.onnx_export.graph import Graph
from fastnet.layers.base import Shape
from fastnet.operations.steps import Array, repeated

__all__ = ["Tensor", "as_image", "constant_beside", "flat", "of_shape", "permuted"]


@dataclass(frozen=True)
class Tensor:
    """A tensor of a graph, without the axis of the samples.

    Attributes
    ----------
    name : str
    shape : tuple of int
        The shape of a sample in the model.
    order : tuple of int
        The axes of a sample in the order in which the tensor has them.
    is_steps : bool
        Whether it has steps of values, from 0 to 255, which a product in integers takes.
    """

    name: str
    shape: Shape
    order: tuple[int, ...]
    is_steps: bool = False

    @classmethod
    def of(cls, name: str, shape: Shape) -> "Tensor":
        """Return a tensor with the axes in the order of the model."""
        return cls(name, shape, tuple(range(len(shape))))

    @property
    def has_axes_in_order(self) -> bool:
        """Whether the values lie in the order of the model."""
        long = [axis for axis in self.order if self.shape[axis] > 1]
        return long == sorted(long)

    def axis(self, axis: int) -> int:
        """Return which axis of the tensor, samples included, an axis of the model is."""
        return 1 + self.order.index(axis % len(self.shape))


def in_order(graph: Graph, x: Tensor, order: tuple[int, ...]) -> Tensor:
    """Return a tensor with the axes in this order."""
    if x.order == order:
        return x
    name = graph.add("Transpose", x.name, perm=[0, *(x.axis(axis) for axis in order)])
    return replace(x, name=name, order=order)


def of_shape(graph: Graph, x: Tensor, shape: Shape) -> Tensor:
    """Return a tensor of samples of another shape with the same values, whose axes are in the order of the model."""
    ordered = tuple(range(len(x.shape)))
    if x.shape == shape:
        return in_order(graph, x, ordered)
    if not x.has_axes_in_order:
        x = in_order(graph, x, ordered)
    return Tensor.of(_reshaped(graph, x.name, shape), shape)


def permuted(graph: Graph, x: Tensor, shape: Shape, axes: tuple[int, ...]) -> Tensor:
    """Return a tensor of samples of this shape with the axes of the model in another order: the values stay where they are."""
    x = x if x.shape == shape else of_shape(graph, x, shape)
    return Tensor(x.name, tuple(shape[axis] for axis in axes), tuple(axes.index(axis) for axis in x.order))


def flat(graph: Graph, x: Tensor) -> str:
    """Return the name of a tensor with one row of values for each sample, in the order in which they lie."""
    return x.name if len(x.shape) == 1 else _reshaped(graph, x.name, (prod(x.shape),))


def as_image(graph: Graph, x: Tensor, shape: Shape) -> Tensor:
    """Return a tensor of images, or of sequences, of this shape with the channels first."""
    first = _channels_first(len(shape))
    if x.shape == shape:
        return in_order(graph, x, first)
    is_pixel = prod(x.shape) == x.shape[-1] == shape[-1]
    if is_pixel or (x.shape[-1] == shape[-1] and x.order == _channels_first(len(x.shape))):
        moved = tuple(shape[axis] for axis in first)
        return Tensor(_reshaped(graph, x.name, moved), shape, first)
    return in_order(graph, of_shape(graph, x, shape), first)


def _channels_first(axes: int) -> tuple[int, ...]:
    return axes - 1, *range(axes - 1)


def constant_beside(graph: Graph, name: str, array: Array, x: Tensor) -> str:
    """Add an array of a scaling, which repeats along the row, in a shape that it has beside a tensor."""
    values = array.astype(graph.dtype)
    channels = x.shape[-1]
    if array.ndim and array.size == channels:
        values = values.reshape(channels, *[1] * (len(x.order) - x.axis(-1)))
    elif array.ndim:
        values = repeated(values, prod(x.shape)).reshape(x.shape).transpose(x.order)
    return graph.constant(name, values)


def _reshaped(graph: Graph, x: str, shape: Shape) -> str:
    if len(shape) == 1:
        return graph.add("Flatten", x, axis=1)
    target = graph.constant("shape", np.array([0, *shape], np.int64))  # 0 keeps the number of samples
    return graph.add("Reshape", x, target)

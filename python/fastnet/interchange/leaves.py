"""The layers of a model one by one, those inside blocks in their places."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fastnet import layers
from fastnet.layers.base import Layer, Shape

__all__ = ["Leaf", "leaves_of"]


@dataclass(frozen=True)
class Leaf:
    """A layer other than a block.

    Attributes
    ----------
    layer : Layer
    shapes : dict from str to tuple of int
        Those of its weights, which need not exist.
    root : int
        The number of the layer of the model that it is, or that it is inside of.
    """

    layer: Layer
    shapes: dict[str, Shape]
    root: int

    def initial_weights(self) -> list[NDArray[Any]]:
        """Return new weights."""
        return [self.layer.initializer(name)(shape) for name, shape in self.shapes.items()]


def leaves_of(all_layers: Sequence[Layer], shape: Shape) -> list[Leaf]:
    """Return the layers of a model, in the order of their weights, for samples of a shape.

    Raises
    ------
    NotImplementedError
        A block has layers in its shortcut.
    """
    leaves = []
    for root, layer in enumerate(all_layers):
        leaves += [Leaf(inner, inner.weight_shapes(taken), root) for inner, taken in _inside(layer, shape)]
        shape = layer.compute_output_shape(shape)
    return leaves


def _inside(layer: Layer, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """Yield a layer, or those inside of it, with the shape of a sample that each takes."""
    if not isinstance(layer, layers.Residual):
        yield layer, shape
        return
    if layer.shortcut:
        raise NotImplementedError(
            f"fastnet: layer {layer.name!r} has layers in its shortcut, which files of Keras are neither written nor read with"
        )
    for inner in layer.layers:
        yield from _inside(inner, shape)
        shape = inner.compute_output_shape(shape)

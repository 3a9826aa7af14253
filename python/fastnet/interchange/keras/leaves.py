"""The layers of a model one by one, those inside blocks in their places."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from fastnet import layers
from fastnet.interchange.keras.order import listed
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
    place : int
        What orders the leaves as Keras lists them, which is another order where a block has layers in its shortcut.
    """

    layer: Layer
    shapes: dict[str, Shape]
    root: int
    place: int

    def initial_weights(self) -> list[NDArray[Any]]:
        """Return new weights."""
        return [self.layer.initializer(name)(shape) for name, shape in self.shapes.items()]


def leaves_of(all_layers: Sequence[Layer], shape: Shape) -> list[Leaf]:
    """Return the layers of a model, in the order of their weights, for samples of a shape."""
    graph = _Graph()
    end = graph.add_node([])
    for root, layer in enumerate(all_layers):
        end = graph.add(layer, root, end, shape)
        shape = layer.compute_output_shape(shape)
    places = {node: place for place, node in enumerate(listed(graph.sources))}
    return [Leaf(layer, shapes, root, places[node]) for layer, shapes, root, node in graph.found]


class _Graph:
    """The layers as nodes, with the numbers of the nodes that each takes."""

    def __init__(self) -> None:
        self.sources: list[list[int]] = []
        self.found: list[tuple[Layer, dict[str, Shape], int, int]] = []  # leaves, their weights, roots and nodes

    def add_node(self, sources: list[int]) -> int:
        self.sources.append(sources)
        return len(self.sources) - 1

    def add(self, layer: Layer, root: int, source: int, shape: Shape) -> int:
        """Add a layer, or those inside of it, behind a node; return the node of its output."""
        if not isinstance(layer, layers.Residual):
            node = self.add_node([source])
            self.found.append((layer, layer.weight_shapes(shape), root, node))
            return node
        ends = []
        for row in (layer.layers, layer.shortcut):
            end, taken = source, shape
            for inner in row:
                end = self.add(inner, root, end, taken)
                taken = inner.compute_output_shape(taken)
            ends.append(end)
        return self.add_node(ends[::-1])  # the shortcut first, as `keras.architecture` writes it

"""Where an ONNX graph has the channels of the images that it takes, and where the model is to have them."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from fastnet import layers
from fastnet.interchange.onnx_import.functions import FUNCTIONS, ROW_FUNCTIONS
from fastnet.interchange.onnx_import.image_operators import IMAGE_OPERATORS
from fastnet.interchange.onnx_import.layouts import Layout, channels_last
from fastnet.interchange.onnx_import.tensors import attributes_of
from fastnet.interchange.pieces import Piece, Plain

__all__ = ["Channels", "order_of_channels"]

Shape = tuple[int, ...]

_OF_ANY_ORDER = frozenset([*FUNCTIONS, "Cast", "Dropout", "Identity", "Pad"]) - ROW_FUNCTIONS


class Channels(NamedTuple):
    """The order of the samples that the model takes.

    Attributes
    ----------
    layout : Layout
        That of the graph's input once the channels are last.
    chain : tuple of Piece
        What puts them there.
    input_shape : tuple of int
        The shape of the samples that the model takes.
    turn : tuple of int or None
        The order of axes that the model's images have, other than the graph's, where it is not the graph's.
    """

    layout: Layout
    chain: tuple[Piece, ...]
    input_shape: Shape
    turn: Shape | None = None

    def output_order(self, rank: int) -> Shape:
        """Return the order of axes that the model gives outputs in: images as it takes them."""
        return self.turn if self.turn is not None and len(self.turn) == rank else tuple(range(rank))


def order_of_channels(nodes: Sequence[Any], input_name: str, view: Shape, channels: str | None) -> Channels:
    """Return the order of samples of shape `view` in the graph where the model is to have the channels there.

    Raises
    ------
    ValueError
        `channels` is given and the graph takes no images.
    """
    rank = len(view)
    order = _first_order(nodes, input_name, rank) if rank in (2, 3) else None
    last = channels_last(rank)
    if order is None:
        if channels is not None:
            raise ValueError(
                f"channels is {channels!r}, and its input, of shape {view}, is neither an image nor a sequence"
            )
        return Channels(Layout.plain(view), (), view)
    is_first = order == tuple(range(rank))
    layout = Layout.ordered(view, last if is_first else range(rank))
    if (channels or ("first" if is_first else "last")) == "last":
        return Channels(layout, (), layout.shape, last if is_first else None)
    first = (rank - 1, *range(rank - 1))
    moved = Plain(layers.Permute, {"dims": tuple(axis + 1 for axis in last)})
    return Channels(layout, (moved,), tuple(layout.shape[axis] for axis in first), None if is_first else first)


def _first_order(nodes: Sequence[Any], input_name: str, rank: int) -> Shape | None:
    """Return the axes of the input in the order in which an operator of images first takes them, if one does.

    Only what leaves them as they are, and transpositions, may come before it.
    """
    orders = {input_name: tuple(range(rank))}
    for node in nodes:
        order = next((orders[name] for name in node.input if name in orders), None)
        if order is None:
            continue
        if node.op_type in IMAGE_OPERATORS and node.op_type != "Pad":
            return order
        if node.op_type == "BatchNormalization" and rank == 3:
            return order
        if node.op_type == "Transpose":
            perm = list(attributes_of(node).get("perm", ()))
            if sorted(perm) != list(range(rank + 1)) or perm[0] != 0:
                continue
            orders[node.output[0]] = tuple(order[axis - 1] for axis in perm[1:])
        elif node.op_type in _OF_ANY_ORDER:
            orders[node.output[0]] = order
    return None

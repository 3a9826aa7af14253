"""What a graph computes, as pieces of a model: a chain of them, and behind it operators not yet recognized.

Exporters write the same layer down in many ways: GELU is one operator, or five, or eight. So a layer is not recognized
by how it is written but by what it computes: a part of the graph that begins and ends in one value each is evaluated at
some numbers, and is the activation that has the same values there.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.interchange.onnx_import.functions import COMPARISONS, ROW_FUNCTIONS
from fastnet.interchange.onnx_import.layouts import Layout
from fastnet.interchange.onnx_import.recognition import (
    Limits,
    recognized_function,
    recognized_row_function,
    row_probes,
    value_probes,
)
from fastnet.interchange.pieces import Activating, Block, Piece, Plain, Product, scaling_pieces
from fastnet.layers.functions import ActivationFunction

__all__ = ["Budget", "Flow", "Refusal", "settle"]

Array = NDArray[Any]
Shape = tuple[int, ...]
_numbers = itertools.count()

# Bounds on the time and the memory that recognizing takes. A layer normalization written out has 9 operators.
LARGEST_EXPRESSION, LONGEST_PIECE = 64, 16
WIDEST_ROW = 2**16
COST_OF_COMPARING = 100  # with all activations, in operators
COST_OF_CUTTING = 100_000  # a part out of an expression, in values computed


class Refusal(Exception):
    """An operator, or what a group of them computes, has no equal in fastnet."""


class Budget:
    """What recognizing the layers of one file may cost, in values computed: some 20 seconds."""

    def __init__(self, values: float = 3e9) -> None:
        self.left = values

    def spend(self, values: float) -> None:
        """Take from it; a `Refusal` where there is not enough left."""
        self.left -= values
        if self.left < 0.0:
            raise Refusal("its operators are too many to recognize layers in them")


@dataclass(eq=False)
class Flow:
    """A value that the graph computes for each sample.

    Attributes
    ----------
    layout : Layout
        The shape for one sample, and how the graph sees it.
    chain : tuple of Piece or None
        What computes it from the input of the graph; None where it has not been recognized yet, and is `function` of
        `arguments`, other flows and constants, and None where an optional input is left out.
    operator, node : str
        Where it comes from, for messages.
    joint : bool
        Whether it goes into an addition of two flows, as the ends of a residual block do.
    is_integer : bool
        Whether its values have a type other than float and double, in which operators round and overflow otherwise.
    """

    layout: Layout
    chain: tuple[Piece, ...] | None = None
    function: Callable[..., Array] | None = None
    arguments: Sequence["Flow | Array | None"] = ()
    operator: str = ""
    node: str = ""
    joint: bool = False
    is_integer: bool = False
    base: "Flow" = field(init=False)
    number: int = field(init=False, default_factory=lambda: next(_numbers))

    def __post_init__(self) -> None:
        """The base is the flow with a chain from which the others are computed."""
        self.base = self if self.chain is not None else self.sources[0].base

    @property
    def shape(self) -> Shape:
        """The shape for one sample in fastnet."""
        return self.layout.shape

    @property
    def view(self) -> Shape:
        """The shape for one sample in the graph."""
        return self.layout.view

    @property
    def sources(self) -> list["Flow"]:
        """The flows among the arguments."""
        return [argument for argument in self.arguments if isinstance(argument, Flow)]

    @property
    def is_boolean(self) -> bool:
        """Whether it is the result of a comparison."""
        return self.operator in COMPARISONS


def settle(flow: Flow, budget: Budget) -> tuple[Piece, ...]:
    """Return the pieces that compute a flow from the input of the graph.

    Raises
    ------
    Refusal
        Some of the operators compute no layer of fastnet.
    """
    if flow.chain is None:
        points = _points(flow, flow.base)
        if points is None:
            raise Refusal(f"more than {LARGEST_EXPRESSION} operators in a row before {flow.node}")
        # The value that a residual block begins with must be the end of a piece, wherever that is possible.
        joints = [index for index, point in enumerate(points[:-1]) if point.joint]
        for first in dict.fromkeys([*joints[-1:], 0]):
            pieces, end = _recognized(points[first:], budget)
            if end == len(points) - 1 - first:
                flow.chain = _extended(settle(points[first], budget), points[first], pieces)
                break
        else:
            raise Refusal(_complaint(points, end))
    return flow.chain


def _complaint(points: Sequence[Flow], end: int) -> str:
    """Return what is wrong with the first operators that were not recognized."""
    start, stop = points[end], points[end + 1]
    operators = list(dict.fromkeys(flow.operator for flow in _between(start, stop) or ()))
    named = f"operator {stop.operator} (node {stop.node!r})"
    return f"the {named} computes no layer of fastnet" + (
        f", together with {', '.join(operators)}" if operators != [stop.operator] else ""
    )


def _extended(chain: tuple[Piece, ...], end: Flow, pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Return a chain with more pieces; what is added to a product goes into its bias."""
    if chain and pieces and isinstance(pieces[0], _Scaling) and not end.joint:
        product, scaling = chain[-1], pieces[0]
        if isinstance(product, Product) and scaling.is_offset:
            offset = np.broadcast_to(scaling.offset, scaling.shape[-1:])
            bias = offset if product.bias is None else product.bias + offset
            return _extended((*chain[:-1], replace(product, bias=bias)), end, pieces[1:])
    return (*chain, *itertools.chain.from_iterable(p.pieces() if isinstance(p, _Scaling) else [p] for p in pieces))


# ---- The shape of an expression -------------------------------------------------------------------------------------


def _between(start: Flow, end: Flow) -> list[Flow] | None:
    """Return the flows behind `start` up to `end`, in order; None where they are too many or need another one."""
    found = {end}
    pending = [end]
    while pending:
        for source in pending.pop().sources:
            if source is start or source in found:
                continue
            if source is source.base or len(found) >= LARGEST_EXPRESSION:
                return None
            found.add(source)
            pending.append(source)
    return sorted(found, key=lambda flow: flow.number)


def _points(end: Flow, start: Flow) -> list[Flow] | None:
    """Return the flows, from `start` to `end`, that everything between the two goes through."""
    flows = _between(start, end)
    if flows is None:
        return None
    places = {flow: place for place, flow in enumerate([start, *flows])}
    points, reach = [], 0
    for flow, place in places.items():
        if reach <= place:
            points.append(flow)
        reach = max([reach, *(places[user] for user in flows if flow in user.sources)])
    return points


# ---- Recognizing ----------------------------------------------------------------------------------------------------


def _recognized(points: Sequence[Flow], budget: Budget) -> tuple[list[Piece], int]:
    """Return the fewest pieces that compute the last point from the first, and the last point that they reach."""
    best: list[list[Piece] | None] = [[], *itertools.repeat(None, len(points) - 1)]
    for stop in range(1, len(points)):
        for start in range(stop):
            pieces, shortest = best[start], best[stop]
            if pieces is None or (shortest is not None and len(shortest) <= len(pieces) + 1):
                continue
            budget.spend(COST_OF_CUTTING)
            found = _piece(points[start : stop + 1], budget)
            if found is not None:
                best[stop] = [*pieces, found]
    end = max(index for index, pieces in enumerate(best) if pieces is not None)
    parts = (piece.parts() if isinstance(piece, _Limited) else [piece] for piece in best[end] or [])
    return list(itertools.chain.from_iterable(parts)), end


def _piece(points: Sequence[Flow], budget: Budget) -> Piece | None:
    """Return the one piece that computes the last point from the first, if there is one."""
    start, end = points[0], points[-1]
    if start.layout != end.layout or end.is_boolean:
        return None
    return _scaling(points) or _normalization_or_activation(start, end, budget) or _block(start, end, budget)


def _normalization_or_activation(start: Flow, end: Flow, budget: Budget) -> Piece | None:
    """Return the one layer of those whose values tell what they are."""
    flows = _between(start, end)
    if flows is None or len(flows) > LONGEST_PIECE:
        return None
    constants = [array for flow in flows for array in flow.arguments if isinstance(array, np.ndarray)]
    is_row_function = any(flow.operator in ROW_FUNCTIONS for flow in flows)
    # Along an axis without constants for every value, one stands for all.
    rank = len(end.shape)
    shape = np.broadcast_shapes((1,) * rank, *(array.shape for array in constants))
    if is_row_function:
        shape = (*shape[:-1], end.shape[-1])
    if math.prod(shape) > WIDEST_ROW or (is_row_function and math.prod(shape[:-1]) > 1):
        return None
    cost = len(flows) + COST_OF_COMPARING
    if is_row_function:
        x = row_probes(end.shape[-1])
        budget.spend(cost * x.size)
        return recognized_row_function(_function(start, flows), x, constants)
    # Of many columns, a few are tried first.
    for columns in (min(4, shape[-1]), shape[-1]):
        x = value_probes((*shape[:-1], columns))
        budget.spend(cost * x.size)
        found = recognized_function(_function(start, flows, columns), x)
        if found is None:
            return None
    if isinstance(found, Limits):
        return _Limited(end.shape, found)
    if isinstance(found, Plain):  # slopes
        shared = next((axis for axis in range(rank - 1) if shape[axis] > 1), rank - 1)
        slopes = [np.broadcast_to(array, (1,) * shared + end.shape[shared:]) for array in found.weights]
        return Plain(found.layer, {"shared_axes": [*range(1, shared + 1)]} if shared else {}, slopes)
    return found


def _function(start: Flow, flows: Sequence[Flow], columns: int | None = None) -> Callable[[Array], Array]:
    """Return the function that computes the last flow from `start`, for all columns or the first."""

    def function(x: Array) -> Array:
        values = {start: x}
        for flow in flows:
            assert flow.function is not None
            arguments = [
                values[a] if isinstance(a, Flow) else a if a is None or not a.ndim else a[..., :columns]
                for a in flow.arguments
            ]
            values[flow] = flow.function(*arguments)
        return values[flows[-1]]

    return function


def _block(start: Flow, end: Flow, budget: Budget) -> Piece | None:
    """Return a residual block of activations alone, if that is what ends in an addition."""
    if end.operator != "Add" or start not in end.sources or len(end.sources) != 2:
        return None
    (other,) = [source for source in end.sources if source is not start] or [start]
    points = [start] if other is start else _points(other, start)
    if points is None:
        return None
    pieces, reached = _recognized(points, budget)
    return Block(_extended((), start, pieces)) if reached == len(points) - 1 else None


# ---- Scaling --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Scaling(Piece):
    """``(x - center) * factor + offset``, each a number or a row, in float64."""

    shape: Shape
    center: Array
    factor: Array
    offset: Array

    @property
    def is_offset(self) -> bool:
        return bool((self.center == 0.0).all() and (self.factor == 1.0).all() and self.offset.ndim <= 1)

    def pieces(self) -> list[Piece]:
        return scaling_pieces(self.shape, self.center, self.factor, self.offset)


@dataclass(frozen=True, eq=False)
class _Limited(Piece):
    """Values kept between limits, of which one may be infinite."""

    shape: Shape
    limits: Limits

    def parts(self) -> list[Piece]:
        """Return the rectifier or the hard sigmoid that does it, with the scaling before and after it."""
        low, high = self.limits.low, self.limits.high
        zero, one = np.zeros(()), np.ones(())
        if math.isfinite(low) and math.isfinite(high):
            before = _Scaling(self.shape, zero, one * 6.0 / (high - low), -3.0 * one * (high + low) / (high - low))
            after = _Scaling(self.shape, zero, one * (high - low), one * low)
            return [before, Activating(ActivationFunction("hard_sigmoid")), after]
        limit, sign = (low, one) if math.isfinite(low) else (high, -one)
        before = _Scaling(self.shape, zero, sign, -sign * limit)
        return [before, Activating(ActivationFunction("relu")), _Scaling(self.shape, zero, sign, one * limit)]


def _scaling(points: Sequence[Flow]) -> _Scaling | None:
    """Return what a row of operators computes when each of them adds a constant or multiplies by one."""
    center, factor, offset = np.zeros(()), np.ones(()), np.zeros(())
    for x, flow in itertools.pairwise(points):
        match flow.operator, *(a if isinstance(a, np.ndarray) else a is x for a in flow.arguments):
            case ("Neg", True):
                factor, offset = -factor, -offset
            case ("Add", True, np.ndarray() as k) | ("Add", np.ndarray() as k, True):
                offset = offset + k
            case ("Sub", True, np.ndarray() as k):
                untouched = (factor == 1.0).all() and (offset == 0.0).all()
                center, offset = (center + k, offset) if untouched else (center, offset - k)
            case ("Sub", np.ndarray() as k, True):
                factor, offset = -factor, k - offset
            case ("Mul", True, np.ndarray() as k) | ("Mul", np.ndarray() as k, True):
                factor, offset = factor * k, offset * k
            case ("Div", True, np.ndarray() as k) if k.all():
                factor, offset = factor / k, offset / k
            case _:
                return None
    return _Scaling(points[-1].shape, center, factor, offset)

"""The layers of a functional model of Keras in a row, with blocks where a layer ``Add`` adds two branches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["DEEPEST", "Block", "entries_in", "row_of"]

DEEPEST = 100  # blocks in one another
_ACCEPTED = "fastnet has layers in a row, each takes the one before, and layers Add of two branches from one layer"


@dataclass(frozen=True)
class Block:
    """Layers whose output is added to their input, or to what other layers make of it.

    Attributes
    ----------
    name : str
        That of the layer that adds.
    row, shortcut : list of dict or Block
        The layers of the two branches, from the input on, as Keras serializes them. The shortcut is the branch without
        layers, or what the layer that adds takes first.
    """

    name: str
    row: list["dict[str, Any] | Block"]
    shortcut: list["dict[str, Any] | Block"]


def entries_in(row: Sequence[dict[str, Any] | Block]) -> Iterator[dict[str, Any]]:
    """Yield the layers of a row and of the blocks in it."""
    for part in row:
        if isinstance(part, Block):
            yield from entries_in([*part.row, *part.shortcut])
        else:
            yield part


def row_of(inside: Mapping[str, Any]) -> list[dict[str, Any] | Block]:
    """Return the layers of a functional model, the input first.

    Parameters
    ----------
    inside : dict
        Its configuration, whose layers come in an order in which each is behind those that it takes.

    Raises
    ------
    ValueError
        It is not one row of layers and blocks; the message names the layer.
    """
    graph = _Graph(inside["layers"])
    outputs = [*_sources(inside.get("output_layers"))]
    if outputs != [graph.names[-1]]:
        raise ValueError(
            f"its outputs are those of {' and '.join(map(repr, outputs))}; fastnet has that of the last layer"
        )
    return graph.row()


class _Graph:
    """The layers of a functional model by their numbers, with the numbers of those that they take."""

    def __init__(self, entries: Sequence[dict[str, Any]]) -> None:
        self.entries = entries
        self.names = [entry.get("name") for entry in entries]
        self.taken = [[*_sources(entry.get("inbound_nodes"))] for entry in entries]
        numbers = {name: number for number, name in enumerate(self.names)}
        self.sources = [[numbers.get(name, number) for name in taken] for number, taken in enumerate(self.taken)]
        # Through which layer everything goes that a layer is computed from, the last such one.
        self._forks = [0]
        for number in range(1, len(entries)):
            self._check(number)
            self._forks.append(self._common(self.sources[number]))
        self._walked: set[int] = set()

    def _check(self, number: int) -> None:
        taken, sources = self.taken[number], self.sources[number]
        adds = self.entries[number].get("class_name") == "Add" and len(sources) == 2
        if not sources or max(sources) >= number or (len(sources) > 1 and not adds):
            what = f"takes {' and '.join(map(repr, taken))}" if taken else "is an input of its own"
            raise ValueError(f"layer {self.names[number]!r} {what}; {_ACCEPTED}")
        if adds and sources[0] == sources[1]:
            raise ValueError(f"layer {self.names[number]!r} adds {taken[0]!r} to itself; {_ACCEPTED}")

    def _common(self, sources: list[int]) -> int:
        """Return the last layer that everything goes through which layers are computed from."""
        first, last = sources[0], sources[-1]
        while first != last:
            first, last = min(first, last), max(first, last)
            last = self._forks[last]
        return first

    def row(self) -> list[dict[str, Any] | Block]:
        """Return the row of all layers."""
        found = [self.entries[0], *self._between(0, len(self.names) - 1, 0)]
        unused = set(range(1, len(self.names))) - self._walked
        if unused:
            raise ValueError(f"layer {self.names[max(unused)]!r} is taken by no other; {_ACCEPTED}")
        return found

    def _between(self, start: int, end: int, depth: int) -> list[dict[str, Any] | Block]:
        """Return the row of layers behind `start` up to `end`."""
        if depth > DEEPEST:
            raise ValueError(f"its layers Add are nested deeper than {DEEPEST}")
        row: list[dict[str, Any] | Block] = []
        while end != start:
            if end in self._walked:
                raise ValueError(f"layer {self.names[end]!r} is part of two branches; {_ACCEPTED}")
            self._walked.add(end)
            fork, sources = self._forks[end], self.sources[end]
            if len(sources) == 1:
                row.append(self.entries[end])
            else:
                shortcut, branch = (self._between(fork, source, depth + 1) for source in sources)
                if not branch:
                    shortcut, branch = branch, shortcut
                row.append(Block(str(self.names[end]), branch, shortcut))
            end = fork
        return row[::-1]


def _sources(node: Any) -> Iterator[Any]:
    """Yield the names of the layers whose outputs a node of a functional model takes."""
    if isinstance(node, dict) and node.get("class_name") == "__keras_tensor__":
        yield node["config"]["keras_history"][0]
    elif isinstance(node, dict):  # the arguments of a call
        for argument in (*node.get("args", ()), *node.get("kwargs", {}).values()):
            yield from _sources(argument)
    elif isinstance(node, list) and node and isinstance(node[0], str):  # Keras 2: name, numbers, arguments
        yield node[0]
    elif isinstance(node, list):
        for part in node:
            yield from _sources(part)

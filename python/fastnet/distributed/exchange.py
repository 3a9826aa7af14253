"""The exchange of a step: the gradients of all shards are summed, and every rank gets the figures of all samples."""

import math
from collections.abc import Callable, Sequence
from itertools import accumulate
from threading import Event
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnet._core import flush_subnormals
from fastnet.distributed.batches import WholeBatches
from fastnet.distributed.communicator import Communicator
from fastnet.distributed.tree import additions, blocks_in, part_of

if TYPE_CHECKING:
    from concurrent.futures import Future

Array = NDArray[Any]
Key = tuple[int, int, int, bool]  # the rows, outputs and values of a step, and whether the ranks send pieces

# From this size on, three ranks and more add up one piece of the gradients each. That takes a second message, and
# saves most of the bytes: 1.3 to 2 times the gradients are received, instead of one time for each other rank.
PIECES_FROM = 1 << 16

# From this number of parameters on, the gradients of a layer are exchanged while others are computed.
EARLY_FROM = 1 << 14

_NO_FIGURES = np.empty((0, 2))


class Message(NamedTuple):
    """What one rank sends in a step, as views of the buffer of all messages."""

    wishes: NDArray[np.uint64]
    figures: NDArray[np.float64]
    outputs: Array
    sums: Array


class Exchange:
    """The function that the core calls in every step with the sums of this rank's shards, and the figures of its samples.

    Parameters
    ----------
    communicator : Communicator
        The ranks.
    shards : int
        The number of shards.
    wishes : callable
        Returns what this rank wants to end training for, as flags; they travel with the gradients.
    obey : callable
        Gets the wishes of all ranks, and returns whether the epoch goes on after this step.
    """

    def __init__(
        self, communicator: Communicator, shards: int, wishes: Callable[[], int], obey: Callable[[int], bool]
    ) -> None:
        # Here, because it imports logging, which takes a fifth of the time of `import fastnet`.
        from concurrent.futures import ThreadPoolExecutor

        self._communicator, self._shards = communicator, shards
        self._wishes, self._obey = wishes, obey
        self._parts = [part_of(rank, communicator.size, shards) for rank in range(communicator.size)]
        self._blocks = [len(blocks_in(part, shards)) for part in self._parts]
        self._additions = additions(self._parts, shards)
        self._memory = np.empty(0, np.uint8)
        self._layouts: dict[Key, tuple[list[int], list[Message]]] = {}
        # One thread, so that messages follow each other in the order in which they are begun.
        self._aside = ThreadPoolExecutor(1, "exchange", flush_subnormals)
        self._begun: list[tuple[slice, Future[int]]] = []
        self._awaited = Event()  # whether the core waits for the messages
        self.batches: WholeBatches | None = None  # of metrics that observe the outputs of all samples

    @property
    def part(self) -> range:
        """The shards that this rank computes."""
        return self._parts[self._communicator.rank]

    @property
    def early(self) -> tuple[Callable[[Array, int, int], None], int] | None:
        """What begins an exchange, for how many parameters at least; None where MPI takes calls of one thread alone."""
        return (self.begin, EARLY_FROM) if self._communicator.has_threads else None

    def begin(self, sums: Array, first: int, last: int) -> None:
        """Begin to put the total of all shards into columns `first` to `last` - 1 of row 0 of the sums."""
        self._awaited.clear()
        columns = slice(first, last)
        self._begun.append((columns, self._aside.submit(self._exchange, sums[:, columns], awaited=self._awaited)))

    def __call__(self, sums: Array, figures: NDArray[np.float64]) -> bool:
        """Put the total of all shards into row 0 of the sums, and fill in the figures; return whether the epoch goes on."""
        self._awaited.set()
        begun, self._begun = self._begun, []
        for _, message in begun:
            message.result()
        if begun:
            rest = _between([columns for columns, _ in begun], sums.shape[1])
            own = np.concatenate([sums[:, :0], *(sums[:, columns] for columns in rest)], axis=1)
            wishes = self._exchange(own, figures, self._wishes(), self.batches)
            for columns, total in zip(rest, np.split(own[0], _ends(rest)), strict=False):
                sums[0, columns] = total
        else:
            wishes = self._exchange(sums, figures, self._wishes(), self.batches)
        return self._obey(wishes)

    def _exchange(
        self,
        sums: Array,
        figures: NDArray[np.float64] = _NO_FIGURES,
        wishes: int = 0,
        batches: WholeBatches | None = None,
        awaited: Event | None = None,
    ) -> int:
        """Put the total of all shards into row 0 of the sums, and fill in the figures; return the wishes of all ranks."""
        rank, size, rows = self._communicator.rank, self._communicator.size, len(figures)
        in_pieces = size > 2 and sums[0].nbytes >= PIECES_FROM
        body = self._piece(sums, awaited) if in_pieces else sums
        width = 0 if batches is None else batches.width
        lengths, messages = self._layout((rows, width, sums.shape[1], in_pieces), sums.dtype)
        ranges = [slice(rows * part.start // self._shards, rows * part.stop // self._shards) for part in self._parts]

        own = messages[rank]
        own.wishes[0] = wishes
        own.figures[...] = figures[ranges[rank]]
        own.sums[...] = body
        if batches is not None:
            own.outputs[...] = batches.taken()
        self._communicator.gather_in_place(self._memory[: sum(lengths)], lengths, awaited)

        for message, own_rows in zip(messages, ranges, strict=True):
            figures[own_rows] = message.figures
        if in_pieces:
            for columns, message in zip(self._columns(sums.shape[1]), messages, strict=True):
                sums[0, columns] = message.sums
        else:
            self._add_up([block for message in messages for block in message.sums], sums[0])
        if batches is not None:
            batches.observe(np.concatenate([message.outputs for message in messages]))
        union = 0
        for message in messages:
            union |= int(message.wishes[0])
        return union

    def _add_up(self, blocks: list[Array], total: Array) -> None:
        """Add up the sums of all blocks, which are changed, in the order of the tree."""
        *others, (first, last) = self._additions
        for left, right in others:
            np.add(blocks[left], blocks[right], out=blocks[left])
        np.add(blocks[first], blocks[last], out=total)

    def _columns(self, values: int) -> list[slice]:
        """Return the piece of the gradients that each rank adds up."""
        size = self._communicator.size
        return [slice(values * rank // size, values * (rank + 1) // size) for rank in range(size)]

    def _piece(self, sums: Array, awaited: Event | None) -> Array:
        """Return the total of this rank's piece of the gradients."""
        columns = self._columns(sums.shape[1])
        own = columns[self._communicator.rank]
        sent = np.concatenate([sums[:, piece].reshape(-1) for piece in columns])
        received = np.empty((sum(self._blocks), own.stop - own.start), sums.dtype)
        given = [(piece.stop - piece.start) * len(sums) * sums.itemsize for piece in columns]
        taken = [blocks * received.shape[1] * sums.itemsize for blocks in self._blocks]
        pieces = (sent.view(np.uint8), given, received.reshape(-1).view(np.uint8), taken)
        self._communicator.exchange_pieces(*pieces, awaited)
        total: Array = received[0]
        self._add_up([*received], total)
        return total

    def _layout(self, key: Key, dtype: np.dtype[Any]) -> tuple[list[int], list[Message]]:
        """Return the lengths of the messages of all ranks, and the messages, in memory that is used for every step."""
        if key not in self._layouts:
            rows, width, values, in_pieces = key
            shapes: list[list[tuple[int, ...]]] = []
            for part, blocks, columns in zip(self._parts, self._blocks, self._columns(values), strict=True):
                own = rows * part.stop // self._shards - rows * part.start // self._shards
                sums = (columns.stop - columns.start,) if in_pieces else (blocks, values)
                shapes.append([(1,), (own, 2), (own, width), sums])
            dtypes = [np.dtype(np.uint64), np.dtype(np.float64), dtype, dtype]
            lengths = [sum(map(_padded, one, dtypes)) for one in shapes]
            if sum(lengths) > len(self._memory):
                self._memory = np.empty(sum(lengths), np.uint8)
                self._layouts.clear()  # they are views of the former memory
            self._layouts[key] = lengths, _messages(self._memory, shapes, dtypes)
        return self._layouts[key]


def _between(ranges: Sequence[slice], end: int) -> list[slice]:
    """Return what lies between ascending ranges, and before and behind them up to `end`."""
    starts, stops = [0, *(one.stop for one in ranges)], [*(one.start for one in ranges), end]
    return [slice(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]


def _ends(ranges: Sequence[slice]) -> list[int]:
    """Return where each of the ranges ends if they follow each other."""
    return list(accumulate(one.stop - one.start for one in ranges))


def _padded(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Return the number of bytes of an array in a message, where the next one begins at a multiple of 8."""
    return -(-math.prod(shape) * dtype.itemsize // 8) * 8


def _messages(
    memory: NDArray[np.uint8], shapes: Sequence[Sequence[tuple[int, ...]]], dtypes: Sequence[np.dtype[Any]]
) -> list[Message]:
    """Return messages of arrays of these shapes and types, one after the other in the memory."""
    messages, begin = [], 0
    for one in shapes:
        arrays: list[Array] = []
        for shape, dtype in zip(one, dtypes, strict=True):
            size = math.prod(shape) * dtype.itemsize
            arrays.append(memory[begin : begin + size].view(dtype).reshape(shape))
            begin += _padded(shape, dtype)
        messages.append(Message(*arrays))
    return messages

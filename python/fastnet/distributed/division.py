"""The division of an evaluation among ranks: each computes some rows, and all get all of them, in their order."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.distributed.communicator import Communicator
from fastnet.distributed.tree import part_of

Array = NDArray[Any]
Fill = Callable[[NDArray[np.float64]], None]


class Division:
    """The rows of samples that each rank evaluates.

    Parameters
    ----------
    communicator : Communicator
        The ranks.
    """

    def __init__(self, communicator: Communicator) -> None:
        self._communicator = communicator

    def part(self, rows: int) -> tuple[int, int, Fill]:
        """Return the first and the last row (excluded) of this rank, and what gets the figures of the others.

        The figures have a column for each row.
        """
        own = self._parts(rows)[self._communicator.rank]

        def fill(figures: NDArray[np.float64]) -> None:
            figures[...] = self._joined(figures.T[own.start : own.stop], rows).T

        return own.start, own.stop, fill

    def predicted(self, x: Any, predict: Callable[[Any], Array]) -> Array:
        """Return the outputs for all rows of x, of which this rank computes its own."""
        own = self._parts(len(x))[self._communicator.rank]
        return self._joined(predict(x[own.start : own.stop]), len(x))

    def _parts(self, rows: int) -> list[range]:
        size = self._communicator.size
        return [part_of(rank, size, rows) for rank in range(size)]

    def _joined(self, own: Array, rows: int) -> Array:
        """Return the rows of all ranks."""
        parts = self._parts(rows)
        joined = np.empty((rows, own.shape[1]), own.dtype)
        part = parts[self._communicator.rank]
        joined[part.start : part.stop] = own
        lengths = [len(part) * joined.strides[0] for part in parts]
        self._communicator.gather_in_place(joined.reshape(-1).view(np.uint8), lengths)
        return joined

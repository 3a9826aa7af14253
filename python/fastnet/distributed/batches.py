"""Whole batches for metrics that are computed in Python, where the core hands over their outputs shard by shard."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Observer = Callable[[int, Array], None]  # gets the first row of a batch in the order of the epoch, and its outputs


class WholeBatches:
    """The outputs of the batches of an epoch, or the rest of one, joined from those of their shards.

    Parameters
    ----------
    observer : callable
        Is called with every batch, in the order of the epoch.
    rows : int
        The rows of the epoch.
    batch_size : int
        The rows of every batch but the last.
    first : int
        The row that the next batch begins with.
    width : int
        The number of outputs of a sample.
    dtype : str
        The type of the outputs.
    is_complete : bool
        Whether this process computes all shards, so that a batch is observed as soon as its last shard is there.
    """

    def __init__(
        self, observer: Observer, rows: int, batch_size: int, first: int, width: int, dtype: str, is_complete: bool
    ) -> None:
        self.width = width
        self._observer, self._rows, self._batch_size, self._first = observer, rows, batch_size, first
        self._empty = np.empty((0, width), dtype)
        self._parts: list[Array] = []
        self._is_complete = is_complete

    def add(self, first: int, outputs: Array) -> None:
        """Add the outputs of a shard, which begins with row `first`."""
        self._parts.append(outputs.copy())
        if self._is_complete and first + len(outputs) == min(self._first + self._batch_size, self._rows):
            self.observe(self.taken())

    def taken(self) -> Array:
        """Return the outputs so far, and forget them."""
        parts, self._parts = self._parts, []
        return np.concatenate(parts) if parts else self._empty

    def observe(self, outputs: Array) -> None:
        """Hand the outputs of a whole batch to the observer, and go on to the next one."""
        self._observer(self._first, outputs)
        self._first += len(outputs)

"""The division of the batches of a run into shards, in the form that the core takes it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.distributed.batches import Observer, WholeBatches
from fastnet.distributed.exchange import Exchange

Division = tuple[int, int, int, Callable[[NDArray[Any], NDArray[np.float64]], bool] | None]


class Sharding:
    """The shards of every batch of a run, and those of them that this rank computes.

    Parameters
    ----------
    shards : int
        The number of shards.
    exchange : Exchange, optional
        The exchange with the other ranks; without one, this process computes all shards.
    """

    def __init__(self, shards: int, exchange: Exchange | None) -> None:
        self._shards, self._exchange = shards, exchange

    @property
    def for_core(self) -> Division:
        """The argument of the core."""
        part = range(self._shards) if self._exchange is None else self._exchange.part
        return self._shards, part.start, part.stop, self._exchange

    def joined(self, rows: int, batch_size: int, first: int, width: int, dtype: str, observer: Observer) -> Observer:
        """Return an observer of the outputs of this rank's shards, which calls the given one with whole batches.

        The other arguments are those of `WholeBatches`.
        """
        batches = WholeBatches(observer, rows, batch_size, first, width, dtype, self._exchange is None)
        if self._exchange is not None:
            self._exchange.batches = batches
        return batches.add

"""The division of the batches of a run into shards, in the form that the core takes it."""

from typing import TYPE_CHECKING, Any

from fastnet.distributed.batches import Observer, WholeBatches

if TYPE_CHECKING:
    from fastnet.distributed.exchange import Exchange


class Sharding:
    """The shards of every batch of a run, and those of them that this rank computes.

    Parameters
    ----------
    shards : int
        The number of shards.
    exchange : Exchange, optional
        The exchange with the other ranks; without one, this process computes all shards.
    """

    def __init__(self, shards: int, exchange: "Exchange | None") -> None:
        self._shards, self._exchange = shards, exchange

    @property
    def for_core(self) -> dict[str, Any]:
        """The arguments of the core."""
        if self._exchange is None:
            return {"sharding": (self._shards, 0, self._shards, None)}
        part = self._exchange.part
        return {"sharding": (self._shards, part.start, part.stop, self._exchange), "early": self._exchange.early}

    def joined(self, rows: int, batch_size: int, first: int, width: int, dtype: str, observer: Observer) -> Observer:
        """Return an observer of the outputs of this rank's shards, which calls the given one with whole batches.

        The other arguments are those of `WholeBatches`.
        """
        batches = WholeBatches(observer, rows, batch_size, first, width, dtype, self._exchange is None)
        if self._exchange is not None:
            self._exchange.batches = batches
        return batches.add

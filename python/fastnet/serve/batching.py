"""Requests that come at the same time are predicted in one call, beside the event loop where it takes long."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Batcher"]

Array = NDArray[Any]


class _Request(NamedTuple):
    rows: Array
    answer: "asyncio.Future[Array]"


class Batcher:
    """Gathers rows of several requests and predicts them in one call.

    A request that finds no call running waits until the event loop has handled what else had come in, which takes less
    than a millisecond; another waits for the call to end. Rows keep their order.

    Parameters
    ----------
    predict : callable
        Called with an array of rows, one call at a time; it returns as many rows.
    max_batch : int
        The most rows of a call, unless a single request has more.
    quick_rows : int
        For so many rows, at most, a call takes less time than handing it to a thread: the event loop makes it itself.
    """

    def __init__(self, predict: Callable[[Array], Array], max_batch: int, quick_rows: int = 0) -> None:
        self._predict = predict
        self._max_batch = max_batch
        self._quick_rows = quick_rows
        self._waiting: deque[_Request] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fastnet-predict")

    async def predict(self, rows: Array) -> Array:
        """Return the outputs of some rows; whoever is cancelled here is left out of the call, or of its answers."""
        loop = asyncio.get_running_loop()
        request = _Request(rows, loop.create_future())
        self._waiting.append(request)
        if self._sender is None or self._sender.done():
            self._sender = loop.create_task(self._send())
        return await request.answer

    async def _send(self) -> None:
        """Predict what is waiting, batch after batch."""
        while self._waiting:
            if batch := self._next_batch():
                await self._answer(batch)

    def _next_batch(self) -> list[_Request]:
        """Take requests from the queue, in order, as long as their rows fit into one call."""
        batch: list[_Request] = []
        room = self._max_batch
        while self._waiting and (not batch or len(self._waiting[0].rows) <= room):
            request = self._waiting.popleft()
            if not request.answer.done():  # it is when the client has gone
                batch.append(request)
                room -= len(request.rows)
        return batch

    async def _answer(self, batch: list[_Request]) -> None:
        rows = batch[0].rows if len(batch) == 1 else np.concatenate([request.rows for request in batch])
        try:
            outputs = self._predict(rows) if len(rows) <= self._quick_rows else await self.run(self._predict, rows)
            if len(outputs) != len(rows):
                raise ValueError(f"predict must return {len(rows)} rows, one for each that it gets; got {len(outputs)}")
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0], error)
            else:  # one of them is to blame; the others get their answers
                for request in batch:
                    await self._answer([request])
            return
        start = 0
        for request in batch:
            _settle(request, outputs[start : start + len(request.rows)])
            start += len(request.rows)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns that is called on the thread, between two predictions."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)

    def close(self) -> None:
        """Wait for the call that is running, and refuse others."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        for request in self._waiting:
            request.answer.cancel()
        self._waiting.clear()


def _settle(request: _Request, outcome: Array | Exception) -> None:
    if request.answer.done():
        return
    if isinstance(outcome, Exception):
        request.answer.set_exception(outcome)
    else:
        request.answer.set_result(outcome)

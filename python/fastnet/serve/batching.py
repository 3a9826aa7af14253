"""Requests that come at the same time are predicted in one call, beside the event loop where it takes long."""

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fastnet._core import Lock

__all__ = ["Batcher"]

Array = NDArray[Any]


class _Request(NamedTuple):
    rows: Array
    answer: "asyncio.Future[Array]"


class _Queue:
    """The requests of one event loop that wait, and the task that predicts them."""

    def __init__(self) -> None:
        self.waiting: deque[_Request] = deque()
        self.sender: asyncio.Task[None] | None = None  # while there is one

    def give_up(self) -> None:
        """Cancel what waits."""
        for request in self.waiting:
            request.answer.cancel()
        self.waiting.clear()


class Batcher:
    """Gathers rows of several requests and predicts them in one call.

    A request that finds no call running waits until the event loop has handled what else had come in, which takes less
    than a millisecond; another waits for the call to end. Rows keep their order.

    Several event loops may use it, each in a thread of its own, and so may the processes that are forked from one that did.
    Where the system has no thread to give, the event loop makes every call itself.

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
        self._function = predict
        self._max_batch = max_batch
        self._quick_rows = quick_rows
        self._one_call = Lock()
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
        self._thread: ThreadPoolExecutor | None = None
        self._process = os.getpid()  # in which the thread is
        self._closed = False

    async def predict(self, rows: Array) -> Array:
        """Return the outputs of some rows; whoever is cancelled here is left out of the call, or of its answers."""
        loop = asyncio.get_running_loop()
        queue = self._queues.setdefault(loop, _Queue())
        request = _Request(rows, loop.create_future())
        queue.waiting.append(request)
        if queue.sender is None:
            queue.sender = loop.create_task(self._send(queue))
        return await request.answer

    async def _send(self, queue: _Queue) -> None:
        """Predict what is waiting, batch after batch."""
        try:
            while queue.waiting:
                if batch := self._next_batch(queue.waiting):
                    await self._answer(batch)
        finally:
            queue.sender = None  # which has the event loop, which would have the queue for ever

    def _next_batch(self, waiting: deque[_Request]) -> list[_Request]:
        """Take requests from the queue, in order, as long as their rows fit into one call."""
        batch: list[_Request] = []
        room = self._max_batch
        while waiting and (not batch or len(waiting[0].rows) <= room):
            request = waiting.popleft()
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

    def _predict(self, rows: Array) -> Array:
        with self._one_call:
            return self._function(rows)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns that is called on the thread, between two predictions."""
        try:
            call = asyncio.get_running_loop().run_in_executor(self._own_thread(), function, *arguments)
        except RuntimeError:
            if self._closed:
                raise
            self._thread = None  # with what it has taken on
            return function(*arguments)
        return await call

    def _own_thread(self) -> ThreadPoolExecutor:
        """Return the thread of this process, not of the one that this one was forked from."""
        if self._closed:
            raise RuntimeError("the server is closed")
        if self._thread is None or self._process != os.getpid():
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="fastnet-predict")
            self._process = os.getpid()
        return self._thread

    def close(self) -> None:
        """Wait for the call that is running, and refuse others."""
        self._closed = True
        if self._thread is not None and self._process == os.getpid():
            self._thread.shutdown(wait=True, cancel_futures=True)
        for loop, queue in list(self._queues.items()):
            if not loop.is_closed():
                loop.call_soon_threadsafe(queue.give_up)


def _settle(request: _Request, outcome: Array | Exception) -> None:
    if request.answer.done():
        return
    if isinstance(outcome, Exception):
        request.answer.set_exception(outcome)
    else:
        request.answer.set_result(outcome)

"""Batching of concurrent requests into one prediction call, in a thread if the call is slow."""

import asyncio
import os
import time
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
    """Waiting requests of one event loop, and the task that predicts them."""

    def __init__(self) -> None:
        self.waiting: deque[_Request] = deque()
        self.sender: asyncio.Task[None] | None = None  # while requests wait

    def give_up(self) -> None:
        """Cancel waiting requests."""
        for request in self.waiting:
            request.answer.cancel()
        self.waiting.clear()


class Batcher:
    """Gather rows of several requests and predict them in one call.

    If no call is running, a request waits until the event loop has handled the other data that had arrived, less than a
    millisecond. Otherwise it waits for the running call to end. Rows keep their order.

    Several event loops, each in its own thread, may use it, and so may forked child processes. If the system cannot
    start a thread, the event loop makes every call itself.

    Parameters
    ----------
    predict : callable
        Called with an array of rows, one call at a time; it returns a row of outputs for each.
    max_batch : int
        The maximum number of rows in a call, unless a single request has more.
    quick_rows : int
        Up to this number of rows, a call is faster than a round trip to a thread: the event loop makes it itself.
    called : callable, optional
        Called after each call with the number of its rows and its time in seconds.
    shape : tuple of int, optional
        The shape of a row of outputs; anything else that the function returns is an error.

    Attributes
    ----------
    busy_since : float or None
        The time of `time.monotonic` at which the running call began; None between calls.
    """

    def __init__(
        self,
        predict: Callable[[Array], Array],
        max_batch: int,
        quick_rows: int = 0,
        called: Callable[[int, float], None] | None = None,
        shape: tuple[int, ...] | None = None,
    ) -> None:
        self.busy_since: float | None = None
        self._function = predict
        self._called = called
        self._shape = shape
        self._max_batch = max_batch
        self._quick_rows = quick_rows
        self._one_call = Lock()
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = WeakKeyDictionary()
        self._thread: ThreadPoolExecutor | None = None
        self._process = os.getpid()  # the process of the thread
        self._closed = False

    async def predict(self, rows: Array) -> Array:
        """Return the outputs of some rows; a cancelled request is left out of the call or gets no answer."""
        loop = asyncio.get_running_loop()
        queue = self._queues.setdefault(loop, _Queue())
        request = _Request(rows, loop.create_future())
        queue.waiting.append(request)
        if queue.sender is None:
            queue.sender = loop.create_task(self._send(queue))
        return await request.answer

    async def _send(self, queue: _Queue) -> None:
        """Predict waiting requests, batch by batch."""
        try:
            while queue.waiting:
                if batch := self._next_batch(queue.waiting):
                    await self._answer(batch)
        finally:
            queue.sender = None  # breaks a reference cycle: the task refers to the event loop, a key of the queue

    def _next_batch(self, waiting: deque[_Request]) -> list[_Request]:
        """Take requests from the queue, in order, while their rows fit into one call."""
        batch: list[_Request] = []
        room = self._max_batch
        while waiting and (not batch or len(waiting[0].rows) <= room):
            request = waiting.popleft()
            if not request.answer.done():  # done if the client has disconnected
                batch.append(request)
                room -= len(request.rows)
        return batch

    async def _answer(self, batch: list[_Request]) -> None:
        rows = batch[0].rows if len(batch) == 1 else np.concatenate([request.rows for request in batch])
        try:
            outputs = self._predict(rows) if len(rows) <= self._quick_rows else await self.run(self._predict, rows)
            self._check(outputs, len(rows))
        except Exception as error:
            if len(batch) == 1:
                _settle(batch[0], error)
            else:  # only one of them fails; the others get their answers
                for request in batch:
                    await self._answer([request])
            return
        start = 0
        for request in batch:
            _settle(request, outputs[start : start + len(request.rows)])
            start += len(request.rows)

    def _check(self, outputs: Array, count: int) -> None:
        """Refuse what a function returned if its shape is not that of the outputs for so many rows."""
        got = np.shape(outputs)
        expected = (count, *(got[1:] if self._shape is None else self._shape))
        if got != expected:
            raise ValueError(
                f"predict must return outputs of shape {expected}, a row for each instance; got shape {got}"
            )

    def _predict(self, rows: Array) -> Array:
        with self._one_call:
            self.busy_since = began = time.monotonic()
            try:
                return self._function(rows)
            finally:
                self.busy_since = None
                if self._called is not None:
                    self._called(len(rows), time.monotonic() - began)

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a function on the thread, between two predictions, and return its result."""
        try:
            call = asyncio.get_running_loop().run_in_executor(self._own_thread(), function, *arguments)
        except RuntimeError:
            if self._closed:
                raise
            self._thread = None  # with its pending calls
            return function(*arguments)
        return await call

    def _own_thread(self) -> ThreadPoolExecutor:
        """Return the thread of this process, not that of the parent before a fork."""
        if self._closed:
            raise RuntimeError("the server is closed")
        if self._thread is None or self._process != os.getpid():
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="fastnet-predict")
            self._process = os.getpid()
        return self._thread

    def close(self) -> None:
        """Wait for the running call, and refuse others."""
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

"""A server of several processes: one starts the others, passes signals on, and replaces those that end.

Each worker accepts connections from the socket that all of them share, and has its own copy of the models. A connection
ties it to this process: the settings, orders and their end go to it, and "ready" comes back. Where this process ends, so
do the workers.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress

from fastnet.serve.metrics import Shared
from fastnet.serve.observing import LOG
from fastnet.serve.running import has_terminal
from fastnet.serve.settings import Settings
from fastnet.support.interrupts import handlers

__all__ = ["serve_by_workers"]

_SECONDS_TO_END = 10  # for a worker to answer the running requests, before it is killed
_SECONDS_BETWEEN_STARTS = 1.0
_SIGHUP = getattr(signal, "SIGHUP", None)


def serve_by_workers(
    settings: Settings, count: int, listening: socket.socket, started: Callable[[], None], bytes_per_worker: int
) -> None:
    """Serve in several processes until a signal ends them, which is then raised again.

    Parameters
    ----------
    settings : Settings
        What every worker is told.
    count : int
        The number of workers.
    listening : socket.socket
        The socket that they share.
    started : callable
        Called once all workers answer requests.
    bytes_per_worker : int
        The memory in which a worker counts: what `fastnet.serve.settings.check` returned.

    Raises
    ------
    ChildProcessError
        A worker ended before it answered requests.
    """
    with tempfile.TemporaryFile() as counts:
        counts.truncate(count * bytes_per_worker)
        supervisor = _Supervisor(settings, listening, counts.fileno(), count)
        asyncio.run(supervisor.run(started))
    if supervisor.signals:
        signal.raise_signal(supervisor.signals[-1])


class _Worker:
    """A process, and the connection to it."""

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.process = process
        self._reader = reader
        self._writer = writer
        self._ready = self._must_reload = False

    async def ready(self) -> bool:
        """Wait until it answers requests; return False if it ended before that."""
        self._ready = bool(await self._reader.readline())
        if self._ready and self._must_reload:
            self.reload()
        return self._ready

    def reload(self) -> None:
        """Let it load the models again, even if it is loading them for the first time."""
        if self._ready:
            self._writer.write(b"reload\n")
        self._must_reload = not self._ready

    def stop(self) -> None:
        """Let it end when the running requests are answered."""
        self._writer.close()

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(number)


class _Supervisor:
    """The process that starts the workers."""

    def __init__(self, settings: Settings, listening: socket.socket, counts: int, count: int) -> None:
        self.signals: list[int] = []  # those that said to stop
        self._settings = settings
        self._listening = listening
        self._counts = counts
        self._count = count
        self._workers: set[_Worker] = set()
        self._stopping = asyncio.Event()
        self._terminal = has_terminal()

    async def run(self, started: Callable[[], None]) -> None:
        """Keep the workers running until a signal comes, and wait for them to end."""
        loop = asyncio.get_running_loop()
        for number, handler in handlers().items():
            if handler is not signal.SIG_IGN:
                loop.add_signal_handler(number, self._hear, number)
        first = [loop.create_future() for _ in range(self._count)]
        keeping = [loop.create_task(self._keep(number, ready)) for number, ready in enumerate(first)]
        stopping = loop.create_task(self._stopping.wait())
        try:
            ready = asyncio.gather(*first)
            stopping.add_done_callback(lambda _: ready.cancel())
            with suppress(asyncio.CancelledError):
                await ready  # raises the error of a worker that could not begin
                started()
            await stopping
        finally:
            self._stopping.set()
            for worker in self._workers:
                worker.stop()
            await asyncio.wait(keeping, timeout=_SECONDS_TO_END)
            for worker in self._workers:
                worker.send_signal(signal.SIGKILL)
            await asyncio.wait(keeping)

    def _hear(self, number: int) -> None:
        if number == _SIGHUP and not (self._terminal and not has_terminal()):
            for worker in self._workers:
                worker.reload()
            return
        if self._stopping.is_set() and number == signal.SIGINT:  # the second Ctrl-C does not wait
            for worker in self._workers:
                worker.send_signal(number)
        self.signals.append(number)
        self._stopping.set()

    async def _keep(self, number: int, first: "asyncio.Future[None]") -> None:
        """Run one worker after another; `first` is done when the first one answers requests."""
        while not self._stopping.is_set():
            worker = await self._start(number)
            self._workers.add(worker)
            if self._stopping.is_set():
                worker.stop()
            if await worker.ready() and not first.done():
                first.set_result(None)
            status = await worker.process.wait()
            self._workers.discard(worker)
            worker.stop()
            if self._stopping.is_set():
                return
            if not first.done():
                first.set_exception(ChildProcessError("a worker ended before it answered requests"))
                return
            LOG.error("worker %d ended with status %d; another one takes its place", worker.process.pid, status)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _SECONDS_BETWEEN_STARTS)

    async def _start(self, number: int) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                # Without -P, a file in the current folder could stand in the place of a module.
                *(sys.executable, "-P", "-m", "fastnet.serve.worker", str(theirs.fileno())),
                pass_fds=(self._listening.fileno(), theirs.fileno(), self._counts),
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                process_group=0,  # Ctrl-C is for this process, which tells the workers
            )
        reader, writer = await asyncio.open_connection(sock=ours)
        given = {
            "settings": self._settings.as_dict(),
            "listening": self._listening.fileno(),
            "family": self._listening.family,
            "shared": Shared(self._counts, self._count, number),
        }
        writer.write(json.dumps(given).encode() + b"\n")
        return _Worker(process, reader, writer)

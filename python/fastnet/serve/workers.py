"""A server of several processes: one starts the others, passes signals on, and replaces those that end.

Each worker accepts connections from the socket that all of them share, and has its own copy of the models. A connection
ties it to this process: the settings, orders and their end go to it, and "ready" comes back. Where this process ends, so
do the workers. This process alone reads the files of the models. Workers load its copies, so that all of them, also one
that takes the place of another, have the same models.
"""

import asyncio
import dataclasses
import gc
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fastnet.serve.copies import CopyReloader, copy_of
from fastnet.serve.metrics import Metrics, Shared
from fastnet.serve.model_files import Loaded, ModelFile
from fastnet.serve.observing import LOG
from fastnet.serve.running import has_terminal
from fastnet.serve.settings import Settings, check, load_all
from fastnet.support.interrupts import handlers

__all__ = ["serve_by_workers"]

_SECONDS_TO_END = 10  # for a worker to answer the running requests, before it is killed
_SECONDS_BETWEEN_STARTS = 1.0  # twice as many after each worker that fails at once
_MOST_SECONDS_BETWEEN_STARTS = 30.0
_SECONDS_TO_PROVE_ITSELF = 10.0  # a worker that answers for longer has not failed at once
_SIGHUP = getattr(signal, "SIGHUP", None)


def serve_by_workers(settings: Settings, count: int, listening: socket.socket, started: Callable[[], None]) -> None:
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

    Raises
    ------
    ChildProcessError
        A worker ended before it answered requests.
    OSError, ValueError
        A model or the certificate cannot be read, or a setting is not valid.
    """
    with tempfile.TemporaryFile() as counts, tempfile.TemporaryDirectory(prefix="fastnet-serve-") as folder:
        supervisor = _Supervisor(settings, listening, counts.fileno(), count, Path(folder))
        counts.truncate((count + 1) * supervisor.load())
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

    def __init__(self, settings: Settings, listening: socket.socket, counts: int, count: int, folder: Path) -> None:
        self.signals: list[int] = []  # those that said to stop
        self._settings = settings
        self._listening = listening
        self._counts = counts
        self._count = count
        self._folder = folder
        self._copies = {file: copy_of(file, index, folder) for index, file in enumerate(settings.files())}
        self._loaded: dict[ModelFile, Loaded] = {}
        self._workers: set[_Worker] = set()
        self._stopping = asyncio.Event()
        self._terminal = has_terminal()

    def load(self) -> int:
        """Copy the files of the models and check what is in them; return the bytes of a row of the counts."""
        self._loaded = load_all(self._settings, lambda file: Path(self._copies[file].path))
        return check(self._settings, self._loaded)

    async def run(self, started: Callable[[], None]) -> None:
        """Keep the workers running until a signal comes, and wait for them to end."""
        loop = asyncio.get_running_loop()
        # The last row is that of this process, which counts files that cannot be loaded.
        shared = Shared(self._counts, self._count + 1, self._count)
        self._metrics = Metrics([file.name for file in self._copies], dict, shared)
        self._reloader = CopyReloader(
            self._loaded, self._copies, self._metrics, self._settings.max_batch, self._tell_to_reload
        )
        self._loaded.clear()
        gc.collect()  # models have reference cycles
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
                if self._settings.watch:
                    watching = loop.create_task(self._reloader.watch())
                    stopping.add_done_callback(lambda _: watching.cancel())
            await stopping
        finally:
            self._stopping.set()
            for worker in self._workers:
                worker.stop()
            await asyncio.wait(keeping, timeout=_SECONDS_TO_END)
            for worker in self._workers:
                worker.send_signal(signal.SIGKILL)
            await asyncio.wait(keeping)
            self._reloader.close()

    def _hear(self, number: int) -> None:
        if number == _SIGHUP and not (self._terminal and not has_terminal()):
            self._reloader.request()
            return
        if self._stopping.is_set() and number == signal.SIGINT:  # the second Ctrl-C does not wait
            for worker in self._workers:
                worker.send_signal(number)
        self.signals.append(number)
        self._stopping.set()

    def _tell_to_reload(self) -> None:
        for worker in self._workers:
            worker.reload()

    async def _keep(self, number: int, first: "asyncio.Future[None]") -> None:
        """Run one worker after another; `first` is done when the first one answers requests."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while not self._stopping.is_set():
            worker = await self._start(number)
            self._workers.add(worker)
            if self._stopping.is_set():
                worker.stop()
            if await worker.ready() and not first.done():
                first.set_result(None)
            ready = loop.time()
            status = await worker.process.wait()
            self._workers.discard(worker)
            self._metrics.ended(number)
            worker.stop()
            if self._stopping.is_set():
                return
            if not first.done():
                first.set_exception(ChildProcessError("a worker ended before it answered requests"))
                return
            LOG.error("worker %d ended with status %d; another one takes its place", worker.process.pid, status)
            pause = _pause_after(pause, loop.time() - ready)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _start(self, number: int) -> _Worker:
        await self._reloader.restore()
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
            "settings": dataclasses.replace(
                self._settings, models=[tuple(copy) for copy in self._copies.values()], watch=False
            ).as_dict(),
            "copies": str(self._folder),
            "listening": self._listening.fileno(),
            "family": self._listening.family,
            "shared": Shared(self._counts, self._count + 1, number),
        }
        writer.write(json.dumps(given).encode() + b"\n")
        return _Worker(process, reader, writer)


def _pause_after(before: float, answered: float) -> float:
    """Return the seconds until a worker is started again: the pause before it, and for how long it answered."""
    if answered > _SECONDS_TO_PROVE_ITSELF:
        return _SECONDS_BETWEEN_STARTS
    return min(max(2 * before, _SECONDS_BETWEEN_STARTS), _MOST_SECONDS_BETWEEN_STARTS)

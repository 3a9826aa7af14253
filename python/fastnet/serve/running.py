"""Running the server on an address until it is told to stop."""

import asyncio
import errno
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from starlette.applications import Starlette

from fastnet.support.interrupts import handled, handlers

try:
    import uvicorn

    from fastnet.serve._protocol import LimitedProtocol
except ImportError:
    raise ImportError('running a server needs uvicorn and httptools: pip install "fastnet-nn[serve]"') from None

__all__ = ["listen", "run"]

_SECONDS_TO_FINISH = 5  # that requests have when the server is told to stop
_BACKLOG = 2048  # connections that may wait to be accepted
_NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address.

    Parameters
    ----------
    host : str
        A name or an address of this machine.
    port : int
        A port; 0 for any that is free.

    Raises
    ------
    OSError
        The port is in use or needs rights, or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        # With its protocol, unlike `socket.create_server`: without one asyncio would not send small answers at once.
        listening = socket.socket(family, kind, protocol)
        try:
            # Else a port that was left a moment ago is in use. On Windows it would let a second server in.
            if os.name == "posix":
                listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
        except BaseException:
            listening.close()
            raise
        return listening
    except OSError as error:
        at = f"cannot serve at {host} port {port}"
        if error.errno == errno.EADDRINUSE:
            raise OSError(f"{at}: it is in use; give another --port, or 0 for any that is free") from None
        if error.errno in _NOT_OURS or isinstance(error, socket.gaierror):
            raise OSError(f"{at}: {host} is no address of this machine") from None
        raise OSError(f"{at}: {(error.strerror or str(error)).lower()}") from None


def run(
    app: Starlette,
    listening: socket.socket,
    started: Callable[[], None],
    *,
    quiet: bool = False,
    timeout: float = 30.0,
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP tells to stop; requests that are being answered are finished.

    The signal is then raised again, for the handler that it had before.

    Parameters
    ----------
    app : Starlette
        The application.
    listening : socket.socket
        Where requests come in.
    started : callable
        Called when requests are answered.
    quiet : bool, default False
        Whether requests that are no HTTP go without a warning.
    timeout : float, default 30
        The most seconds that a client may take to send the body of a request, and to take its answer.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, when the server has stopped.
    """
    config = uvicorn.Config(
        _without_cancellation(app),
        http=type("Protocol", (LimitedProtocol,), {"timeout": timeout}),
        log_level="error" if quiet else "warning",
        use_colors=False,
        access_log=False,
        ws="none",
        server_header=False,
    )
    try:
        _Server(config, started).run(sockets=[listening])
    finally:
        gc.unfreeze()


def _without_cancellation(app: Starlette) -> Callable[..., Any]:
    """Return an application whose requests end quietly when they are cut off; uvicorn would log a failure of each."""

    async def quiet(scope: Any, receive: Any, send: Any) -> None:
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return quiet


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # What is there now stays. Else the collector goes through all of it twice a second under load, 12 ms each time.
        gc.collect()
        gc.freeze()
        self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cutting = asyncio.get_running_loop().call_later(_SECONDS_TO_FINISH, self._cut_off)
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()
            if self.force_exit:  # after a second Ctrl-C, which waits for nothing and leaves the application's end out
                self._cut_off()
                await self.lifespan.shutdown()

    def _cut_off(self) -> None:
        """End all connections, and then what still works for them."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.get_loop().call_soon(task.cancel)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGHUP, too; under nohup, which ignores it, it stays ignored."""
        with super().capture_signals():
            numbers = [number for number, handler in handlers().items() if handler is not signal.SIG_IGN]
            with handled(numbers, self.handle_exit):
                yield

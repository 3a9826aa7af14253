"""Running the server at an address until it is stopped."""

import asyncio
import errno
import gc
import os
import signal
import socket
import ssl
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

__all__ = ["has_terminal", "listen", "run"]

_SECONDS_TO_FINISH = 5  # for running requests when the server stops
_BACKLOG = 2048  # connections that may wait to be accepted
_NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens on an address.

    Parameters
    ----------
    host : str
        A name or an address of this machine.
    port : int
        A port; 0 for any free port.

    Raises
    ------
    OSError
        The port is in use or needs permissions, or the address is not one of this machine.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
        # With an explicit protocol, unlike `socket.create_server`: else asyncio does not set TCP_NODELAY.
        listening = socket.socket(family, kind, protocol)
        try:
            # Else a recently closed port is still in use. On Windows the option would admit a second server.
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
            raise OSError(f"{at}: it is in use; use another --port, or 0 for any free port") from None
        if error.errno in _NOT_OURS or isinstance(error, socket.gaierror):
            raise OSError(f"{at}: {host} is not an address of this machine") from None
        raise OSError(f"{at}: {(error.strerror or str(error)).lower()}") from None


def run(
    app: Starlette,
    listening: socket.socket,
    started: Callable[[], None],
    *,
    timeout: float = 30.0,
    encryption: ssl.SSLContext | None = None,
    reload: Callable[[], None] | None = None,
    control: socket.socket | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP; running requests are finished.

    The signal is then raised again, for the handler that it had before.

    Parameters
    ----------
    app : Starlette
        The application.
    listening : socket.socket
        The socket that accepts connections.
    started : callable
        Called once requests are answered, in the event loop.
    timeout : float, default 30
        The maximum time in seconds for a client to send the body of a request, and to read its answer.
    encryption : ssl.SSLContext, optional
        The certificate, for connections that are encrypted.
    reload : callable, optional
        Called at SIGHUP in the event loop, instead of stopping, unless the terminal of the process is gone.
    control : socket.socket, optional
        A connection to the process that started this one. Its lines are orders, and its end is an order to stop.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C, once the server has stopped.
    """
    config = uvicorn.Config(
        _without_cancellation(app),
        http=type("Protocol", (LimitedProtocol,), {"timeout": timeout}),
        log_config=None,  # the program decides what is logged
        access_log=False,
        ws="none",
        server_header=False,
    )
    config.load()
    config.ssl = encryption
    try:
        _Server(config, started, reload, control).run(sockets=[listening])
    finally:
        gc.unfreeze()


def _without_cancellation(app: Starlette) -> Callable[..., Any]:
    """Return an application that ignores cancelled requests, which uvicorn would log as failures."""

    async def quiet(scope: Any, receive: Any, send: Any) -> None:
        with suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return quiet


class _Server(uvicorn.Server):
    def __init__(
        self,
        config: uvicorn.Config,
        announce: Callable[[], None],
        reload: Callable[[], None] | None,
        control: socket.socket | None,
    ) -> None:
        super().__init__(config)
        self._announce = announce
        self._reload = reload
        self._control = control
        self._terminal = has_terminal()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Existing objects stay. Without freezing them, the collector scans them all twice a second under load, for 12
        # ms.
        gc.collect()
        gc.freeze()
        if self._control is not None:
            self._control.setblocking(False)
            asyncio.get_running_loop().add_reader(self._control, self._obey)
        self._announce()

    def _obey(self) -> None:
        """Do what the process that started this one says."""
        assert self._control is not None
        try:
            orders = self._control.recv(1024)
        except OSError:
            orders = b""
        if not orders:
            asyncio.get_running_loop().remove_reader(self._control)
            self.should_exit = True
        elif self._reload is not None:
            self._reload()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        cutting = asyncio.get_running_loop().call_later(_SECONDS_TO_FINISH, self._cut_off)
        try:
            await super().shutdown(sockets)
        finally:
            cutting.cancel()
            if self.force_exit:  # after a second Ctrl-C, which skips the shutdown of the application
                self._cut_off()
                await self.lifespan.shutdown()

    def _cut_off(self) -> None:
        """Close all connections, and then cancel their tasks."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in list(self.server_state.tasks):
            task.get_loop().call_soon(task.cancel)

    def handle_hangup(self, number: int, frame: Any) -> None:
        """Load the models again, or stop if there is nothing to load, or the terminal is gone."""
        if self._reload is None or (self._terminal and not has_terminal()):
            self.handle_exit(number, frame)
        else:
            self._loop.call_soon_threadsafe(self._reload)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Hear SIGHUP, too, unless it is ignored, as under nohup."""
        self._loop = asyncio.get_running_loop()
        with super().capture_signals():
            heard = {number for number, handler in handlers().items() if handler is not signal.SIG_IGN}
            hangup = heard & {getattr(signal, "SIGHUP", None)}
            with handled(heard - hangup, self.handle_exit), handled(hangup, self.handle_hangup):
                yield


def has_terminal() -> bool:
    """Return whether the process has a terminal; a closed one sends SIGHUP and is gone."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True

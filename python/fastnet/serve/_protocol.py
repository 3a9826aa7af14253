"""The server's HTTP protocol, with limits on the size of a request head and on slow clients, which uvicorn lacks."""

import asyncio
import os
import socket
import struct
from typing import ClassVar

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ["LimitedProtocol"]

_LONGEST_HEAD = 64 * 2**10
_SLOWEST_HEAD = 20.0  # seconds
_SLOWEST_READER = 1000  # bytes a second
_SECONDS_TO_DRAIN = 1.0  # for a client that still sends, to read why it is refused
_RESET = struct.pack("ii", 1, 0)  # for SO_LINGER: closing a socket drops unsent data
_TOO_LONG = f"the head of a request may have at most {_LONGEST_HEAD:,} bytes"


class LimitedProtocol(HttpToolsProtocol):
    """A connection with time limits.

    The head of a request, its line and its headers, is limited in bytes and in seconds. Its body must arrive within
    `timeout` seconds. In the same time the client must read the answer, or a part of it that justifies more time.
    """

    timeout: ClassVar[float] = 30.0

    # Bytes since the head, or the current part of a request, began; None between requests.
    _size: int | None = None
    _passed = 0  # requests that begin or end in the current data
    _too_long = _refused = False
    _incoming: asyncio.TimerHandle | None = None
    _outgoing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Pause writing while data wait for the client. At a limit of 0, asyncio's TLS would pause with none waiting.
        transport.set_write_buffer_limits(high=1 if transport.get_extra_info("sslcontext") else 0)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        super().connection_lost(exc)

    # --- What comes in ---

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._pass(0)
        if self._incoming is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        line = b"%b %b HTTP/1.1\r\n" % (self.parser.get_method(), self.url)
        if len(line) + sum(len(name) + len(value) + 4 for name, value in self.headers) + 2 > _LONGEST_HEAD:
            self._too_long = True
            raise ValueError(_TOO_LONG)  # ends the parser, too
        self._pass(0)
        super().on_headers_complete()
        self._incoming = self.loop.call_later(self.timeout, self._end_if_answered)

    def on_body(self, body: bytes) -> None:
        self._pass(0)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_waiting()
        self._pass(None)
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: the request is answered as one without an upgrade, and uvicorn would advise to install more."""

    def _pass(self, size: int | None) -> None:
        self._size = size
        self._passed += 1

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        between, self._passed = self._size is None, 0
        super().data_received(data)
        # The position of a beginning within the current data is only known if it is their start.
        if self._size is not None and self._passed <= between:
            self._size += len(data)
            if self._size > _LONGEST_HEAD and not self._refused:
                self.send_400_response(_TOO_LONG)

    def send_400_response(self, msg: str) -> None:
        """Refuse data that are not an HTTP request, with JSON as elsewhere; uvicorn would answer plain text."""
        body = msgspec.json.encode({"error": _TOO_LONG if self._too_long else msg})
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self._refused = True
        self._stop_waiting()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None or (cycle.response_complete and not self.pipeline):
            # Closing with unread data would reset the connection, and the client would not see the answer.
            if self.transport.can_write_eof():  # TLS cannot
                self.transport.write_eof()
            self._incoming = self.loop.call_later(_SECONDS_TO_DRAIN, self.transport.close)
        else:
            self.transport.close()

    def _wait_for_head(self) -> None:
        self._incoming = self.loop.call_later(_SLOWEST_HEAD, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._incoming is not None:
            self._incoming.cancel()
            self._incoming = None

    def _end_if_answered(self) -> None:
        """Close the connection if a body is late after the answer; the application refuses other late bodies."""
        if self.cycle.response_complete:
            self.timeout_keep_alive_handler()
        else:
            self._incoming = self.loop.call_later(1.0, self._end_if_answered)

    # --- What goes out ---

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def _watch_reader(self) -> None:
        unread = self.transport.get_write_buffer_size()
        self._outgoing = self.loop.call_later(self.timeout, self._cut_off, unread - _SLOWEST_READER * self.timeout)

    def _stop_watching(self) -> None:
        if self._outgoing is not None:
            self._outgoing.cancel()
            self._outgoing = None

    def _cut_off(self, expected: float) -> None:
        """Close the connection of a client that reads its answer too slowly, or keep watching."""
        if self.transport.get_write_buffer_size() > max(expected, 0):
            if os.name == "posix":
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()
        else:
            self._watch_reader()

"""The server's HTTP, with limits on what comes before a body: uvicorn has none of its own."""

import asyncio

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["LimitedProtocol"]

_LONGEST_HEAD = 64 * 2**10
_SLOWEST_HEAD = 20.0  # seconds


class LimitedProtocol(HttpToolsProtocol):
    """A connection whose requests have a head, the line and the headers, that ends soon, in bytes and in seconds."""

    _head: int | None = None  # bytes of one that has not ended, without those that it began with
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head = 0
        if self._timer is None:
            self._wait_for_head()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        self._head = None
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        in_head = self._head is not None
        super().data_received(data)
        if in_head and self._head is not None:
            self._head += len(data)
            if self._head > _LONGEST_HEAD and not self.transport.is_closing():
                self.send_400_response(f"the head of a request has at most {_LONGEST_HEAD:,} bytes here")

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP request, as other requests are refused; uvicorn's answer would be plain text."""
        body = msgspec.json.encode({"error": msg})
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _wait_for_head(self) -> None:
        self._timer = self.loop.call_later(_SLOWEST_HEAD, self.timeout_keep_alive_handler)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

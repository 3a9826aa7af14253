"""Receiving the bodies of requests within limits on their size and time."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from fastnet.serve.bodies import RequestError

__all__ = ["Receiver", "header_of"]


def header_of(request: Request, name: bytes) -> str:
    """Return the value of a header, or an empty string; the name in small letters.

    `Request.headers` raises and catches an error where there is none of this name, which takes longer than the search.
    """
    for key, value in request.scope["headers"]:
        if key == name:
            return str(value, "latin-1")
    return ""


class Receiver:
    """Limits on bodies and on the time for their answers.

    Parameters
    ----------
    max_body : int
        The maximum size of a body in bytes.
    timeout : float
        The maximum time in seconds for a body to arrive, and for its answer.
    """

    def __init__(self, max_body: int, timeout: float) -> None:
        self._max_body = max_body
        self.timeout = timeout

    async def answer(self, request: Request, answer: Callable[[bytes], Awaitable[Response]]) -> Response:
        """Return the answer to a body, within the time limits for its arrival and for the answer."""
        body = None
        try:
            async with asyncio.timeout(self.timeout):
                body = await self._body_of(request)
                return await answer(body)
        except TimeoutError:
            limit = f"within {self.timeout:g} seconds"
            if body is None:
                raise RequestError(408, f"the body did not arrive {limit}") from None
            raise RequestError(503, f"the model did not answer {limit}; try again later") from None

    async def _body_of(self, request: Request) -> bytes:
        """Return the body; refuse it as soon as it is too large."""
        announced = header_of(request, b"content-length")
        if announced.isdecimal() and int(announced) > self._max_body:
            raise self._too_large()
        parts, size = [], 0
        while True:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise RequestError(400, "the body ended early")
            part = message.get("body", b"")
            size += len(part)
            if size > self._max_body:
                raise self._too_large()
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)

    def _too_large(self) -> RequestError:
        return RequestError(413, f"the body of a request may have at most {self._max_body:,} bytes")

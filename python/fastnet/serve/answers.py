"""Answers to requests: JSON, npy, errors and files."""

import io
import mimetypes
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["JSON", "NPY", "Endpoint", "constant", "error_answer", "files_of", "json_answer", "npy_answer"]

JSON, NPY = "application/json", "application/x-npy"
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}

Endpoint = Callable[[Request], Awaitable[Response]]


def json_answer(content: Any, status: int = 200) -> Response:
    """Return an answer in JSON."""
    return Response(msgspec.json.encode(content), status, media_type=JSON)


def npy_answer(array: NDArray[Any]) -> Response:
    """Return an array as a file of `numpy.save`."""
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return Response(stream.getvalue(), media_type=NPY)


def error_answer(status: int, message: str, headers: Any = None) -> Response:
    """Return an error in JSON."""
    answer = json_answer({"error": message}, status)
    answer.headers.update(headers or {})
    return answer


def constant(response: Response) -> Endpoint:
    """Return an endpoint that always gives the same response."""

    async def endpoint(_: Request) -> Response:
        return response

    return endpoint


def files_of(folder: str) -> dict[str, Response]:
    """Return the files of a folder of this package by name."""
    types = mimetypes.MimeTypes()  # not the system's table, which differs between machines
    files = {}
    for file in resources.files("fastnet.serve").joinpath(folder).iterdir():
        if file.is_file():
            kind = types.guess_type(file.name)[0] or "application/octet-stream"
            files[file.name] = Response(file.read_bytes(), headers=_PAGE_HEADERS, media_type=kind)
    return files

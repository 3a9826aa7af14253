"""The server as an ASGI application: routes and their answers."""

import asyncio
import io
import mimetypes
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.support.validation import check_integer, check_number

try:
    import msgspec
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response
    from starlette.routing import Route
    from starlette.types import ASGIApp, Receive, Scope, Send
except ImportError:
    raise ImportError('fastnet.serve needs starlette and msgspec: pip install "fastnet-nn[serve]"') from None

from fastnet.models import Sequential
from fastnet.quantization import QuantizedModel
from fastnet.serve._hosts import Hosts
from fastnet.serve.batching import Batcher
from fastnet.serve.bodies import RequestError, Rows
from fastnet.serve.openapi import describe_api
from fastnet.serve.predictor import Predictor

__all__ = ["create_app"]

Array = NDArray[Any]

_JSON, _NPY = "application/json", "application/x-npy"
# Floating-point operations that take less time than a round trip to a thread, about 80 us in a running server.
_QUICK = 5_000_000
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


def create_app(
    model: Sequential | QuantizedModel,
    *,
    max_batch: int = 1024,
    max_body: int = 16 * 2**20,
    timeout: float = 30.0,
    predict: Callable[[Array], Array] | None = None,
    allow_host: str | Iterable[str] | None = None,
) -> Starlette:
    """Return an ASGI application that serves a model.

    Parameters
    ----------
    model : Sequential or QuantizedModel
        A built model.
    max_batch : int, default 1024
        The maximum number of instances in a request, and in a call of the model.
    max_body : int, default 16 MiB
        The maximum size of a request body in bytes.
    timeout : float, default 30
        The maximum duration of a request in seconds. A body that has not arrived by then is answered with status 408,
        one that the model has not answered with 503.
    predict : callable, optional
        A function that replaces the model: called with instances of shape (n, *input_shape), it returns the outputs.
    allow_host : str or iterable of str, optional
        The host names of the server, in addition to localhost, 127.0.0.0/8 and [::1]. A request with another ``Host``
        is refused with status 421, a POST with another ``Origin`` with 403, because a web page can point its own name
        at this machine (DNS rebinding). ``"0.0.0.0"`` means any numeric address, which no page can redirect, and the
        name of this machine; ``"*"`` means any name. None, the default, checks no names: a proxy, or the program that
        embeds the application, decides which names reach it.

    Returns
    -------
    starlette.applications.Starlette

    Raises
    ------
    ImportError
        The extra ``serve`` is not installed.
    ValueError
        The model is not built, a limit is not positive, or `allow_host` contains something other than host names.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.serve import create_app
    >>> model = fn.Sequential([fn.Dense(3, activation="softmax", input_shape=(4,))])
    >>> app = create_app(model)  # for uvicorn.run(app), or as a part of another application
    """
    return _Server(
        Predictor(model),
        check_integer("max_batch", max_batch),
        check_integer("max_body", max_body),
        check_number("timeout", timeout, minimum=1e-3),
        predict,
        None if allow_host is None else Hosts(allow_host),
    ).app()


class _Server:
    """The answers to requests."""

    def __init__(
        self,
        predictor: Predictor,
        max_batch: int,
        max_body: int,
        timeout: float,
        predict: Callable[[Array], Array] | None,
        hosts: Hosts | None,
    ) -> None:
        self.predictor = predictor
        self.rows = Rows(predictor.input_shape, predictor.dtype, max_batch, predictor.feature_names)
        self.max_body = max_body
        self.timeout = timeout
        self.hosts = hosts
        self.batcher = Batcher(predict or predictor.outputs, max_batch, quick_rows=predictor.rows_within(_QUICK))
        self.api = describe_api(predictor, max_batch)

    def app(self) -> Starlette:
        """Return the application."""
        app = Starlette(
            routes=[  # tried in this order
                Route("/predict", self.predict, methods=["POST"]),
                Route("/explain", self.explain, methods=["POST"]),
                Route("/health", _constant(_json({"status": "ok"})), methods=["GET"]),
                Route("/model", _constant(_json(self.predictor.describe())), methods=["GET"]),
                Route("/openapi.json", _constant(_json(self.api)), methods=["GET"]),
                Route("/weights", _constant(self.weights()), methods=["GET"]),
                *(Route(address, _constant(page), methods=["GET"]) for address, page in _pages().items()),
            ],
            exception_handlers={
                HTTPException: _on_http_error,
                RequestError: _on_request_error,
                Exception: _on_error,
            },
            middleware=[] if self.hosts is None else [Middleware(_HostGuard, self.hosts)],
            lifespan=self.lifespan,
        )
        app.router.redirect_slashes = False  # no redirects: an address with a wrong slash is an error
        return app

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self.batcher.close()

    def weights(self) -> Response:
        weights = self.predictor.weights
        return _error(404, weights) if isinstance(weights, str) else _json(weights)

    async def predict(self, request: Request) -> Response:
        kind = self.content_type(request, (_JSON, _NPY))

        async def answer(body: bytes) -> Response:
            rows = self.rows.from_json(body) if kind == _JSON else self.rows.from_npy(body)
            outputs = _finite(await self.batcher.predict(rows))
            if _NPY in request.headers.get("accept", ""):
                return _npy(outputs)
            return _json({"predictions": self.predictor.predictions(outputs)})

        return await self.in_time(request, answer)

    async def explain(self, request: Request) -> Response:
        self.content_type(request, (_JSON,))

        async def answer(body: bytes) -> Response:
            explained = await self.batcher.run(self.predictor.explain, self.rows.one_from_json(body))
            for layer in explained["layers"]:
                _finite(layer["output"])
            return _json(explained)

        return await self.in_time(request, answer)

    def content_type(self, request: Request, accepted: tuple[str, ...]) -> str:
        """Return the content type of a body; refuse other types, and requests from pages of other hosts."""
        got = request.headers.get("content-type", "")
        kind = got.partition(";")[0].strip().lower()
        if kind not in accepted:
            raise RequestError(415, f"Content-Type must be {' or '.join(accepted)}; got {got[:80] or 'none'}")
        if self.hosts is not None and (refusal := self.hosts.refusal_of_origin(request.scope)):
            raise RequestError(*refusal)
        return kind

    async def in_time(self, request: Request, answer: Callable[[bytes], Awaitable[Response]]) -> Response:
        """Return the answer to a body, within the time limits for its arrival and for the answer."""
        body = None
        try:
            async with asyncio.timeout(self.timeout):
                body = await self.body_of(request)
                return await answer(body)
        except TimeoutError:
            limit = f"within {self.timeout:g} seconds"
            if body is None:
                raise RequestError(408, f"the body did not arrive {limit}") from None
            raise RequestError(503, f"the model did not answer {limit}; try again later") from None

    async def body_of(self, request: Request) -> bytes:
        """Return the body; refuse it as soon as it is too large."""
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and int(announced) > self.max_body:
            raise self.too_large()
        body = bytearray()
        try:
            async for part in request.stream():
                body += part
                if len(body) > self.max_body:
                    raise self.too_large()
        except ClientDisconnect:
            raise RequestError(400, "the body ended early") from None
        return bytes(body)

    def too_large(self) -> RequestError:
        return RequestError(413, f"the body of a request may have at most {self.max_body:,} bytes")


class _HostGuard:
    """An application that refuses requests to other host names."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._hosts.refusal_of_host(scope) if scope["type"] == "http" else None
        await (self._app if refusal is None else _error(*refusal))(scope, receive, send)


# ---- Answers --------------------------------------------------------------------------------------------------------


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type=_JSON)


def _npy(array: Array) -> Response:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=False)
    return Response(stream.getvalue(), media_type=_NPY)


def _error(status: int, message: str, headers: Any = None) -> Response:
    answer = _json({"error": message}, status)
    answer.headers.update(headers or {})
    return answer


def _constant(response: Response) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that always gives the same response."""

    async def endpoint(_: Request) -> Response:
        return response

    return endpoint


def _pages() -> dict[str, Response]:
    """Return the files of the page by address; index.html is the root."""
    types = mimetypes.MimeTypes()  # not the system's table, which differs between machines
    pages = {}
    for file in resources.files("fastnet.serve").joinpath("page").iterdir():
        if file.is_file():
            kind = types.guess_type(file.name)[0] or "application/octet-stream"
            page = Response(file.read_bytes(), headers=_PAGE_HEADERS, media_type=kind)
            pages["/" if file.name == "index.html" else f"/{file.name}"] = page
    return pages


async def _on_request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    late = error.status == 408  # do not wait for the rest of the body
    return _error(error.status, str(error), {"Connection": "close"} if late else None)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = {
        404: f"there is nothing at {request.scope['path']}",
        405: f"{request.scope['path']} does not accept {request.method}",
    }.get(error.status_code, error.detail)
    return _error(error.status_code, message, error.headers)


async def _on_error(_: Request, error: Exception) -> Response:
    """Answer an internal error, which the log describes."""
    del error
    return _error(500, "internal server error; see the log of the server")


def _finite(outputs: Any) -> Any:
    """Return outputs; refuse those that are infinite or NaN because the instances were too large."""
    if not np.isfinite(outputs).all():
        raise RequestError(422, "the model's outputs are not finite: the instances are too large for it")
    return outputs

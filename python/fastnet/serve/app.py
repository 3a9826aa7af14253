"""The server as an ASGI application: routes and their answers."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnet.support.text import visible
from fastnet.support.validation import check_bool, check_integer, check_number

try:
    import msgspec  # noqa: F401
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError:
    raise ImportError('fastnet.serve needs starlette and msgspec: pip install "fastnet-nn[serve]"') from None

from fastnet.serve._hosts import Hosts
from fastnet.serve.answers import JSON, NPY, Endpoint, constant, error_answer, files_of, json_answer, npy_answer
from fastnet.serve.bodies import RequestError
from fastnet.serve.guards import HostGuard, Origins, RootPath, check_root_path
from fastnet.serve.metrics import OF_MODEL, OF_SERVER, UNIT, Shared
from fastnet.serve.observing import REQUEST_ID, Labels, Observer
from fastnet.serve.receiving import Receiver, header_of
from fastnet.serve.served import Model, Models, ServedModel
from fastnet.serve.units import unit_of

__all__ = ["create_app", "make_app"]

Array = NDArray[Any]

_LONGEST_SHOWN = 500  # characters of an address in an error
_EXPOSED = ("X-Request-ID", "X-Model-Name", "X-Model-SHA256")  # to pages of other origins


def create_app(
    model: Model | Mapping[str, Model],
    *,
    max_batch: int = 1024,
    max_body: int = 16 * 2**20,
    timeout: float = 30.0,
    predict: Callable[[Array], Array] | None = None,
    allow_host: str | Iterable[str] | None = None,
    root_path: str = "",
    cors: str | Iterable[str] = (),
    access_log: bool = False,
) -> Starlette:
    """Return an ASGI application that serves models.

    Parameters
    ----------
    model : Sequential, QuantizedModel, or mapping of str to these
        A built model, or several by name. Each is at ``/models/NAME/predict``, and the first one at ``/predict`` too.
        A name has letters, digits, dots, hyphens and underscores. A single model is called ``model``.
    max_batch : int, default 1024
        The maximum number of instances in a request, and in a call of the model.
    max_body : int, default 16 MiB
        The maximum size of a request body in bytes.
    timeout : float, default 30
        The maximum duration of a request in seconds. A body that has not arrived by then is answered with status 408,
        one that the model has not answered with 503.
    predict : callable, optional
        A function that replaces a single model: called with instances of shape (n, *input_shape), it returns outputs of
        shape (n, *output_shape). Anything else is answered with status 500, and explained in the log.
    allow_host : str or iterable of str, optional
        The host names of the server, in addition to localhost, 127.0.0.0/8 and [::1]. A request with another ``Host``
        is refused with status 421, a POST with another ``Origin`` with 403, because a web page can point its own name
        at this machine (DNS rebinding). ``"0.0.0.0"`` means any numeric address, which no page can redirect, and the
        name of this machine; ``"*"`` means any name. None, the default, checks no names: a proxy, or the program that
        embeds the application, decides which names reach it.
    root_path : str, default ""
        The path under which a proxy shows the server, such as ``"/ml"``. Requests may come with it or without it.
    cors : str or iterable of str, default ()
        Origins such as ``"https://app.example.org"`` whose pages may send requests and read the answers; ``"*"`` for
        any.
    access_log : bool, default False
        Whether to log each request, to the logger ``fastnet.serve.access`` at level INFO.

    Returns
    -------
    starlette.applications.Starlette

    Raises
    ------
    ImportError
        The extra ``serve`` is not installed.
    TypeError, ValueError
        A model is not a model or not built, a name does not fit into an address, a limit is not positive, `allow_host`
        contains something other than host names, `cors` something other than origins, or `root_path` is not a path.

    Examples
    --------
    >>> import fastnet as fn
    >>> from fastnet.serve import create_app
    >>> model = fn.Sequential([fn.Dense(3, activation="softmax", input_shape=(4,))])
    >>> app = create_app(model)  # for uvicorn.run(app), or as a part of another application
    >>> app = create_app({"iris": model, "iris-2": model}, cors="https://app.example.org")
    """
    models = model if isinstance(model, Mapping) else {"model": model}
    return make_app(
        {name: (one, None) for name, one in models.items()},
        max_batch=max_batch,
        max_body=max_body,
        timeout=timeout,
        predict=predict,
        allow_host=allow_host,
        root_path=root_path,
        cors=cors,
        access_log=access_log,
    )


def make_app(
    models: Mapping[str, tuple[Model, str | None]],
    *,
    max_batch: int,
    max_body: int,
    timeout: float,
    predict: Callable[[Array], Array] | None,
    allow_host: str | Iterable[str] | None,
    root_path: str,
    cors: str | Iterable[str],
    access_log: bool,
    shared: Shared | None = None,
) -> Starlette:
    """Return the application of models, each with the SHA-256 of its file, in one of several workers: see `create_app`."""
    return _Server(
        Models(models, check_integer("max_batch", max_batch), predict, shared),
        Receiver(check_integer("max_body", max_body), check_number("timeout", timeout, minimum=1e-3)),
        None if allow_host is None else Hosts(allow_host),
        check_root_path(root_path),
        Origins(cors),
        check_bool("access_log", access_log),
    ).app()


class _Server:
    """The answers to requests."""

    def __init__(
        self,
        models: Models,
        receiver: Receiver,
        hosts: Hosts | None,
        root_path: str,
        origins: Origins,
        access_log: bool,
    ) -> None:
        self.models = models
        self.receiver = receiver
        self.hosts = hosts
        self.root_path = root_path
        self.origins = origins
        self.access_log = access_log
        self.labels: Labels = {}

    def app(self) -> Starlette:
        """Return the application; `app.state.models` has its models."""
        app = Starlette(
            routes=list(self.routes()),
            exception_handlers={HTTPException: _on_http_error, RequestError: _on_request_error},
            middleware=list(self.middleware()),
            lifespan=self.lifespan,
        )
        app.router.redirect_slashes = False  # an address with a wrong slash is an error
        app.state.models = self.models
        return app

    def routes(self) -> Iterable[Route]:
        """Return the routes in the order in which they are tried."""
        page = files_of("page")
        page[""] = page.pop("index.html")
        of_model: list[tuple[str, Callable[[Request, ServedModel], Awaitable[Response]], str]] = [
            ("/predict", self.predict, "POST"),
            ("/explain", self.explain, "POST"),
            ("/model", self.description, "GET"),
            ("/weights", self.weights, "GET"),
            (UNIT, self.unit, "GET"),
        ]
        for address, answer, method in of_model:
            yield self.route_of_model(address, address, answer, method)
        yield self.route("/health", constant(json_answer({"status": "ok"})))
        yield self.route("/ready", self.all_ready)
        yield self.route("/metrics", self.metrics)
        yield self.route("/openapi.json", self.openapi)
        yield self.route("/models", self.list_models)
        for name, response in _documentation().items():
            yield self.route(f"/{name}", constant(response), "/docs")
        for name, response in page.items():
            yield self.route_of_model(f"/{name}", "page", _same(response), "GET")
        for address, answer, method in of_model:
            yield self.route_of_model("/models/{model}" + address, address, answer, method)
        yield self.route_of_model("/models/{model}", "/model", self.description, "GET")
        yield self.route_of_model("/models/{model}/ready", "/ready", self.ready, "GET")
        for name, response in page.items():
            yield self.route_of_model(f"/models/{{model}}/{name}", "page", _same(response), "GET")

    def route_of_model(
        self, address: str, label: str, answer: Callable[[Request, ServedModel], Awaitable[Response]], method: str
    ) -> Route:
        """Return the route of an address that a model answers: the one that the address names, or the first."""

        async def endpoint(request: Request) -> Response:
            name = request.path_params.get("model")
            served = self.models.first if name is None else self.models.by_name.get(name)
            if served is None:
                known = ", ".join(self.models.by_name)
                raise RequestError(404, f"there is no model {str(name)[:80]!r}; the models are {known}")
            return await answer(request, served)

        self.labels[endpoint] = OF_MODEL[OF_MODEL.index(label)], True
        return Route(address, endpoint, methods=[method])

    def route(self, address: str, endpoint: Endpoint, label: str = "") -> Route:
        """Return the route of an address that is not one of a model."""
        self.labels[endpoint] = OF_SERVER[OF_SERVER.index(label or address)], False
        return Route(address, endpoint, methods=["GET"])

    def middleware(self) -> Iterable[Middleware]:
        """Return what stands around the routes, the outermost first."""
        yield Middleware(
            Observer,
            metrics=self.models.metrics,
            labels=self.labels,
            models=self.models.by_name,
            access_log=self.access_log,
        )
        if self.hosts is not None:
            yield Middleware(HostGuard, hosts=self.hosts)
        if self.root_path:
            yield Middleware(RootPath, root_path=self.root_path)
        yield from self.origins.middleware(expose=_EXPOSED, accept=[REQUEST_ID.decode()])

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self.models.close()

    # ---- Of a model -------------------------------------------------------------------------------------------------

    async def description(self, _: Request, served: ServedModel) -> Response:
        return served.description

    async def unit(self, request: Request, served: ServedModel) -> Response:
        found = unit_of(served.predictor.model, request.path_params["layer"], request.path_params["unit"])
        return error_answer(404, found) if isinstance(found, str) else json_answer(found)

    async def weights(self, _: Request, served: ServedModel) -> Response:
        return served.weights

    async def predict(self, request: Request, served: ServedModel) -> Response:
        kind = self.content_type(request, (JSON, NPY))

        async def answer(body: bytes) -> Response:
            rows = served.rows.from_json(body) if kind == JSON else served.rows.from_npy(body)
            outputs = _finite(await served.batcher.predict(rows))
            if NPY in header_of(request, b"accept"):
                response = npy_answer(outputs)
            else:
                response = json_answer({"predictions": served.predictor.predictions(outputs)})
            response.raw_headers += served.headers
            return response

        return await self.receiver.answer(request, answer)

    async def explain(self, request: Request, served: ServedModel) -> Response:
        self.content_type(request, (JSON,))

        async def answer(body: bytes) -> Response:
            explained = await served.batcher.run(served.predictor.explain, served.rows.one_from_json(body))
            for layer in explained["layers"]:
                _finite(layer["output"])
            response = json_answer(explained)
            response.raw_headers += served.headers
            return response

        return await self.receiver.answer(request, answer)

    async def ready(self, _: Request, served: ServedModel) -> Response:
        return self.readiness([served])

    # ---- Of the server ----------------------------------------------------------------------------------------------

    async def all_ready(self, _: Request) -> Response:
        return self.readiness(self.models.by_name.values())

    def readiness(self, models: Iterable[ServedModel]) -> Response:
        """Return whether models answer; one does not that has been computing longer than a request may take."""
        now = time.monotonic()
        for served in models:
            since = served.batcher.busy_since
            if since is not None and now - since > self.receiver.timeout:
                return error_answer(503, f"{served.name} has been computing for {now - since:.0f} seconds")
        return json_answer({"status": "ready"})

    async def openapi(self, _: Request) -> Response:
        return self.models.api(self.root_path)

    async def list_models(self, _: Request) -> Response:
        return self.models.listed()

    async def metrics(self, request: Request) -> Response:
        metrics, accept = self.models.metrics, header_of(request, b"accept")
        content, kind = metrics.exposition(accept)
        return Response(content, headers={"Content-Type": kind})

    def content_type(self, request: Request, accepted: tuple[str, ...]) -> str:
        """Return the content type of a body; refuse other types, encodings, and requests from pages of other hosts."""
        got = header_of(request, b"content-type")
        kind = got.partition(";")[0].strip().lower()
        if kind not in accepted:
            raise RequestError(415, f"Content-Type must be {' or '.join(accepted)}; got {got[:80] or 'none'}")
        encoding = header_of(request, b"content-encoding")
        if encoding and encoding.lower() != "identity":
            raise RequestError(415, f"Content-Encoding {encoding[:80]} is not accepted; send the body without it")
        refusal = None if self.hosts is None else self.hosts.refusal_of_origin(request.scope)
        if refusal is not None and not self.origins.allow(request.headers.getlist("origin")):
            raise RequestError(*refusal)
        return kind


# ---- Routes and errors ----------------------------------------------------------------------------------------------


def _same(response: Response) -> Callable[[Request, ServedModel], Awaitable[Response]]:
    async def answer(_: Request, __: ServedModel) -> Response:
        return response

    return answer


def _documentation() -> dict[str, Response]:
    """Return the files of the documentation of the API; its page is ``/docs``."""
    files = files_of("api_page")
    return {name.removesuffix(".html"): response for name, response in files.items()}


async def _on_request_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    late = error.status == 408  # do not wait for the rest of the body
    return error_answer(error.status, str(error), {"Connection": "close"} if late else None)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path = visible(request.scope["path"])[:_LONGEST_SHOWN]
    message = {
        404: f"there is nothing at {path}",
        405: f"{path} does not accept {visible(request.method)}",
    }.get(error.status_code, error.detail)
    return error_answer(error.status_code, message, error.headers)


def _finite(outputs: Any) -> Any:
    """Return outputs; refuse those that are infinite or NaN because the instances were too large."""
    if not np.isfinite(outputs).all():
        raise RequestError(422, "the model's outputs are not finite: the instances are too large for it")
    return outputs

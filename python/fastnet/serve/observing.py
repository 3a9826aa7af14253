"""Request ids, metrics and the access log: an application around another one."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastnet.serve.answers import error_answer
from fastnet.serve.metrics import OTHER, Metrics, Places

__all__ = ["ACCESS", "LOG", "REQUEST_ID", "Labels", "Observer"]

Labels = dict[Any, tuple[str, bool]]

LOG = logging.getLogger("fastnet.serve")
ACCESS = logging.getLogger("fastnet.serve.access")
REQUEST_ID = b"x-request-id"

# What proxies and tracing libraries send: hexadecimal digits, UUIDs, base64, Root=1-67891233-abcdef.
_WELL_FORMED = re.compile(rb"[A-Za-z0-9._~:@=+/-]{1,128}")
_CLIENT = re.compile(r"[0-9A-Za-z.:%_-]{1,64}")  # a proxy may pass anything on
_UNKNOWN = OTHER, False  # an address that leads nowhere
_CLIENT_GONE = 499  # as nginx logs a request whose client did not wait for the answer
_LONGEST_SHOWN = 500  # characters of an address in the log


class Observer:
    """An application that gives every request an id, counts it, and logs it if it is asked to.

    Parameters
    ----------
    app : ASGI application
        Answers the requests.
    metrics : Metrics
        Counts them.
    labels : dict
        For each endpoint its address in metrics, without the name of a model, and whether a model answers there.
    models : mapping of str to any
        The names of the models, the first of which has the addresses without a name.
    access_log : bool
        Whether to log every request.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, labels: Labels, models: Mapping[str, Any], access_log: bool
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._labels_of = labels
        self._models = models
        self._first = next(iter(models))
        self._access_log = access_log
        self._found: dict[tuple[Any, str | None, int], tuple[Places, str]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = _request_id(scope)
        header = REQUEST_ID, request_id
        status = size = 0

        async def sending(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]  # not in place: some responses are sent many times
            else:
                size += len(message.get("body", b""))
            await send(message)

        self._metrics.began()
        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            status = status or _CLIENT_GONE
            raise
        except Exception:
            LOG.exception("internal error", extra={"request_id": request_id.decode()})
            if status:  # too late for an answer: the server closes the connection
                raise
            await error_answer(500, "internal server error; see the log of the server")(scope, receive, sending)
        finally:
            seconds = time.perf_counter() - began
            places, model = self._find(scope, status)
            self._metrics.answered(places, seconds)
            if self._access_log:
                _log(scope, {"status": status, "bytes": size}, request_id, model, seconds)

    def _find(self, scope: Scope, status: int) -> tuple[Places, str]:
        """Return where the answer to a request is counted, and its model."""
        endpoint = scope.get("endpoint")
        name = scope["path_params"].get("model") if endpoint is not None else None
        if (found := self._found.get((endpoint, name, status))) is None:
            route, model = self._labels(scope)
            found = self._metrics.places(route, model, status), model
            if name is None or name in self._models:  # clients choose the others
                self._found[endpoint, name, status] = found
        return found

    def _labels(self, scope: Scope) -> tuple[str, str]:
        """Return the address of a request as it is written in the routes, without the name of the model, and that name."""
        route, of_model = self._labels_of.get(scope.get("endpoint"), _UNKNOWN)
        if not of_model:
            return route, ""
        model = scope["path_params"].get("model", self._first)
        return (route, model) if model in self._models else (_UNKNOWN[0], "")


def _request_id(scope: Scope) -> bytes:
    """Return the id that came with a request if it is well-formed and the only one, else a new one."""
    given = None
    for name, value in scope["headers"]:
        if name == REQUEST_ID:
            if given is not None or not _WELL_FORMED.fullmatch(value):
                break
            given = value
    else:
        if given is not None:
            return bytes(given)
    return b"%016x" % random.getrandbits(64)  # an id is not a secret; os.urandom takes 10 us


def _log(scope: Scope, answer: dict[str, int], request_id: bytes, model: str, seconds: float) -> None:
    client = str((scope.get("client") or ("-",))[0])
    address = scope.get("raw_path") or scope["path"].encode()
    fields = {
        "client": client if _CLIENT.fullmatch(client) else "-",
        "method": scope["method"],
        "path": address.decode("latin-1")[:_LONGEST_SHOWN],
        **answer,
        "ms": round(1000 * seconds, 3),
        "model": model,
        "request_id": request_id.decode(),
    }
    ACCESS.info("request", extra={"fields": fields})

"""Applications around the server's: names that it answers to, the path of a proxy, and pages of other origins."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from fastnet.serve._hosts import Hosts
from fastnet.serve.answers import error_answer
from fastnet.support.validation import describe

__all__ = ["HostGuard", "Origins", "RootPath", "check_root_path"]

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*")


class HostGuard:
    """An application that refuses requests to other host names."""

    def __init__(self, app: ASGIApp, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._hosts.refusal_of_host(scope) if scope["type"] == "http" else None
        await (self._app if refusal is None else error_answer(*refusal))(scope, receive, send)


class RootPath:
    """An application that answers below a path as it does without it, whether or not a proxy removes that path.

    The path itself leads to the page below it, whose links are relative.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if scope["path"] == self._root_path:
                query = scope["query_string"].decode("latin-1")
                address = self._root_path + "/" + (f"?{query}" if query else "")
                await RedirectResponse(address, 307)(scope, receive, send)
                return
            if scope["path"].startswith(self._root_path + "/"):
                scope["path"] = scope["path"].removeprefix(self._root_path)
        await self._app(scope, receive, send)


def check_root_path(path: Any) -> str:
    """Return the path under which a proxy shows the server, without a slash at its end."""
    if not isinstance(path, str):
        raise TypeError(f"root_path must be a string; got {describe(path)}")
    if not _ROOT_PATH.fullmatch(path.rstrip("/")):
        raise ValueError(f"root_path must be a path such as /ml; got {path!r}")
    return path.rstrip("/")


class Origins:
    """The origins whose pages may send requests and read the answers, in addition to the server's own.

    Parameters
    ----------
    origins : str or iterable of str
        Such as ``https://app.example.org``; ``"*"`` for any.

    Raises
    ------
    TypeError, ValueError
        One of them is not an origin.
    """

    def __init__(self, origins: str | Iterable[str]) -> None:
        self._origins = [_checked(origin) for origin in ([origins] if isinstance(origins, str) else origins)]

    def allow(self, origins: Collection[str]) -> bool:
        """Return whether all of these origins are allowed."""
        return "*" in self._origins or all(origin in self._origins for origin in origins)

    def middleware(self, expose: Collection[str], accept: Collection[str]) -> Iterator[Middleware]:
        """Yield the application that answers browsers, if there are other origins."""
        if self._origins:
            yield Middleware(
                CORSMiddleware,
                allow_origins=self._origins,
                allow_methods=["GET", "POST"],
                allow_headers=accept,
                expose_headers=expose,
            )


def _checked(origin: Any) -> str:
    if not isinstance(origin, str):
        raise TypeError(f"cors must contain origins; got {describe(origin)}")
    plain = origin.lower()
    if plain != "*" and not _ORIGIN.fullmatch(plain):
        raise ValueError(f"cors must contain origins such as https://app.example.org, without a path; got {origin!r}")
    return plain

"""Asking an ASGI application without a network."""

import asyncio
from typing import Any

import httpx
from starlette.applications import Starlette


def ask(app: Starlette, method: str, address: str, **request: Any) -> httpx.Response:
    """Return the answer to one request."""
    return asyncio.run(_ask(app, method, address, request))


async def _ask(app: Starlette, method: str, address: str, request: dict[str, Any]) -> httpx.Response:
    async with client(app) as asking:
        return await asking.request(method, address, **request)


def client(app: Starlette) -> httpx.AsyncClient:
    """Return a client for many requests."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://fastnet")

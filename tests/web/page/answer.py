"""What an ASGI app answers, asked without a server."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx


def ask(app: Any, path: str, method: str = "GET", **scope: Any) -> httpx.Response:
    """Return what an ASGI app answers."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    request = {"type": "http", "method": method, "path": path, "headers": [], "query_string": b""}
    asyncio.run(app(request | scope, receive, send))
    start, *bodies = sent
    return httpx.Response(
        start["status"], headers=start["headers"], content=b"".join(b["body"] for b in bodies)
    )

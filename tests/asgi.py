"""The least of a server: one ASGI call in process."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def http_scope(path: str = "/", **more: Any) -> MutableMapping[str, Any]:
    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
    return {**scope, "root_path": "", "http_version": "1.1", "scheme": "http", **more}


async def visit(app: App, path: str = "/", **more: Any) -> list[Message]:
    """Make one request, and return what was sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(http_scope(path, **more), receive, send)
    return sent


async def answer(send: Send, body: bytes = b"") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})

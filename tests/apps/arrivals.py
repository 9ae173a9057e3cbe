"""A plain ASGI app that answers how long its request was in the kernel, and when it saw it."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from loopwatch.loop.arrival import queued

Message = MutableMapping[str, Any]


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    seconds, now = queued(scope, receive), time.monotonic()
    if scope["path"] == "/block":
        time.sleep(float(scope["query_string"]))
    headers = [(b"x-queued", repr(seconds).encode()), (b"x-now", repr(now).encode())]
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept", "headers": headers})
        await send({"type": "websocket.close"})
        return
    headers.append((b"content-length", b"0"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

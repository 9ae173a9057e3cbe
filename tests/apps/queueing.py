"""An app behind the middleware that answers how long its request was queued, and when it saw it."""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from loopwatch import LoopWatchMiddleware
from loopwatch.core.request import REQUEST
from tests.conftest import private_watch

Message = MutableMapping[str, Any]


async def asgi(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    now = time.monotonic()
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["path"] == "/block":
        time.sleep(float(scope["query_string"]))
    seconds = REQUEST.get().queued
    headers = [(b"x-queued", repr(seconds).encode()), (b"x-now", repr(now).encode())]
    headers.append((b"content-length", b"0"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def lifespan(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    while True:
        kind = (await receive())["type"]
        await send({"type": f"{kind}.complete"})
        if kind == "lifespan.shutdown":
            return


app = LoopWatchMiddleware(asgi, watch=private_watch())

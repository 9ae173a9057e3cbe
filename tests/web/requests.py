"""Small apps behind the middleware, and requests to them."""

import asyncio
from typing import Any

from loopwatch import Snapshot
from tests.asgi import App, Receive, Send, answer


def requests_of(snapshot: Snapshot) -> dict[tuple[str, str], int]:
    return {(r.route, r.method): r.latency.count for r in snapshot.requests}


async def hello(scope: Any, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0)
    await answer(send, b"hello")


def routed(name: str) -> App:
    """Return an app that says its route, as routers do."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"], scope["endpoint"] = name, hello
        await answer(send)

    return app

"""Litestar: handlers, websockets, and Starlette mounted in it."""

import time
from typing import Any

from litestar import Litestar, Router, asgi, get, websocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.frameworks.asked import HOLD, Asked


@get("/items/{item:int}")
async def item(item: int) -> str:
    time.sleep(HOLD)  # held
    return "item"


@websocket("/live/{item:int}")
async def live(socket: Any, item: int) -> None:
    await socket.accept()
    await socket.receive_text()
    time.sleep(HOLD)  # held
    await socket.send_text("done")


async def inner(request: Any) -> PlainTextResponse:
    time.sleep(HOLD)  # held
    return PlainTextResponse("inner")


mounted = asgi("/mounted", is_mount=True, copy_scope=False)(
    Starlette(routes=[Route("/inner/{what}/", inner), Route("/inner/{what}", inner)])
)
app = Litestar([Router("/api", route_handlers=[item, live]), mounted])
ROWS = [
    Asked("/api/items/1", item.fn, "/api/items/{item}"),
    Asked("/api/live/1", live.fn, "/api/live/{item}", method="WEBSOCKET"),
    Asked("/mounted/inner/2", inner, "/mounted/inner/{what}/"),
]

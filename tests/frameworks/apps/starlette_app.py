"""Starlette: mounts, websockets, and what sets its own template."""

import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.frameworks.asked import HOLD, Asked


async def item(request: Request) -> PlainTextResponse:
    time.sleep(HOLD)  # held
    return PlainTextResponse("item")


async def live(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.receive_text()
    time.sleep(HOLD)  # held
    await websocket.send_text("done")


async def page(request: Request) -> PlainTextResponse:
    request.scope["path_template"] = "/pages/{slug}"
    time.sleep(HOLD)  # held
    return PlainTextResponse("page")


leaf = Starlette(routes=[Route("/items/{item}", item), WebSocketRoute("/live/{item}", live)])
app = Starlette(routes=[Mount("/shops/{shop}", app=leaf), Route("/{rest:path}", page)])
ROWS = [
    Asked("/shops/a/items/1", item, "/shops/{shop}/items/{item}"),
    Asked("/shops/a/live/1", live, "/shops/{shop}/live/{item}", method="WEBSOCKET"),
    Asked("/any/where", page, "/pages/{slug}"),
]

"""BlackSheep: routers, websockets, and Starlette mounted in it."""

import time
from typing import Any

from blacksheep import Application, WebSocket, text
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from tests.frameworks.asked import HOLD, Asked

app = Application()


@app.router.get("/shop/items/{item}")
async def item(item: int) -> Any:
    time.sleep(HOLD)  # held
    return text("item")


@app.router.ws("/shop/live/{item}")
async def live(websocket: WebSocket, item: int) -> None:
    await websocket.accept()
    await websocket.receive_text()
    time.sleep(HOLD)  # held
    await websocket.send_text("done")


async def inner(request: Any) -> PlainTextResponse:
    time.sleep(HOLD)  # held
    return PlainTextResponse("inner")


routes = [Route("/inner/{what}", inner), Mount("/deep/{down}", routes=[Route("/{what}", inner)])]
app.mount("/mounted", Starlette(routes=routes))
ROWS = [
    Asked("/shop/items/1", item, "/shop/items/{item}"),
    Asked("/shop/live/1", live, "/shop/live/{item}", method="WEBSOCKET"),
    Asked("/mounted/inner/2", inner, "/mounted/inner/{what}"),
    Asked("/mounted/deep/2/3", inner, "/mounted/deep/{down}/{what}"),
]

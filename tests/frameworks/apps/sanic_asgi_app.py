"""Sanic in its ASGI mode."""

import time
from typing import Any

from sanic import Blueprint, Sanic
from sanic.response import text

from tests.frameworks.asked import HOLD, Asked

app = Sanic("shop")
shop = Blueprint("shop", url_prefix="/shop")


@shop.get("/items/<item:int>")
async def item(request: Any, item: int) -> Any:
    time.sleep(HOLD)  # held
    return text("item")


@shop.websocket("/live/<item:int>")
async def live(request: Any, websocket: Any, item: int) -> None:
    await websocket.recv()
    time.sleep(HOLD)  # held
    await websocket.send("done")


app.blueprint(shop)
ROWS = [
    Asked("/shop/items/1", item, "/shop/items/<item:int>"),
    Asked("/shop/live/1", live, "/shop/live/<item:int>", method="WEBSOCKET"),
]

"""Quart, which handles each request in a task of its own."""

import time

from quart import Blueprint, Quart, websocket

from tests.frameworks.asked import HOLD, Asked

app = Quart(__name__)
shop = Blueprint("shop", __name__, url_prefix="/shop")


@shop.get("/items/<int:item>")
async def item(item: int) -> str:
    time.sleep(HOLD)  # held
    return "item"


@shop.websocket("/live/<item>")
async def live(item: str) -> None:
    await websocket.receive()
    time.sleep(HOLD)  # held
    await websocket.send("done")


app.register_blueprint(shop)
ROWS = [
    Asked("/shop/items/1", item, "/shop/items/<int:item>"),
    Asked("/shop/live/1", live, "/shop/live/<item>", method="WEBSOCKET"),
]

"""Falcon: responders of resources."""

import time
from typing import Any

import falcon.asgi

from tests.frameworks.asked import HOLD, Asked


class Item:
    async def on_get(self, request: Any, response: Any, item: str) -> None:
        time.sleep(HOLD)  # held
        response.text = "item"

    async def on_websocket(self, request: Any, websocket: Any, item: str) -> None:
        await websocket.accept()
        await websocket.receive_text()
        time.sleep(HOLD)  # held
        await websocket.send_text("done")


app = falcon.asgi.App()
app.add_route("/shop/items/{item}", Item())
ROWS = [
    Asked("/shop/items/1", Item.on_get, "/shop/items/{item}"),
    Asked("/shop/items/1", Item.on_websocket, "/shop/items/{item}", method="WEBSOCKET"),
]

"""Ravyn, which was Esmerald, on Lilya."""

import time
from typing import Any

from ravyn import Gateway, Include, Ravyn, WebSocketGateway, get, websocket

from tests.frameworks.asked import HOLD, Asked


@get("/{item}")
async def item(item: int) -> str:
    time.sleep(HOLD)  # held
    return "item"


@websocket("/{item}")
async def live(socket: Any, item: int) -> None:
    await socket.accept()
    await socket.receive_text()
    time.sleep(HOLD)  # held
    await socket.send_text("done")


gateways = [Gateway("/items", handler=item), WebSocketGateway("/live", handler=live)]
app = Ravyn(routes=[Include("/shop/{shop}", routes=gateways)])
ROWS = [
    Asked("/shop/a/items/1", item.fn, "/shop/{shop}/items/{item}"),
    Asked("/shop/a/live/1", live.fn, "/shop/{shop}/live/{item}", method="WEBSOCKET"),
]

"""FastAPI: routers with prefixes, websockets, mounted apps that are no Starlette apps."""

import time
from typing import Any

from fastapi import APIRouter, FastAPI, WebSocket

from tests.asgi import answer
from tests.frameworks.asked import HOLD, Asked

app = FastAPI()
router = APIRouter(prefix="/shops/{shop}")


@router.get("/items/{item}")
async def item(shop: str, item: int) -> int:
    time.sleep(HOLD)  # held
    return item


@router.websocket("/live/{item}")
async def live(websocket: WebSocket, shop: str, item: int) -> None:
    await websocket.accept()
    await websocket.receive_text()
    time.sleep(HOLD)  # held
    await websocket.send_text("done")


async def raw(scope: Any, receive: Any, send: Any) -> None:
    time.sleep(HOLD)  # held
    await answer(send)


app.include_router(router, prefix="/api")
app.mount("/raw", raw)
ROWS = [
    Asked("/api/shops/a/items/1", item, "/api/shops/{shop}/items/{item}"),
    Asked("/api/shops/a/live/1", live, "/api/shops/{shop}/live/{item}", method="WEBSOCKET"),
    Asked("/raw/some/where", raw, "/raw"),
]

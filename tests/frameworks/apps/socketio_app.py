"""python-socketio over polling and websockets, alone and mounted, beside another app."""

import time
from typing import Any

import httpx
import socketio
from websockets.sync.client import connect

from tests.asgi import answer
from tests.frameworks.asked import HOLD, Asked

server = socketio.AsyncServer(async_mode="asgi")


@server.event
async def hold(sid: str, data: Any) -> str:
    time.sleep(HOLD)  # held
    return "done"


@server.event
async def polled(sid: str, data: Any) -> str:
    time.sleep(HOLD)  # held
    return "done"


async def other(scope: Any, receive: Any, send: Any) -> None:
    await answer(send)


def by_websocket(address: str) -> None:
    url = f"ws://{address}/socket.io/?EIO=4&transport=websocket"
    with connect(url, proxy=None) as websocket:
        websocket.recv(timeout=20)
        websocket.send("40")
        websocket.recv(timeout=20)
        websocket.send('420["hold",1]')
        websocket.recv(timeout=20)


def by_polling(address: str) -> None:
    with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=20) as client:
        query = {"EIO": "4", "transport": "polling"}
        sid = client.get("/socket.io/", params=query).text.partition('"sid":"')[2].partition('"')[0]
        query["sid"] = sid
        client.post("/socket.io/", params=query, content="40").raise_for_status()
        client.get("/socket.io/", params=query).raise_for_status()
        sent = client.post("/socket.io/", params=query, content='420["polled",1]')
        sent.raise_for_status()
        client.get("/socket.io/", params=query).raise_for_status()


app = socketio.ASGIApp(server, other)
ROWS = [
    Asked("/socket.io/", hold, "/socket.io/", method="WEBSOCKET", talk=by_websocket),
    Asked("/socket.io/", polled, "/socket.io/", method="POST", talk=by_polling),
]

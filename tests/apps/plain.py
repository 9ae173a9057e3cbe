"""An app of raw ASGI and Starlette corners, served bare or watched: `BARE=1` leaves us out."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from loopwatch import LoopWatchMiddleware, Stall, Watch
from tests.apps.door import open_door

SEEN: list[str] = []  # what the app met that no client sees


class Broken:
    """An instrument that always raises."""

    def stalled(self, stall: Stall) -> None:
        raise OSError("no space left on device")


async def hello(request: Request) -> Response:
    await asyncio.sleep(0)
    return PlainTextResponse("hello", headers={"x-query": request.url.query})


async def echo(request: Request) -> Response:
    return Response(await request.body(), media_type="application/octet-stream")


async def raises(request: Request) -> Response:
    raise ValueError("planted")


async def raises_later(request: Request) -> Response:
    await asyncio.sleep(0.01)
    try:
        raise KeyError("first")
    except KeyError as error:
        raise ValueError("second") from error


async def teapot(request: Request) -> Response:
    raise HTTPException(418, headers={"x-tea": "green"})


async def parts() -> AsyncIterator[bytes]:
    for number in range(5):
        yield b"part %d\n" % number * 100
        await asyncio.sleep(0.005)


async def stream(request: Request) -> Response:
    return StreamingResponse(parts())


async def breaking_parts() -> AsyncIterator[bytes]:
    yield b"some"
    await asyncio.sleep(0.01)
    raise ValueError("in the middle")


async def breaks(request: Request) -> Response:
    return StreamingResponse(breaking_parts())


async def endless() -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0.005)
    except asyncio.CancelledError:
        SEEN.append("stream cancelled")
        raise
    finally:
        SEEN.append("stream ended")


async def forever(request: Request) -> Response:
    return StreamingResponse(endless())


async def upload(request: Request) -> Response:
    try:
        await request.body()
    except ClientDisconnect:
        SEEN.append("client disconnect")
        raise
    return PlainTextResponse("all of it")


async def poll(request: Request) -> Response:
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    SEEN.append("gone")
    return PlainTextResponse("nobody reads this")


async def blocks(request: Request) -> Response:
    time.sleep(0.12)
    return PlainTextResponse("late")


async def socket(websocket: WebSocket) -> None:
    await websocket.accept(subprotocol="chat", headers=[(b"x-room", b"9")])
    async for text in websocket.iter_text():
        if text == "raise":
            raise ValueError("in the socket")
        if text == "bye":
            await websocket.close(4001, "bye")
            return
        await websocket.send_text(text.upper())
    SEEN.append("socket left")


async def refused(websocket: WebSocket) -> None:
    await websocket.close()


async def raw(scope: Any, receive: Any, send: Any) -> None:
    """What servers punish: an answer cut short, none at all, and one told twice."""
    start = {"type": "http.response.start", "status": 200, "headers": []}
    if scope["path"].endswith("/short"):
        await send({**start, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"four"})
    elif scope["path"].endswith("/twice"):
        await send(start)
        await send(start)
    elif scope["path"].endswith("/exit"):
        raise asyncio.CancelledError


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
    open_door(None if BARE else WATCH, seen=lambda: SEEN)
    yield {"state": 1}


BARE = bool(os.environ.get("BARE"))
WATCH = Watch(registry=None)
WATCH.add_instrument(Broken())
HTTP = (hello, raises, raises_later, teapot, stream, breaks, forever, poll, blocks)
app: Any = Starlette(
    lifespan=lifespan,
    routes=[
        *(Route(f"/{function.__name__}", function) for function in HTTP),
        *(Route(f"/{f.__name__}", f, methods=["POST"]) for f in (echo, upload)),
        WebSocketRoute("/socket", socket),
        WebSocketRoute("/refused", refused),
        Mount("/raw", app=raw),
    ],
)
if not BARE:
    app = LoopWatchMiddleware(app, watch=WATCH)

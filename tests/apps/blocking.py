"""An app with every way to hold the loop, each by a call of its own, and good routes beside.

`EAGER=1` gives the loop an eager task factory; `DEBUG=1` turns on `Watch(debug=True)`.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from prometheus_client import CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from loopwatch import LoopWatchMiddleware, Watch
from tests.apps.door import Outermost, measured, open_door

REGISTRY = CollectorRegistry()
WATCH = Watch(registry=REGISTRY, debug=bool(os.environ.get("DEBUG")))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    open_door(WATCH, metrics=lambda: generate_latest(REGISTRY).decode())
    if os.environ.get("EAGER"):
        asyncio.get_running_loop().set_task_factory(
            asyncio.eager_task_factory  # type: ignore[attr-defined,unused-ignore]
        )
    yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(LoopWatchMiddleware, watch=WATCH)
app.add_middleware(Outermost)
items = APIRouter(prefix="/items")


@app.get("/good")
async def good() -> dict[str, str]:
    await asyncio.sleep(0.001)
    return {}


@app.get("/bad/{number}")
async def bad(number: int) -> dict[str, int]:
    began = time.perf_counter()
    time.sleep(0.150)
    measured(began)
    return {"number": number}


@app.get("/almost")
async def almost() -> dict[str, int]:
    began = time.perf_counter()
    time.sleep(0.090)
    measured(began)
    return {}


@app.get("/turns")
async def turns() -> dict[str, int]:
    """2,000 callbacks of 0.5 ms, each in a tick of its own."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def turn(left: int) -> None:
        until = time.perf_counter() + 0.0005
        while time.perf_counter() < until:
            pass
        if left:
            loop.call_soon(turn, left - 1)
        else:
            done.set_result(None)

    loop.call_soon(turn, 1_999)
    await done
    return {}


@app.get("/twice")
async def twice() -> dict[str, int]:
    began = time.perf_counter()
    time.sleep(0.12)
    measured(began)
    await asyncio.sleep(0)
    again = time.perf_counter()
    time.sleep(0.17)
    measured(again)
    return {}


@items.get("/{item}/price")
async def price(item: str) -> dict[str, str]:
    began = time.perf_counter()
    time.sleep(0.15)
    measured(began)
    return {"item": item}


app.include_router(items, prefix="/shop")


async def report(request: Request) -> JSONResponse:
    began = time.perf_counter()
    time.sleep(0.15)
    measured(began)
    return JSONResponse(request.path_params)


app.mount(
    "/tenants/{tenant}",
    Starlette(routes=[Mount("/v1", routes=[Route("/reports/{report}", report)])]),
)


@app.websocket("/socket/{room}")
async def socket(websocket: WebSocket, room: str) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        began = time.perf_counter()
        time.sleep(0.15)
        measured(began)
        await websocket.send_text(text)


async def slow_parts() -> AsyncIterator[bytes]:
    yield b"one"
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    time.sleep(0.15)
    measured(began)
    yield b"two"


@app.get("/stream")
async def stream() -> StreamingResponse:
    return StreamingResponse(slow_parts())


async def mail() -> None:
    began = time.perf_counter()
    time.sleep(0.15)
    measured(began)


@app.get("/background")
async def background(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(mail)
    return {}


async def session() -> None:
    began = time.perf_counter()
    time.sleep(0.15)
    measured(began)


@app.get("/dependency", dependencies=[Depends(session)])
async def dependency() -> dict[str, str]:
    return {}


async def child() -> None:
    await asyncio.sleep(0.01)
    began = time.perf_counter()
    time.sleep(0.15)
    measured(began)


@app.get("/child")
async def parent() -> dict[str, str]:
    await asyncio.create_task(child())
    return {}


def callback() -> None:
    began = time.perf_counter()
    time.sleep(0.15)
    measured(began)


@app.get("/later")
async def later() -> dict[str, str]:
    """Leaves a callback with an empty context: it belongs to no request."""
    asyncio.get_running_loop().call_later(0.1, callback, context=Context())
    return {}


@app.get("/computing")
async def computing() -> dict[str, Any]:
    began = time.perf_counter()
    total = 0
    while time.perf_counter() - began < 0.15:
        total += sum(range(100))
    measured(began)
    return {}

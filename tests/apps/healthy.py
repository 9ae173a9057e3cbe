"""Good routes only: whatever a well-behaved app does, and never long in one step.

Also a door, which tells the stalls, and the truth about garbage collections from the app's side.
"""

import asyncio
import gc
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from loopwatch import LoopWatchMiddleware, Stall, Watch
from tests.apps.door import open_door

WORK = 0.003  # s of Python code in the longest step
LONG = 0.02  # s of a collection, from which it is noted

WATCH = Watch(registry=None, otel=False, log=False)
told: list[dict[str, Any]] = []  # every stall
collections: list[list[float]] = []  # the long ones: when they ended (Unix time, s), how long (s)


class Recorder:
    """An instrument that keeps whatever it is told."""

    def stalled(self, stall: Stall) -> None:
        told.append(stall.to_dict())


class Item(BaseModel):
    number: int
    name: str
    tags: list[str]


class Collections:
    """A callback of the collector that notes the long ones."""

    def __init__(self) -> None:
        self.began = 0.0

    def __call__(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self.began = time.perf_counter()
        elif (took := time.perf_counter() - self.began) >= LONG:
            collections.append([time.time(), took])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    callback = Collections()
    gc.callbacks.append(callback)
    WATCH.add_instrument(Recorder())
    open_door(WATCH, collections=lambda: collections, told=lambda: told)
    yield
    gc.callbacks.remove(callback)


app = FastAPI(lifespan=lifespan)
app.add_middleware(LoopWatchMiddleware, watch=WATCH)


@app.get("/plain")
async def plain() -> str:
    return "plain"


@app.get("/items/{number}")
async def item(number: int) -> Item:
    for _ in range(3):
        await asyncio.sleep(0)
    return Item(number=number, name=f"item {number}", tags=["a", "b", "c"])


@app.get("/waits")
async def waits() -> None:
    await asyncio.sleep(0.02)


@app.get("/works")
async def works() -> int:
    until, turns = time.thread_time() + WORK, 0
    while time.thread_time() < until:
        turns += 1
    return turns


@app.get("/children")
async def children() -> list[int]:
    return await asyncio.gather(*(child(number) for number in range(8)))


async def child(number: int) -> int:
    await asyncio.sleep(0.001 * number)
    return number


@app.get("/threaded")
async def threaded() -> list[Any]:
    return await asyncio.to_thread(rows)


@app.get("/def")
def in_a_thread() -> None:
    time.sleep(0.005)


@app.get("/parts")
async def parts() -> StreamingResponse:
    return StreamingResponse(numbers(), headers={"content-length": "21"})


async def numbers() -> AsyncIterator[str]:
    yield "["
    for number in range(9):
        await asyncio.sleep(0)
        yield f"{number},"
    yield "9]"


def rows() -> list[Any]:
    with closing(sqlite3.connect(":memory:")) as database:
        return database.execute("VALUES (1), (2)").fetchall()

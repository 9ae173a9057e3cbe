"""An app that writes down what really happens to each of its requests, beside loopwatch.

All moments are of `perf_counter`, which on Linux is one clock for all processes. A request's number
is its query string. `ECHO` is the port of the slow service that `/io` asks; `TWIN` replaces the
blocking route by its good twin: `sleep` or `thread`.
"""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import asdict
from time import perf_counter
from typing import Any

from fastapi import FastAPI

from loopwatch import LoopWatchMiddleware, Watch
from tests.apps.door import open_door

WATCH = Watch(registry=None, otel=False, log=False)
TWIN = os.environ.get("TWIN", "")
LINES = 32  # to the slow service
LATER = 0.030  # s: how much longer the second child sleeps
WORK = 0.002  # s
NOTES: list[dict[str, Any]] = []
NOTE: ContextVar[dict[str, Any]] = ContextVar("note")
lines: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []


class Noting:
    """Outside loopwatch: notes when the app begins a request, and when it has ended."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        note = {"number": int(scope["query_string"]), "begun": perf_counter(), "ready": []}
        NOTE.set(note)
        await self.app(scope, receive, send)
        note["ended"] = perf_counter()
        NOTES.append(note)


def was_ready(since: float | None, how: str) -> None:
    """Note that the request was ready to run since then, and does so now."""
    NOTE.get()["ready"].append([since, perf_counter(), how])


def recent() -> list[dict[str, Any]]:
    shot: Any = WATCH.snapshot()
    return [asdict(request) for request in shot.recent_requests()]


def blames() -> list[dict[str, Any]]:
    shot: Any = WATCH.snapshot()
    return [asdict(reading) for reading in shot.blames]


def without() -> list[dict[str, Any]]:
    """What if `block` had not stalled."""
    shot: Any = WATCH.snapshot()
    return [asdict(route) for route in shot.without(f"{block.__module__}.{block.__qualname__}")]


def clocks() -> tuple[float, float]:
    return time.time(), perf_counter()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    readings = {"notes": lambda: NOTES, "recent": recent, "blames": blames}
    open_door(WATCH, **readings, without=without, clocks=clocks)
    service = ("127.0.0.1", int(os.environ["ECHO"]))
    lines.extend([await asyncio.open_connection(*service) for _ in range(LINES)])
    gc.freeze()
    yield
    for _, writer in lines:
        writer.close()


app = FastAPI(lifespan=lifespan)
app.add_middleware(LoopWatchMiddleware, watch=WATCH)
app.add_middleware(Noting)


@app.get("/good")
async def good() -> None:
    pass


@app.get("/work")
async def work() -> None:
    until = perf_counter() + WORK
    while perf_counter() < until:
        pass


async def nap(seconds: float) -> None:
    due = perf_counter() + seconds
    await asyncio.sleep(seconds)
    was_ready(due, "timer")


@app.get("/sleep/{ms}")
async def sleep(ms: int) -> None:
    await nap(ms / 1000)


async def nap_of_task(seconds: float, made: float) -> None:
    was_ready(made, "soon")
    await nap(seconds)


@app.get("/child/{ms}")
async def child(ms: int) -> None:
    made = perf_counter()
    await asyncio.gather(*(nap_of_task(ms / 1000 + later, made) for later in (0.0, LATER)))


@app.get("/thread/{ms}")
def thread(ms: int) -> None:
    was_ready(NOTE.get()["begun"], "soon")
    time.sleep(ms / 1000)
    was_ready(perf_counter(), "outside")


@app.get("/io/{ms}")
async def io(ms: int) -> None:
    """Asks a service: it alone knows since when there is an answer."""
    reader, writer = lines.pop()
    writer.write(f"{NOTE.get()['number']} {ms}\n".encode())
    await reader.readline()
    was_ready(None, "outside")
    lines.append((reader, writer))


@app.get("/block/{ms}")
async def block(ms: int) -> None:
    if TWIN == "sleep":
        await nap(ms / 1000)
    elif TWIN == "thread":
        await asyncio.to_thread(time.sleep, ms / 1000)
    else:
        began = perf_counter()
        time.sleep(ms / 1000)
        NOTE.get()["block"] = [began, perf_counter()]

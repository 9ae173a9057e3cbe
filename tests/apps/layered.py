"""An app whose route runs in a child task, as behind any `@app.middleware("http")`.

`/regex` holds the loop in C code that keeps the GIL. `/quick` is what waits for it.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response

from loopwatch import LoopWatchMiddleware, Watch
from tests.apps.door import measured, open_door

WATCH = Watch(registry=None, otel=False)
LEAST = 0.03  # s that the shortest expression takes


def requests() -> list[dict[str, Any]]:
    return [
        {
            "route": row.route,
            "count": row.latency.count,
            "seconds": row.latency.sum,
            "queued": row.queued,
            "running": row.running,
            "stalled": row.stalled,
        }
        for row in WATCH.snapshot().requests
    ]


def blames() -> list[list[Any]]:
    return [[b.culprit_route, b.victim_route, b.count] for b in WATCH.snapshot().blames]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    open_door(WATCH, requests=requests, blames=blames)
    yield


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def request_id(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    response.headers["x-request-id"] = "1"
    return response


app.add_middleware(LoopWatchMiddleware, watch=WATCH)


@app.get("/size")
def size() -> int:
    """Return how many letters make the expression take at least LEAST s."""
    letters = 10
    while True:
        began = time.perf_counter()
        re.match(r"(a+)+$", "a" * letters + "b")
        if time.perf_counter() - began >= LEAST:
            return letters
        letters += 1


@app.get("/regex/{letters}")
async def regex(letters: int) -> float:
    text = "a" * letters + "b"
    began = time.perf_counter()
    re.match(r"(a+)+$", text)
    measured(began)
    return time.perf_counter() - began


@app.get("/quick")
async def quick() -> float:
    began = time.perf_counter()
    await asyncio.sleep(0.01)
    return time.perf_counter() - began

"""An app whose requests wait, and which notes how long for what, as truth for tests/test_waits.py.

It is looked at more often than usual, so that a short load suffices.
"""

import asyncio
import importlib
import importlib.util
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loopwatch import LoopWatchMiddleware
from loopwatch.waits import wait_reader
from tests.apps.door import open_door
from tests.conftest import private_watch

wait_reader.QUICK, wait_reader.SHARE, wait_reader.TASKS = 0.02, 1.0, 1000

TRUTH: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
DATABASE = all(map(importlib.util.find_spec, ("sqlalchemy", "aiosqlite", "greenlet")))
SEMAPHORE, LOCK = asyncio.Semaphore(2), asyncio.Lock()
STATE: dict[str, Any] = {}


@contextmanager
def noted(route: str, what: str, part: float = 1.0) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        TRUTH[route][what] += (time.perf_counter() - began) * part


async def semaphore(request: Request) -> PlainTextResponse:
    began = time.perf_counter()
    async with SEMAPHORE:
        TRUTH["/semaphore"]["semaphore"] += time.perf_counter() - began
        with noted("/semaphore", "timer"):
            await asyncio.sleep(0.1)
    return PlainTextResponse("done")


async def lock(request: Request) -> PlainTextResponse:
    began = time.perf_counter()
    async with LOCK:
        TRUTH["/lock"]["lock"] += time.perf_counter() - began
        with noted("/lock", "timer"):
            await asyncio.sleep(0.05)
    return PlainTextResponse("done")


async def upstream(request: Request) -> PlainTextResponse:
    reader, writer = await asyncio.open_connection("127.0.0.1", STATE["port"])
    with noted("/upstream", "socket"):
        await reader.read()
    writer.close()
    with noted("/upstream", "timer"):
        await asyncio.sleep(0.1)
    return PlainTextResponse("done")


async def gather(request: Request) -> PlainTextResponse:
    await asyncio.gather(short(), long())
    return PlainTextResponse("done")


async def short() -> None:
    with noted("/gather", "short", 1 / 2):
        await asyncio.sleep(0.1)


async def long() -> None:
    with noted("/gather", "long", 1 / 2):
        await asyncio.sleep(0.1)
    with noted("/gather", "long"):
        await asyncio.sleep(0.2)


async def serial(request: Request) -> PlainTextResponse:
    for _ in range(20):
        await query()
    return PlainTextResponse("done")


async def query() -> None:
    with noted("/serial", "timer"):
        await asyncio.sleep(0.02)


async def database(request: Request) -> PlainTextResponse:
    began = time.perf_counter()
    async with STATE["engine"].connect() as connection:
        TRUTH["/database"]["pool"] += time.perf_counter() - began
        await connection.execute(STATE["select"])
        with noted("/database", "timer"):
            await asyncio.sleep(0.1)
    return PlainTextResponse("done")


async def nothing(request: Request) -> PlainTextResponse:
    return PlainTextResponse("done")


async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.3)
    writer.close()


def begin_database(url: str) -> None:
    engines = importlib.import_module("sqlalchemy.ext.asyncio")
    STATE["engine"] = engines.create_async_engine(url, pool_size=3, max_overflow=0)
    STATE["select"] = importlib.import_module("sqlalchemy").text("select 1")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    server = await asyncio.start_server(slow, "127.0.0.1", 0)
    STATE["port"] = server.sockets[0].getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        if DATABASE:
            begin_database(f"sqlite+aiosqlite:///{folder}/db")
        yield
        if DATABASE:
            await STATE["engine"].dispose()
    server.close()


HANDLERS = (semaphore, lock, upstream, gather, serial, nothing, *((database,) if DATABASE else ()))
watch = private_watch()
inner = Starlette(routes=[Route(f"/{each.__name__}", each) for each in HANDLERS], lifespan=lifespan)
app = LoopWatchMiddleware(inner, watch=watch)

open_door(
    watch,
    shot=lambda: watch.snapshot().to_dict(),
    truth=lambda: {route: dict(parts) for route, parts in TRUTH.items()},
    database=lambda: DATABASE,
    port=lambda: STATE["port"],
)

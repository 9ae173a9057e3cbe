"""Apps with one fault each, and their fixes: what `replay.py` measures before and after.

`shop` is an ordinary app: a slow search, a pool of three, an http middleware, an item that waits a
little. `queue` is a semaphore that is too small for the load. `demo` is the demo, whose good routes
are the fixes of its bad ones.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request

CATALOG = [{"id": i, "name": f"item {i}", "tags": ["a", "b"]} for i in range(4000)]
TIMES = 8  # as often the search reads the catalog: some 0.1 s
PLACES = {"none": 3, "places": 6}


def search(q: str) -> int:
    return len([row for row in CATALOG * TIMES if q in json.dumps(row)])


@asynccontextmanager
async def workers(app: FastAPI) -> AsyncIterator[None]:
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        app.state.pool = pool
        await asyncio.get_running_loop().run_in_executor(pool, search, "7")
        yield


def shop(fix: str) -> FastAPI:
    app = FastAPI(lifespan=workers if fix == "process" else None)
    pool = asyncio.Semaphore(PLACES.get(fix, 3))

    @app.middleware("http")
    async def request_id(request: Request, call_next: Callable[..., Any]) -> Any:
        response = await call_next(request)
        response.headers["x-request-id"] = "1"
        return response

    @app.get("/items/{item_id}")
    async def item(item_id: int) -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return CATALOG[item_id % 4000]

    @app.get("/search")
    async def find(q: str = "7") -> dict[str, int]:
        if fix == "thread":
            return {"n": await asyncio.to_thread(search, q)}
        if fix == "process":
            loop = asyncio.get_running_loop()
            return {"n": await loop.run_in_executor(app.state.pool, search, q)}
        return {"n": search(q) if fix != "removed" else 0}

    @app.get("/orders")
    async def orders() -> dict[str, bool]:
        async with pool:
            await asyncio.sleep(0.12)
        return {"ok": True}

    return app


def queue(fix: str) -> FastAPI:
    app = FastAPI()
    pool = asyncio.Semaphore({"none": 2, "places": 4}[fix])

    @app.get("/q")
    async def q() -> int:
        async with pool:
            await asyncio.sleep(0.1)
        return 1

    return app


def demo(fix: str) -> FastAPI:
    from examples.demo.app import create_app

    app: FastAPI = create_app()
    return app


APPS: dict[str, Callable[[str], FastAPI]] = {"shop": shop, "queue": queue, "demo": demo}

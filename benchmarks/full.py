"""A full watch: every route, site and coroutine that it has room for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from loopwatch import LoopWatchMiddleware, Site, Stall, Watch, timed
from loopwatch.core.causes import Cause

Endpoint: TypeAlias = Callable[[], Awaitable[None]]
ROUTES = LABELS = 256
SITES = 64
ROWS = 1024  # of route, site and cause
CAUSES: tuple[Cause, ...] = (
    "blocking_call",
    "cpu",
    "native_gil",
    "gil_contention",
    "gc",
    "import",
    "unknown",
)
DURATIONS = (0.12, 0.2, 0.3, 0.7, 1.5)  # s


async def fill(watch: Watch, rows: int = SITES, requests: int = 1024) -> None:
    """Serve `requests` on each route, and record stalls of `rows` combinations of route, site and
    cause, on the running loop, which is watched."""
    for number in range(ROUTES):
        await serve_route(watch, number, requests)
        await timed(nothing(), f"shop.prices.quote_{number}")
    for number in range(rows):
        watch._reporter.table.add(stall(number))
    await asyncio.sleep(0.1)


async def serve_route(watch: Watch, number: int, requests: int) -> None:
    endpoint = named(number)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["path_template"], scope["endpoint"] = route(number), endpoint
        await endpoint()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    watched: Any = LoopWatchMiddleware(app, watch=watch)
    for _ in range(requests):
        await watched(http_scope(), receive, send)
    await asyncio.sleep(0)


def named(number: int) -> Endpoint:
    """Return an endpoint with its own name."""

    async def endpoint() -> None:
        pass

    endpoint.__qualname__ = f"Catalogue.answer_{number}"
    return endpoint


def route(number: int) -> str:
    return f"/shop/{{country}}/catalogue/{number}/items/{{item_id}}"


def stall(number: int) -> Stall:
    """Return a stall; each number gives another combination of route, site and cause."""
    site = number % SITES
    return Stall(
        started_at=1.8e9,
        duration=DURATIONS[number % len(DURATIONS)],
        cause=CAUSES[number // SITES % len(CAUSES)],
        route=route(number % ROUTES),
        method="GET",
        coroutine=f"shop.catalogue.Catalogue.answer_{site}",
        site=Site(f"shop.catalogue.queries.Query_{site}.rows", "/app/shop/queries.py", 40, "x()"),
    )


def http_scope() -> MutableMapping[str, Any]:
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "query_string": b""}
    return {**scope, "root_path": "", "http_version": "1.1", "scheme": "http"}


async def nothing() -> None:
    pass


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message: Any) -> None:
    pass

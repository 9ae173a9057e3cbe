"""The app of the table: a route for each row, bystanders, and a door to read the stalls by.

`EAGER=1` gives the loop an eager task factory. Whatever is calibrated is so as it is imported,
before the watch begins; the lifespan blocks, since that is a row as well.
"""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Event
from typing import Any

from fastapi import FastAPI
from starlette.middleware.base import BaseHTTPMiddleware

from loopwatch import LoopWatchMiddleware, Watch
from tests.apps.door import open_door
from tests.culprits.native import native
from tests.culprits.places import BLOCK, Ahead, BrokenError, broken, dispatch, places
from tests.culprits.tasks import handle_signals, tasks
from tests.culprits.waits import waits

WATCH = Watch(registry=None, otel=False, log=False)
BEHIND_DISPATCH = ("/dispatch", "/behind_dispatch")
released = Event()
since = [0.0]  # Unix time, s: only stalls that ended later are shown


class Chosen:
    """Sends some paths through a `BaseHTTPMiddleware`, all others past it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.wrapped = BaseHTTPMiddleware(app, dispatch=dispatch)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        chosen = scope.get("path", "").startswith(BEHIND_DISPATCH)
        await (self.wrapped if chosen else self.app)(scope, receive, send)


def stalls() -> list[dict[str, Any]]:
    """Return what has ended since `clear`. What began right after it may be told to have begun
    before: where a signal ends uvloop's poll, that is known to a millisecond."""
    return [s.to_dict() for s in WATCH.stalls if s.started_at + s.duration >= since[0]]


def clear() -> None:
    since[0] = time.time()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    if os.environ.get("EAGER"):
        asyncio.get_running_loop().set_task_factory(
            asyncio.eager_task_factory  # type: ignore[attr-defined,unused-ignore]
        )
    open_door(stalls=stalls, clear=clear, release=released.set)
    handle_signals()
    gc.freeze()  # what was calibrated is no garbage: no row is about its collection
    time.sleep(BLOCK)  # culprit: lifespan
    yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(Chosen)
app.add_middleware(Ahead)
app.add_middleware(LoopWatchMiddleware, watch=WATCH)
app.add_exception_handler(BrokenError, broken)
for router in (places, tasks, waits, native):
    app.include_router(router)


@app.get("/bystander/{number}")
async def bystander(number: int) -> None:
    """Short turns, until released."""
    while not released.is_set():
        await asyncio.sleep(0.005)

"""An app for many workers: it blocks on demand, and notes every stall that is told in a file."""

import asyncio
import os
import time
from typing import Any

from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from loopwatch import LoopWatchMiddleware, Stall, Watch, metrics

BLOCKED = Counter("app_blocked", "The app's own: how often it has blocked.")

watch = Watch.from_env()


class Notes:
    """An instrument that keeps what it was told, whatever becomes of the process."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def stalled(self, stall: Stall) -> None:
        os.write(self._file, f"{os.getpid()} {stall.route} {stall.duration}\n".encode())


async def block(request: Request) -> PlainTextResponse:
    BLOCKED.inc()
    time.sleep(0.12)
    return PlainTextResponse(str(os.getpid()))


async def who(request: Request) -> PlainTextResponse:
    await asyncio.sleep(0.02)  # long enough for the next one to be another worker's
    return PlainTextResponse(str(os.getpid()))


if "NOTES" in os.environ:
    watch.add_instrument(Notes(os.environ["NOTES"]))

app: Any = Starlette(
    routes=[Route("/block", block), Route("/who", who), Mount("/metrics", metrics())]
)
app.add_middleware(LoopWatchMiddleware, watch=watch)

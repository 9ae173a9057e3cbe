"""An app whose `/wedge` takes a lock that is never given back; its metrics have their own port."""

import os
import threading

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loopwatch import LoopWatchMiddleware, Watch

LOCK = threading.Lock()
LOCK.acquire()


async def fine(request: Request) -> PlainTextResponse:
    return PlainTextResponse("fine")


async def wedge(request: Request) -> PlainTextResponse:
    LOCK.acquire()
    return PlainTextResponse("never")


app = Starlette(routes=[Route("/", fine), Route("/wedge", wedge)])
app.add_middleware(
    LoopWatchMiddleware,
    watch=Watch(metrics_port=int(os.environ["METRICS"]), live_after=2.0, otel=False),
)

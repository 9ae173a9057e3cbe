"""A FastAPI app whose spans and metrics are sent by OTLP, set up as the demo sets itself up."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from opentelemetry import metrics
from prometheus_client import CollectorRegistry, generate_latest

from examples.demo import telemetry
from loopwatch import LoopWatchMiddleware, Watch, timed
from tests.apps.door import open_door

gc.disable()  # no collection between two readings that are compared
assert telemetry.set_up()
REGISTRY = CollectorRegistry()
WATCH = Watch(registry=REGISTRY, log=False)


def flushed() -> str:
    """Send all there is, and return the scrape of the same moment."""
    provider: object = metrics.get_meter_provider()
    provider.force_flush()  # type: ignore[attr-defined]
    return generate_latest(REGISTRY).decode()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    open_door(WATCH, scrape=flushed)
    yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(LoopWatchMiddleware, watch=WATCH)


@app.get("/bad/{number}")
async def bad(number: int) -> dict[str, int]:
    time.sleep(0.2)
    return {"number": number}


@app.get("/good")
async def good() -> dict[str, int]:
    await timed(asyncio.sleep(0.1), "nap")
    return {}


@app.get("/waiting")
async def waiting() -> dict[str, int]:
    """Long enough for a look at what requests wait for: they are taken at random moments."""
    await asyncio.sleep(1.5)
    return {}


@app.get("/thread")
def thread() -> dict[str, int]:
    gc.collect()
    return {}

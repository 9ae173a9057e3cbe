"""An app of good and bad routes that exports its own metrics: something for every panel."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import BackgroundTasks, FastAPI
from prometheus_client import make_asgi_app

from loopwatch import LoopWatchMiddleware, Watch, page, timed

WORKERS = 2
WATCH = Watch(allow=(f"{__name__}.warm_up",), log=False)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = WORKERS
    gc.freeze()
    yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(LoopWatchMiddleware, watch=WATCH)
app.mount("/metrics", make_asgi_app())
app.mount("/loopwatch", page(WATCH))


@app.get("/good/{number}")
async def good(number: int) -> None:
    await asyncio.sleep(0.001)


@app.get("/sleeping")
async def sleeping() -> None:
    time.sleep(0.3)


@app.get("/computing")
async def computing() -> None:
    began = time.perf_counter()
    while time.perf_counter() - began < 0.15:
        pass


def warm_up() -> None:
    time.sleep(0.12)


@app.get("/allowed")
async def allowed() -> None:
    warm_up()


@app.get("/thread")
def thread() -> None:
    time.sleep(0.2)


@app.get("/classify")
async def classify() -> None:
    await timed(asyncio.sleep(0.01), "classify")


@app.get("/collect")
async def collect() -> None:
    gc.collect()


async def mail() -> None:
    await asyncio.sleep(0)


@app.get("/background")
async def background(tasks: BackgroundTasks) -> None:
    tasks.add_task(mail)

"""The app: the routers of the lessons, and the one line that watches them.

To run it without the demo's load: `uvicorn --factory examples.demo.app:create_app`.
"""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from openai import OpenAIError

from examples.demo import telemetry
from examples.demo.lessons import (
    azure,
    background,
    chat,
    child_task,
    classify,
    cpu,
    dependency,
    pdf,
    sleep,
    users,
    websocket,
)
from examples.demo.resources import open_resources
from examples.demo.settings import Settings
from loopwatch import LoopWatchMiddleware, Watch, metrics, page

LESSONS = (
    sleep, cpu, users, chat, azure, classify, pdf,
    dependency, child_task, websocket, background,
)  # fmt: skip


def create_app(watch: Watch | None = None, settings: Settings | None = None) -> FastAPI:
    """Return the demo under `watch`, with `/metrics` and `/loopwatch/` beside it."""
    telemetry.set_up()
    watch = watch or Watch()
    app = FastAPI(title="loopwatch demo", lifespan=lifespan)
    app.state.settings = settings or Settings.from_env()
    for lesson in LESSONS:
        app.include_router(lesson.router)
    app.add_exception_handler(OpenAIError, upstream_failed)
    app.mount("/metrics", metrics())
    app.mount("/loopwatch", page(watch))
    app.add_middleware(LoopWatchMiddleware, watch=watch)
    app.openapi()  # made now: at the first visit of /docs it would be a stall
    return app


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with open_resources(app.state.settings) as resources:
        app.state.resources = resources
        # A full collection visits every object of every import. For some 0.1 s nothing else
        # runs in any thread. All objects so far stay, so exclude them.
        gc.freeze()
        yield
        gc.unfreeze()


async def upstream_failed(request: Request, error: Exception) -> JSONResponse:
    """Answer 502 if a route lets an error of the model through."""
    return JSONResponse({"detail": f"the model failed: {type(error).__name__}"}, status_code=502)

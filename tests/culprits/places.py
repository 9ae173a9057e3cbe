"""Every place of a request in which code can block, a route each. `# culprit: name` marks lines."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from fastapi import APIRouter, BackgroundTasks, Depends, Request, WebSocket
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response

from tests.culprits.calibration import long_enough

BLOCK = 0.2  # s
places = APIRouter()


@places.get("/endpoint/{number}")
async def endpoint(number: int) -> None:
    time.sleep(BLOCK)  # culprit: endpoint


def below(frames: int) -> None:
    if frames:
        below(frames - 1)
    else:
        time.sleep(BLOCK)  # culprit: deep


@places.get("/deep")
async def deep() -> None:
    below(10)


async def session() -> None:
    time.sleep(BLOCK)  # culprit: dependency


@places.get("/dependency", dependencies=[Depends(session)])
async def dependency() -> None: ...


async def opening() -> AsyncIterator[None]:
    time.sleep(BLOCK)  # culprit: dependency_before_yield
    yield


@places.get("/dependency_before_yield", dependencies=[Depends(opening)])
async def dependency_before_yield() -> None: ...


async def closing() -> AsyncIterator[None]:
    yield
    time.sleep(BLOCK)  # culprit: dependency_after_yield


@places.get("/dependency_after_yield", dependencies=[Depends(closing)])
async def dependency_after_yield() -> None: ...


class BrokenError(Exception):
    """What `broken` answers."""


async def broken(request: Request, error: Exception) -> JSONResponse:
    time.sleep(BLOCK)  # culprit: exception_handler
    return JSONResponse({})


@places.get("/exception_handler")
async def exception_handler() -> None:
    raise BrokenError


class Article(BaseModel):
    title: str
    prices: list[float]


class Catalogue(BaseModel):
    articles: list[Article]


PRICES = [0.1] * 1000


def catalogue(size: int) -> Catalogue:
    article = Article.model_construct(title="a", prices=PRICES)
    return Catalogue.model_construct(articles=[article] * size)


HUGE = catalogue(long_enough(lambda size: catalogue(size).model_dump_json, 100))


@places.get("/serialisation")
async def serialisation() -> Catalogue:  # culprit: serialisation
    return HUGE


async def mail() -> None:
    time.sleep(BLOCK)  # culprit: background


@places.get("/background")
async def background(tasks: BackgroundTasks) -> None:
    tasks.add_task(mail)


async def slow_parts() -> AsyncIterator[bytes]:
    yield b"one"
    time.sleep(BLOCK)  # culprit: streaming
    yield b"two"


@places.get("/streaming")
async def streaming() -> StreamingResponse:
    return StreamingResponse(slow_parts())


@places.websocket("/websocket/{room}")
async def websocket(websocket: WebSocket, room: str) -> None:
    await websocket.accept()
    text = await websocket.receive_text()
    time.sleep(BLOCK)  # culprit: websocket
    await websocket.send_text(text)
    await websocket.close()


@places.get("/asgi_before")
async def asgi_before() -> None: ...


@places.get("/asgi_after")
async def asgi_after() -> None: ...


class Ahead:
    """The app's own pure-ASGI middleware: it is on every request's stack, and mostly innocent."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") == "/asgi_before":
            time.sleep(BLOCK)  # culprit: asgi_before
        await self.app(scope, receive, send)
        if scope.get("path") == "/asgi_after":
            time.sleep(BLOCK)  # culprit: asgi_after


@places.get("/dispatch_before")
async def dispatch_before() -> None: ...


@places.get("/dispatch_after")
async def dispatch_after() -> None: ...


@places.get("/behind_dispatch")
async def behind_dispatch() -> None:
    time.sleep(BLOCK)  # culprit: behind_dispatch


async def dispatch(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """For a `BaseHTTPMiddleware` in front of the whole app."""
    if request.url.path == "/dispatch_before":
        time.sleep(BLOCK)  # culprit: dispatch_before
    response = await call_next(request)
    if request.url.path == "/dispatch_after":
        time.sleep(BLOCK)  # culprit: dispatch_after
    return response


def pooled() -> None:
    time.sleep(BLOCK)


def pooled_parts() -> Iterator[bytes]:
    time.sleep(BLOCK)
    yield b"one"


@places.get("/good/dependency", dependencies=[Depends(pooled)])
async def good_dependency() -> None: ...


@places.get("/good/endpoint")
def good_endpoint() -> None:
    time.sleep(BLOCK)


@places.get("/good/streaming")
async def good_streaming() -> StreamingResponse:
    return StreamingResponse(pooled_parts())


@places.get("/good/background")
async def good_background(tasks: BackgroundTasks) -> None:
    tasks.add_task(pooled)

"""The measured apps: the smallest route, an ordinary one, and the same with a longer step."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeAlias

import evenclock
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

App: TypeAlias = Starlette  # FastAPI is one too


class Item(BaseModel):
    name: str
    price: float
    tags: list[str]


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def item() -> Item:
    for _ in range(3):
        await asyncio.sleep(0)
    return Item(name="lamp", price=19.5, tags=["light", "desk"])


async def mark(request: Request) -> PlainTextResponse:
    """End one batch and begin the next: answer with the CPU time used so far, before and after.

    The answer also has the number of full garbage collections so far.

    `getloadavg` is only a marker: callgrind dumps its counters whenever the function is entered.
    Garbage is collected in between, so every batch begins in the same state.
    """
    ended = time.process_time_ns()
    os.getloadavg()
    collections = gc.get_stats()[2]["collections"]
    gc.collect()
    os.getloadavg()
    return PlainTextResponse(f"{ended} {time.process_time_ns()} {collections}")


def starlette_app() -> App:
    return Starlette(routes=[Route("/", hello), Route("/mark", mark)])


def fastapi_app(endpoint: Callable[[], Awaitable[Item]] = item) -> App:
    app = FastAPI()
    app.get("/", response_model=Item)(endpoint)
    app.add_route("/mark", mark)
    return app


def stretched_app(seconds: float) -> App:
    """Return the FastAPI app with one step that looks this much longer on the even clock."""
    stretch = evenclock.stretcher()

    async def stretched_item() -> Item:
        stretch(seconds)
        return await item()

    return fastapi_app(stretched_item)


APPS: dict[str, Callable[[], App]] = {
    "fastapi": fastapi_app,
    "starlette": starlette_app,
    "fastapi-short-step": partial(stretched_app, evenclock.TICK),
    "fastapi-long-step": partial(stretched_app, 2e-3),
}

"""An app whose requests wait for two places, and one route that fills the loop in short steps."""

import asyncio
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

POOL = asyncio.Semaphore(2)
HELD = 0.1  # s
STEP, STEPS = 0.008, 10  # s of one step, and how many a request has
NUMBERS = range(3000)


async def query(request: Request) -> Response:
    async with POOL:
        await asyncio.sleep(HELD)
    return JSONResponse("rows")


def squares(until: float) -> int:
    total = 0
    while time.perf_counter() < until:
        total += sum(NUMBERS)
    return total


async def report(request: Request) -> Response:
    for _ in range(STEPS):
        squares(time.perf_counter() + STEP)
        await asyncio.sleep(0)
    return JSONResponse("done")


app = Starlette(routes=[Route("/query", query), Route("/report", report)])

"""An app with a line that holds the loop, and routes that pay for it."""

import asyncio
import os
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def bad(request: Request) -> Response:
    time.sleep(0.15)
    return JSONResponse("late")


async def good(request: Request) -> Response:
    await asyncio.sleep(0.02)
    return JSONResponse("in time")


async def user(request: Request) -> Response:
    body = await request.json()
    return JSONResponse(body, status_code=500 if body == "fail" else 200)


async def die(request: Request) -> Response:
    os._exit(3)


app = Starlette(
    routes=[
        Route("/bad", bad),
        Route("/good", good),
        Route("/users/{id}", user, methods=["POST"]),
        Route("/die", die),
    ]
)

"""An app as somebody might have it: it knows nothing of loopwatch."""

import asyncio
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


async def bad(request: Request) -> Response:
    time.sleep(float(request.query_params["seconds"]))
    return JSONResponse("late")


async def good(request: Request) -> Response:
    return JSONResponse(type(asyncio.get_running_loop()).__module__)


app = Starlette(routes=[Route("/bad", bad), Route("/good", good)])
number = 5


def make_app() -> Starlette:
    return app


async def make_app_slowly() -> Starlette:
    return app


async def app_function(scope: object, receive: object, send: object) -> None: ...


def make_nothing() -> None:
    raise LookupError("no shop\nto be had")


def wsgi(environ: object, start_response: object) -> list[bytes]:
    return []

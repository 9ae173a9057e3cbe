"""An app that knows nothing of loopwatch; `/bad` holds the loop, and says in which process."""

import os
import time

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def bad(request: Request) -> PlainTextResponse:
    time.sleep(0.6)
    return PlainTextResponse(str(os.getpid()))


app = Starlette(routes=[Route("/bad/{number}", bad)])

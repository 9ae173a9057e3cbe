"""Watchdogs that run, and a call in C that holds the GIL."""

import asyncio
import re
import threading
import time
from typing import Any

from loopwatch import LoopWatchMiddleware
from tests.asgi import Receive, Send, answer, visit
from tests.conftest import watchdog_round


async def handle_in(function: Any, watch: Any) -> None:
    """Run a function in a request's own step."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"], scope["endpoint"] = "/held", function
        await asyncio.sleep(0.01)
        function()
        await answer(send)

    watch.start()
    await asyncio.sleep(0)
    await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
    await watchdog_round()


def watchdogs() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name == "loopwatch-watchdog"]


def backtracking() -> int:
    """Return how many letters take this machine between 0.25 and 0.6 s."""
    for letters in range(18, 40):
        began = time.perf_counter()
        re.match(r"(a+)+$", "a" * letters + "b")
        if time.perf_counter() - began > 0.25:
            return letters
    raise AssertionError("no expression is slow enough")

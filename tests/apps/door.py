"""A second door to an app's process: an HTTP server in a thread, so that the loop is left alone."""

import asyncio
import json
import os
import time
from collections.abc import Callable
from contextvars import Context, ContextVar
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from loopwatch import Watch

POLL = 60.0  # s between two wakes of a server's thread: each asks for the GIL
MEASURED: list[list[float]] = []  # s, in order: each block of the app's own, and the slack
STARTED: ContextVar[float] = ContextVar("started", default=0.0)  # set outside loopwatch


def measured(began: float) -> None:
    """Note a block that began then and ends now, and how much longer its step was at most.

    Usually that is a fraction of a millisecond, but a crowded machine may stop a step anywhere.
    """
    ended = time.perf_counter()
    before = began - STARTED.get()
    entry = [ended - began, before if before < 0.1 else 0.0]
    MEASURED.append(entry)

    def step_is_over() -> None:
        entry[1] += time.perf_counter() - ended

    asyncio.get_running_loop().call_soon(step_is_over, context=Context())


class Outermost:
    """A middleware outside loopwatch's: notes when a request's first step really began."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        STARTED.set(time.perf_counter())
        await self.app(scope, receive, send)


def open_door(watch: Watch | None = None, **readings: Callable[[], Any]) -> None:
    """Show `readings` as JSON, each at its own path, and what `watch` says."""
    seen = 0  # stalls that have been cleared

    def stalls() -> list[dict[str, Any]]:
        if watch is None:
            return []
        shot = watch.snapshot()
        dropped = shot.stall_count - len(shot.stalls)
        return [s.to_dict() for s in shot.stalls[max(0, seen - dropped) :]]

    def clear() -> None:
        nonlocal seen
        seen = watch.snapshot().stall_count if watch is not None else 0
        MEASURED.clear()

    shown = {"stalls": stalls, "clear": clear, "measured": lambda: MEASURED, **readings}
    if watch is not None:
        shown["snapshot"] = lambda: watch.snapshot().to_dict()

    class Door(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(shown[self.path.strip("/")]()).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["DOOR"])), Door)
    server.daemon_threads = True
    Thread(target=server.serve_forever, args=(POLL,), daemon=True).start()

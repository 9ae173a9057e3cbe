"""The table's app under a real uvicorn, with three bystanders in flight, asked row by row."""

import contextlib
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.calm import run_delay, stolen, threads
from tests.ports import HOST
from tests.serving import Server, serve

from .rows import Row

BYSTANDERS = 3
PATIENCE = 1.0  # s for a stall to end, and to be explained
TRIES = 5
WAKE = 0.09  # s: more than the watchdog sleeps


class Table:
    """A running app of the table."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.startup: list[dict[str, Any]] = server.read("stalls")

    def waited_for_cpu(self) -> float:
        """Return seconds for which the app's threads were kept from running."""
        for _ in range(TRIES):
            with contextlib.suppress(OSError):  # a thread has just ended
                return sum(run_delay(thread) for thread in threads(self.server.process)) + stolen()
        return float("inf")

    def run(self, row: Row) -> list[dict[str, Any]]:
        """Return the stalls of a row."""
        if row.trigger == "STARTUP":
            return self.startup
        return self.stalls_of(lambda: self.trigger(row), 1)

    def get(self, path: str) -> list[dict[str, Any]]:
        """Return the stalls of a path, none of which are awaited."""
        return self.stalls_of(lambda: self.server.get(path).raise_for_status(), 0)

    def stalls_of(self, trigger: Any, awaited: int) -> list[dict[str, Any]]:
        self.server.read("clear")
        trigger()
        deadline = time.monotonic() + PATIENCE
        while len(self.server.read("stalls")) < awaited and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(WAKE)
        stalls: list[dict[str, Any]] = self.server.read("stalls")
        return stalls

    def trigger(self, row: Row) -> None:
        if row.trigger == "SIGNAL":
            os.kill(self.server.process, signal.SIGUSR1)
            time.sleep(0.3)
        elif row.trigger == "WEBSOCKET":
            with connect(f"ws://{HOST}:{self.server.port}{row.asked}", proxy=None) as websocket:
                websocket.send("hello")
                websocket.recv(timeout=10)
        else:
            self.server.get(row.asked).raise_for_status()


@contextmanager
def bystanders(server: Server) -> Iterator[None]:
    """Keep some requests of other routes in flight, each awaiting by short turns."""
    addresses = [f"http://{HOST}:{server.port}/bystander/{n}" for n in range(BYSTANDERS)]
    options: dict[str, Any] = {"timeout": None, "trust_env": False}
    threads = [
        threading.Thread(target=httpx.get, args=(address,), kwargs=options, daemon=True)
        for address in addresses
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        server.read("release")
        for thread in threads:
            thread.join()


@contextmanager
def serve_table(loop: str, **environment: str) -> Iterator[Table]:
    """Serve the table's app on `loop`, and end it afterwards."""
    plain = {"NO_PROXY": HOST, "PYTHONDONTWRITEBYTECODE": "1"} | environment
    with (
        tempfile.TemporaryDirectory() as scratch,
        serve("app:app", loop, package="tests.culprits", SCRATCH=scratch, **plain) as server,
        bystanders(server),
    ):
        yield Table(server)

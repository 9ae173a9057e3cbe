"""Serves one app of the table with a real uvicorn on each loop, and asks it row by row.

    python -m tests.frameworks.child falcon asyncio uvloop

It prints, as JSON, what was told of each row, and what had to be.
"""

import asyncio
import importlib
import json
import sys
import threading
import time
from typing import Any

import httpx
import uvicorn
from websockets.sync.client import connect

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.routing import hooks
from loopwatch.routing.adapters import ADAPTERS, Adapter
from tests.calm import waited_for_cpu
from tests.conftest import loop_factory, private_watch
from tests.ports import free_port

from .asked import ADDRESS, HOLD, THRESHOLD, Asked, Outer, told

PATIENCE = 20.0  # s for a server to start, and for a stall to be explained


def main(name: str, loops: list[str]) -> None:
    app = importlib.import_module(f"tests.frameworks.apps.{name}")
    found: dict[str, Any] = {loop: played(app.app, app.ROWS, loop) for loop in loops}
    found["waited"] = waited_for_cpu()  # all its life
    print(json.dumps(found))


def played(app: Any, rows: list[Asked], loop: str) -> dict[str, Any]:
    """Return what was told and what had to be, by row."""
    watch = private_watch(slow_callback_duration=THRESHOLD)
    assert not any(map(is_wrapped, ADAPTERS))
    server = Server(LoopWatchMiddleware(Outer(app), watch=watch), loop)
    found: dict[str, Any] = {}
    try:
        for row in rows:
            found[row.name] = {"told": stalls_of(watch, server.port, row), "expected": told(row)}
        ask_for_nothing(server.port)
    finally:
        server.end()
        watch.stop()
    counted = [(r.route, r.method) for r in watch.snapshot().requests]
    assert not any("nowhere" in route for route, _ in counted), counted
    assert not any(map(is_wrapped, ADAPTERS)), "all is put back"
    for row in rows:
        found[row.name]["counted"] = (row.route, row.method) in counted
        found[row.name]["requests"] = counted
    return found


def is_wrapped(adapter: Adapter) -> bool:
    """Return whether a framework's method is ours now."""
    owner, _, name = adapter.method.partition(".")
    found = getattr(sys.modules.get(adapter.module), owner, None)
    code = getattr(vars(found).get(name), "__code__", None) if found else None
    return code is not None and code.co_filename == hooks.__file__


def ask_for_nothing(port: int) -> None:
    """Ask for what no route serves: it has none, and never its raw path."""
    httpx.get(f"http://{ADDRESS}:{port}/nowhere/at/all", trust_env=False, timeout=PATIENCE)


def stalls_of(watch: Watch, port: int, row: Asked) -> list[dict[str, Any]]:
    before = watch.snapshot().stall_count
    ask(row, f"{ADDRESS}:{port}")
    deadline = time.monotonic() + PATIENCE
    while watch.snapshot().stall_count == before and time.monotonic() < deadline:
        time.sleep(0.05)
    return [summary(stall) for stall in watch.stalls[before:]]


def summary(stall: Any) -> dict[str, Any]:
    site = stall.site
    told = {name: getattr(stall, name) for name in ("route", "method", "coroutine", "cause")}
    where = {"function": site.function, "line": site.line, "exact": site.exact}
    return {**where, **told, "duration": stall.duration}


def ask(row: Asked, address: str) -> None:
    if row.talk is not None:
        row.talk(address)
    elif row.method == "WEBSOCKET":
        with connect(f"ws://{address}{row.path}", proxy=None) as websocket:
            websocket.send("hello")
            websocket.recv(timeout=PATIENCE)
    else:
        url = f"http://{address}{row.path}"
        httpx.request(row.method, url, trust_env=False, timeout=PATIENCE).raise_for_status()


class Server:
    """A uvicorn on a thread of its own."""

    def __init__(self, app: Any, loop: str) -> None:
        self.port = free_port()
        options: dict[str, Any] = {"host": ADDRESS, "port": self.port, "log_level": "warning"}
        self._server = uvicorn.Server(uvicorn.Config(app, **options, timeout_graceful_shutdown=2))
        self._thread = threading.Thread(target=self._run, args=(loop,))
        self._thread.start()
        deadline = time.monotonic() + PATIENCE
        while not self._server.started and time.monotonic() < deadline:
            time.sleep(0.02)

    def _run(self, loop: str) -> None:
        with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
            runner.run(self._server.serve())

    def end(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE + HOLD)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

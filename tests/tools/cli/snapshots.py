"""What `snapshot.json` says in tests, and a server that says it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loopwatch.core.histogram import SECONDS_EDGES

EDGES = list(SECONDS_EDGES)


def histogram(*seconds: float) -> dict[str, Any]:
    """Return one of values that lie on edges."""
    counts, sums = [0] * (len(EDGES) + 1), [0.0] * (len(EDGES) + 1)
    for value in seconds:
        bucket = EDGES.index(value)
        counts[bucket] += 1
        sums[bucket] += value
    return {"edges": EDGES, "counts": counts, "sums": sums}


def request(route: str, *seconds: float, method: str = "GET", **parts: float) -> dict[str, Any]:
    names = ("queued", "running", "stalled", "waiting", "background", "threadpool")
    given = dict.fromkeys(names, 0.0) | parts
    return {"route": route, "method": method, "latency": histogram(*seconds), **given}


def site(name: str = "shop.bad", *seconds: float, **fields: Any) -> dict[str, Any]:
    given = {"route": "/bad", "cause": "cpu", "victims": 0, "lost_request_seconds": 0.0}
    return {"site": name, "stalls": histogram(*seconds), **given, **fields}


def stall(name: str = "shop.bad", route: str | None = "/bad", **where: Any) -> dict[str, Any]:
    place = {"function": name, "file": "/app/shop.py", "line": 21, "code": "time.sleep(1)"}
    return {"site": place | where, "route": route}


def snapshot(at: float = 100.0, lag: tuple[float, ...] = (), **fields: Any) -> dict[str, Any]:
    """Return a reading of an asyncio loop, of nothing else unless it is given."""
    given = {
        "version": "1.2.3",
        "taken_at": at,
        "loops": [{"loop": "asyncio", "thread": "MainThread", "lag": histogram(*lag)}],
        "lag": histogram(*lag),
        "busy": 0.0,
        "idle": 0.0,
        "self_seconds": 0.0,
        "stall_count": 0,
        "dropped": {},
        "sites": [],
        "requests": [],
        "stalls": [],
    }
    return given | fields


class Said(ThreadingHTTPServer):
    """Serves `told` as snapshot.json."""

    daemon_threads = True
    told: dict[str, Any]


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Said)
        body = json.dumps(server.told).encode()
        self.send_response(200 if self.path == "/snapshot.json" else 404)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def saying(told: dict[str, Any], port: int = 0) -> Iterator[Said]:
    """Serve a snapshot; its port is `server_port`."""
    with Said(("127.0.0.1", port), Answer) as server:
        server.told = told
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(timeout=10)

"""A full watch that is scraped over HTTP from its own app, and the effect on its loop."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import NamedTuple

import uvicorn
from full import fill
from prometheus_client import CollectorRegistry
from server import listener, loop_factory
from starlette.applications import Starlette

from loopwatch import LoopWatchMiddleware, Watch, metrics

EVERY = 1.0  # s between two scrapes
BEAT = 0.001  # s between two looks at the clock, on the loop
ACCEPT = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
    "Accept-Encoding": "gzip",
}


class Felt(NamedTuple):
    """How late a loop was, and how long each scrape took."""

    loop: str
    longest: float  # s; the greatest lateness
    stalls: int
    scrapes: list[float]  # s

    def row(self) -> list[str]:
        what = "scraped every second" if self.scrapes else "left alone"
        slowest = f"{max(self.scrapes) * 1e3:.0f}" if self.scrapes else ""
        cells = str(len(self.scrapes)), f"{self.longest * 1e3:.1f}", str(self.stalls), slowest
        return [f"{self.loop}, {what}", *cells]


def feel(loop: str, scraped: bool, seconds: float) -> Felt:
    """Watch a loop for some seconds, with or without scrapes of its app."""
    with asyncio.Runner(loop_factory=loop_factory(loop)) as runner:
        return runner.run(served(loop, scraped, seconds))


async def served(loop: str, scraped: bool, seconds: float) -> Felt:
    registry = CollectorRegistry()
    watch = Watch(registry=registry, otel=False, log=False)
    watch.start()
    await fill(watch)
    app = Starlette()
    app.mount("/metrics", metrics(registry))
    app.add_middleware(LoopWatchMiddleware, watch=watch)
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    with listener() as listening:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await asyncio.sleep(0.5)
        before = watch.snapshot(recent=False).stall_count
        port = listening.getsockname()[1]
        longest, taken = await asyncio.gather(
            lateness(seconds), scrapes(port, seconds) if scraped else nothing()
        )
        stalls = watch.snapshot(recent=False).stall_count - before
        server.should_exit = True
        await serving
    watch.stop()
    return Felt(loop, longest, stalls, taken)


async def lateness(seconds: float) -> float:
    """Return how late the loop was at most, in seconds."""
    longest, ends = 0.0, time.perf_counter() + seconds
    while (began := time.perf_counter()) < ends:
        await asyncio.sleep(BEAT)
        longest = max(longest, time.perf_counter() - began - BEAT)
    return longest


async def scrapes(port: int, seconds: float) -> list[float]:
    """Scrape from another process; return how long each scrape took, in seconds."""
    command = [sys.executable, __file__, str(port), str(int(seconds / EVERY) - 1)]
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE)
    try:
        output, _ = await asyncio.to_thread(process.communicate)
    finally:
        process.kill()
    taken: list[float] = json.loads(output)
    return taken


async def nothing() -> list[float]:
    return []


def scrape(port: int, times: int) -> Iterator[float]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics/", headers=ACCEPT)
    opener: Callable[..., urllib.response.addinfourl]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    for _ in range(times):
        began = time.perf_counter()
        with opener(request, timeout=30) as answer:
            answer.read()
        yield (took := time.perf_counter() - began)
        time.sleep(max(0.0, EVERY - took))


if __name__ == "__main__":
    print(json.dumps(list(scrape(*map(int, sys.argv[1:])))))

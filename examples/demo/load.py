"""The load, in its own process: it must continue while the app's loop is held.

Prints a JSON line every 0.2 s, and a last one when all requests are answered.
"""

import argparse
import asyncio
import json
import statistics
import time

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from examples.demo.child_process import when_orphaned
from examples.demo.traffic import Visit, schedule

PATIENCE = 20.0  # s for one answer
INTERVAL = 0.2  # s between two reports


class Load:
    """Sends the due requests, and counts the answers."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self.url = url
        self.client = client
        self.started = time.monotonic()
        self.sent = self.answered = self.failed = 0
        self.good_latencies: list[float] = []

    async def run(self, seconds: float) -> None:
        """Send on schedule for `seconds`, then wait for the outstanding answers."""
        async with asyncio.TaskGroup() as visits:
            for at, visit in schedule(seconds):
                await asyncio.sleep(self.started + at - time.monotonic())
                visits.create_task(self.visit(visit))

    async def visit(self, visit: Visit) -> None:
        self.sent += 1
        started = time.monotonic()
        try:
            async with asyncio.timeout(PATIENCE):
                await (self.talk(visit) if visit.method == "WEBSOCKET" else self.ask(visit))
        except (httpx.HTTPError, WebSocketException, OSError):
            self.failed += 1
            return
        self.answered += 1
        if visit.good:
            self.good_latencies.append(time.monotonic() - started)

    async def ask(self, visit: Visit) -> None:
        answer = await self.client.request(visit.method, visit.path, json=visit.json)
        answer.raise_for_status()

    async def talk(self, visit: Visit) -> None:
        url = self.url.replace("http://", "ws://") + visit.path
        async with connect(url, proxy=None) as websocket:
            await websocket.send("hello")
            await websocket.recv()

    def report(self) -> None:
        latencies = self.good_latencies
        report = {
            "elapsed": time.monotonic() - self.started,
            "sent": self.sent,
            "answered": self.answered,
            "failed": self.failed,
            "good_median": statistics.median(latencies) if latencies else 0.0,
            "good_slowest": max(latencies, default=0.0),
        }
        print(json.dumps(report), flush=True)

    async def report_on(self) -> None:
        while True:
            self.report()
            await asyncio.sleep(INTERVAL)


async def load(url: str, seconds: float) -> None:
    """Load the demo at `url` for `seconds`, reporting to standard output."""
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(
        base_url=url, timeout=PATIENCE, limits=limits, trust_env=False
    ) as client:
        load = Load(url, client)
        reporter = asyncio.create_task(load.report_on())
        await load.run(seconds)
        reporter.cancel()
        load.report()


def main() -> None:
    parser = argparse.ArgumentParser(prog="examples.demo.load")
    parser.add_argument("--url", required=True)
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    when_orphaned()
    asyncio.run(load(arguments.url, arguments.seconds))


if __name__ == "__main__":
    main()

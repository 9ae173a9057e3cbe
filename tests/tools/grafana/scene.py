"""An app on each loop, its load, and a Prometheus that scrapes them all."""

import asyncio
import contextlib
import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.conftest import LOOPS
from tests.ports import HOST
from tests.prometheus import Prometheus, prometheus
from tests.serving import SETTLE, Server, Visitor, serve
from tests.tools.grafana.rulebook import RULES

JOB = "scraped"
LOAD = 12.0  # s
VISITORS = {  # path: how many visit it, and the pause of each between two visits, s
    "/good/1": (4, 0.02),
    "/sleeping": (1, 0.3),
    "/computing": (1, 1.0),
    "/allowed": (1, 1.0),
    "/thread": (6, 0.0),
    "/classify": (1, 0.1),
    "/collect": (1, 1.0),
    "/background": (1, 0.5),
}


@dataclass(frozen=True)
class Reading:
    """A moment at which Prometheus scraped an app, and what the app said just before and after."""

    at: float  # Unix time, s
    before: dict[str, Any]
    after: dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """All that has happened: the load is over, and the apps are still there."""

    prometheus: Prometheus
    instances: dict[str, str]  # by loop
    busy: float  # Unix time, s: the end of the load
    readings: dict[str, Reading]  # by loop: after the load


@contextmanager
def scene() -> Iterator[Scene]:
    loops = [loop for loop in LOOPS if importlib.util.find_spec(loop) is not None]
    with contextlib.ExitStack() as stack:
        servers = {loop: stack.enter_context(serve("scraped:app", loop)) for loop in loops}
        ports = [server.port for server in servers.values()]
        judge = stack.enter_context(prometheus({JOB: ports}, RULES))
        asyncio.run(load(list(servers.values())))
        busy = time.time()
        judge.wait_for_rules()
        readings = quiet_readings(judge, servers)
        yield Scene(judge, {n: instance(s) for n, s in servers.items()}, busy, readings)


def quiet_readings(judge: Prometheus, servers: dict[str, Server]) -> dict[str, Reading]:
    time.sleep(SETTLE)
    before = {loop: snapshot(server) for loop, server in servers.items()}
    scraped = judge.wait_for_scrape(time.time())
    after = {loop: snapshot(server) for loop, server in servers.items()}
    return {
        loop: Reading(scraped[instance(server)], before[loop], after[loop])
        for loop, server in servers.items()
    }


def instance(server: Server) -> str:
    """Return what Prometheus calls a server."""
    return f"{HOST}:{server.port}"


async def load(servers: list[Server]) -> None:
    """Visit all routes of all servers for `LOAD` seconds."""
    until = time.monotonic() + LOAD
    async with asyncio.TaskGroup() as group:
        for server in servers:
            for path, (count, pause) in VISITORS.items():
                for _ in range(count):
                    group.create_task(visit(server, path, pause, until))


async def visit(server: Server, path: str, pause: float, until: float) -> None:
    visitor = await Visitor.to(server)
    while time.monotonic() < until:
        await visitor.get(path)
        await asyncio.sleep(pause)
    await visitor.close()


def snapshot(server: Server) -> dict[str, Any]:
    answer = server.get("/loopwatch/snapshot.json")
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said

"""The open load: requests arrive as planned, independent of the server.

The moments are a Poisson process, drawn in advance from a seed; the same seed gives the same
moments. A request's latency counts from its planned moment, so it includes the wait for a free
connection and the client's lateness.

As a program it loads one server once and prints the results as JSON: latencies in seconds, the
server's CPU seconds for each request and each second, and its full garbage collections. Two more
numbers show whether the machine was otherwise busy: how long the server waited for a processor, and
how late the client was with 99 % of the requests while a connection was free.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import select
import socket
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from client import Client, ask, is_whole, receive

CONNECTIONS = 16
LEAD = 0.3  # s of unmeasured load before, at the same rate
AWAKE = 0.0001  # s before a planned moment in which the client does not sleep
PATIENCE = 10.0  # s after the last planned moment
LATE = 0.001  # s; a later client measures itself
WAITED = 0.05  # s a second; a server that waits longer has only part of a processor
clock = time.perf_counter


def planned(rate: float, seconds: float, seed: int) -> list[float]:
    """Return the arrival times of requests, s from the beginning; there is at least one."""
    draw = random.Random(seed).expovariate
    moments, at = [], draw(rate)
    while at < seconds:
        moments.append(at)
        at += draw(rate)
    return moments or [seconds]


@dataclass
class Asked:
    due: float
    received: bytes = b""


class Load:
    """Sends each request at its moment, or later as soon as a connection is free."""

    def __init__(self, connections: Sequence[socket.socket], moments: Sequence[float]) -> None:
        self.began = clock()
        self.due = deque(self.began + moment for moment in moments)
        self.until = self.due[-1] + PATIENCE
        self.free, self.freed = deque(connections), self.began
        self.asked: dict[socket.socket, Asked] = {}
        self.latencies: list[float] = []
        self.lateness: list[float] = []

    def run(self) -> None:
        while self.due or self.asked:
            for connection in self._ready():
                self._take(connection)
            while self.free and self.due and self.due[0] <= clock():
                self._send()

    def _ready(self) -> list[socket.socket]:
        now = clock()
        if now > self.until:
            raise TimeoutError(f"{len(self.due) + len(self.asked)} requests had no answer in time")
        next_look = self.due[0] - AWAKE if self.free and self.due else self.until
        return select.select(self.asked, [], [], max(0.0, next_look - now))[0]

    def _take(self, connection: socket.socket) -> None:
        asked = self.asked[connection]
        asked.received += receive(connection)
        if is_whole(asked.received):
            now = clock()
            self.latencies.append(now - asked.due)
            del self.asked[connection]
            self.freed = self.freed if self.free else now
            self.free.append(connection)

    def _send(self) -> None:
        connection, due = self.free.popleft(), self.due.popleft()
        self.lateness.append(clock() - max(due, self.freed))
        ask(connection, self._path())
        self.asked[connection] = Asked(due)

    def _path(self) -> str:
        """Return what is asked for next."""
        return "/"


@dataclass(frozen=True)
class Seen:
    """The measurement of one server in one turn."""

    requests: int
    p50: float  # s
    p99: float  # s
    cpu: float  # s a request, of the server
    busy: float  # s a second, of the server
    collections: float  # full garbage collections a second, in the server
    waited: float  # s a second that the server's threads waited for a processor
    late: float  # s, of the client

    def disturbed(self) -> bool:
        """Whether other processes used the processors."""
        return self.late > LATE or self.waited > WAITED


def seen(client: Client, given: argparse.Namespace) -> Seen:
    Load(client.sockets, planned(given.rate, LEAD, given.seed)).run()
    moments = planned(given.rate, given.seconds, given.seed)
    before, waited = client.mark(), waits(given.pid)
    load = Load(client.sockets, moments)
    load.run()
    took, waited, after = clock() - load.began, waits(given.pid) - waited, client.mark()
    collections = after.collections - before.collections - 1
    used = (after.ended - before.began) / 1e9
    return Seen(
        requests=len(moments),
        p50=quantile(load.latencies, 0.5),
        p99=quantile(load.latencies, 0.99),
        cpu=used / len(moments),
        busy=used / took,
        collections=collections / took,
        waited=waited / took,
        late=quantile(load.lateness, 0.99),
    )


def waits(pid: int) -> float:
    """Return how long a process's threads waited for a processor, s; 0.0 if unknown."""
    stats = [path.read_text().split() for path in Path("/proc").glob(f"{pid}/task/*/schedstat")]
    return sum(int(waited) for _, waited, _ in stats) / 1e9


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[int(len(values) * share)]


def main() -> None:
    given = arguments()
    if given.processor is not None:
        os.sched_setaffinity(0, {given.processor})
    gc.disable()  # collections would make the client late
    with Client(given.port, CONNECTIONS) as client:
        print(json.dumps(asdict(seen(client, given))))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--processor", type=int, help="the only one it may run on")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        sys.exit(f"benchmarks/arrivals.py: {error}")

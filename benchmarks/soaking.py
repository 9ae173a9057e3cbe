"""One soak: a server, an open load on it, and somebody who looks at it from outside."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from socket import socket
from typing import Any

from arrivals import Load, clock, planned, quantile
from child import HERE, START_WITHIN, STOP_WITHIN, environment
from client import Client

CONNECTIONS = 160  # more than arrive while the loop is held
WARM = 60.0  # s, or a quarter of the time, after which nothing may grow
EVERY = 10.0  # s between two scrapes, and `SETTLED`: what answers has ended by the next one
SETTLED = 1.0  # s after a scrape, at which only what lives longer is left of it
SETTLE = 2.0  # s for the last stall to be counted
PAGE, MIB = 4096, 1 << 20


@dataclass(frozen=True)
class Usage:
    """What a process has, as the kernel says."""

    at: float  # s from the beginning
    memory: float  # MiB
    descriptors: int
    threads: int


@dataclass
class Soaked:
    """What was sent, what was counted, and what the server used."""

    loop: str
    seconds: float
    sent: int
    blocks: int
    answered: int = 0
    errors: int = 0
    scrapes: int = 0
    latencies: list[float] = field(default_factory=list)  # s
    usages: list[Usage] = field(default_factory=list)
    counted: dict[str, Any] = field(default_factory=dict)

    @property
    def warm(self) -> Usage:
        """The first reading of those that must not grow."""
        return self._warm()[0]

    @property
    def last(self) -> Usage:
        return self.usages[-1]

    def _warm(self) -> list[Usage]:
        warm = min(WARM, self.seconds / 4)
        return [usage for usage in self.usages if usage.at >= warm]

    def growth(self) -> float:
        """Return by how many MiB memory grew after the warm-up."""
        return self.last.memory - self.warm.memory

    def most(self, what: str) -> int:
        """Return the most descriptors, or threads, after the warm-up."""
        return max(int(getattr(usage, what)) for usage in self._warm())

    def is_constant(self, what: str) -> bool:
        before = [int(getattr(usage, what)) for usage in self.usages if usage.at <= self.warm.at]
        return self.most(what) <= max(before)

    def requests(self) -> int:
        return sum(int(count) for count in self.counted["requests"].values())

    def quantile(self, share: float) -> float:
        return quantile(self.latencies, share)


class Mixed(Load):
    """Requests to `/`, and some that hold the loop. An error is counted, and costs a connection."""

    def __init__(self, client: Client, moments: Sequence[tuple[float, str]]) -> None:
        super().__init__(client.sockets, [moment for moment, _ in moments])
        self.paths = deque(path for _, path in moments)
        self.errors = 0

    def _path(self) -> str:
        return self.paths.popleft()

    def _take(self, connection: socket) -> None:
        try:
            super()._take(connection)
        except OSError:
            self.errors += 1
            del self.asked[connection]


class Observer(threading.Thread):
    """Reads what a server uses every 5 s, and scrapes it every second time, until `over` is set.

    After a scrape it reads once more: the thread that answers scrapes lives for some seconds, and
    whether it is there 5 s later is chance. First it waits until the scrape's connection has gone:
    whether that is seen is chance as well.
    """

    def __init__(self, process: int, metrics: int, into: Soaked) -> None:
        super().__init__(daemon=True)
        self.process, self.metrics, self.into = process, metrics, into
        self.over, self.began = threading.Event(), clock()

    def run(self) -> None:
        scrapes = cycle((False, True))
        while not self.over.wait(EVERY / 2 if self.into.seconds >= 4 * EVERY else EVERY / 8):
            self.read()
            if next(scrapes):
                self.scrape()
                self.over.wait(SETTLED)
                self.read()

    def read(self) -> None:
        self.into.usages.append(usage(self.process, clock() - self.began))

    def scrape(self) -> None:
        address = f"http://127.0.0.1:{self.metrics}/metrics"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address, timeout=30) as answer:
            self.into.scrapes += b"loopwatch_stall" in answer.read()


def usage(process: int, at: float) -> Usage:
    home = Path(f"/proc/{process}")
    pages = int((home / "statm").read_text().split()[1])
    descriptors, threads = (sum(1 for _ in (home / of).iterdir()) for of in ("fd", "task"))
    return Usage(at, pages * PAGE / MIB, descriptors, threads)


def soak(loop: str, rate: float, seconds: float) -> Soaked:
    """Load a server on a loop of that make, and return what became of it."""
    moments = [(moment, "/") for moment in planned(rate, seconds, seed=1)]
    blocks = [(second + 0.5, "/block") for second in range(int(seconds))]
    soaked = Soaked(loop, seconds, len(moments) + len(blocks), len(blocks))
    with serving(loop) as (process, said), Client(said["port"], CONNECTIONS) as client:
        observer = Observer(process.pid, said["metrics"], soaked)
        load = Mixed(client, sorted(moments + blocks))
        observer.start()
        load.run()
        observer.over.set()
        observer.join()
        time.sleep(SETTLE)
        soaked.answered, soaked.latencies = len(load.latencies), load.latencies
        soaked.errors, soaked.counted = load.errors, figures(process)
    return soaked


@contextmanager
def serving(loop: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, int]]]:
    pipe = subprocess.PIPE
    command = [sys.executable, str(HERE / "soaked.py"), loop]
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment(), text=True)
    deadline = threading.Timer(START_WITHIN, process.kill)
    deadline.start()
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        deadline.cancel()
        if not said:
            raise RuntimeError(f"the server on {loop} did not start; its own message is above")
        yield process, json.loads(said)
    finally:
        deadline.cancel()
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    try:
        process.communicate(timeout=STOP_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def figures(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what the server has counted."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told

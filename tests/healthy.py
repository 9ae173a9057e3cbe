"""False positives: good routes only, on a loop that is busy but healthy. Is any stall told?

    python -m tests.healthy --requests 20000 --loop asyncio
    python -m tests.healthy --requests 2000 --loop uvloop --pressure 16

An hour at 100 requests/s is 360,000 of them; here they come as fast as keeps the loop at about
three quarters of its time. A stall is the machine's doing, and right, if its cause is `starved`; or
if it is `gc` and the app's own `gc.callbacks` have seen a collection that took half of it. Any
other is false. With `--pressure` the server shares one CPU with so many processes that never rest.
Exit status 1 if any stall was false, or a starved one was put down to a line.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopwatch.core.record_types import NONE

from .calm import run_delay, threads
from .serving import Server, Visitor, serve

PATHS = (
    *("/plain", "/items/1", "/items/2", "/waits", "/works"),
    *("/children", "/threaded", "/def", "/parts", "/plain"),
)
VISITORS = 24  # connections, each with one request at a time
SETTLE = 1.5  # s for all stalls to have been told
WARM = 20  # requests of each path before anything counts
AIM = 0.75  # of the loop's time
LOOK = 0.5  # s between two looks at how busy it is
PAUSE = 0.02  # s that a visitor pauses between two requests, to begin with
SHORTEST, LONGEST = 0.0005, 1.0  # s of a pause


@dataclass
class Told:
    """What a run has shown."""

    requests: int
    seconds: float
    utilisation: float  # 0 to 1
    steps: int
    waited: float  # s for which the loop's thread had no CPU though it wanted one
    stalls: list[dict[str, Any]]
    collections: list[list[float]]  # when the long ones ended (Unix time, s), how long (s)

    def false(self) -> list[dict[str, Any]]:
        """Return the stalls that are not the machine's doing, or blame somebody for it."""
        return [stall for stall in self.stalls if not self.right(stall)]

    def right(self, stall: dict[str, Any]) -> bool:
        if stall["cause"] == "starved":
            return bool(stall["site"]["function"] == NONE)
        return bool(stall["cause"] == "gc" and self.collecting(stall) >= stall["duration"] / 2)

    def collecting(self, stall: dict[str, Any]) -> float:
        """Return the seconds of a stall that the app itself saw go into long collections."""
        began: float = stall["started_at"]
        ended: float = began + stall["duration"]
        overlaps = (min(ended, at) - max(began, at - took) for at, took in self.collections)
        return sum(overlap for overlap in overlaps if overlap > 0)


@dataclass
class Pace:
    """How long visitors pause, by how busy the loop was."""

    server: Server
    pause: float = PAUSE
    left: int = 0
    times: list[tuple[float, float]] = field(default_factory=list)  # busy and idle so far, s

    async def keep(self) -> None:
        """Look now and then, until nothing is left to ask."""
        self.look()
        while self.left > 0:
            await asyncio.sleep(LOOK)
            await asyncio.to_thread(self.look)
            busy = share(*self.times[-2:])
            self.pause = min(LONGEST, max(SHORTEST, self.pause * max(0.5, busy / AIM)))
            print(f"\r{self.left} left, {busy:4.0%} busy ", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)

    def look(self) -> None:
        (reading,) = self.server.read("snapshot")["loops"]
        self.times.append((reading["busy"], reading["idle"]))


def share(before: tuple[float, float], after: tuple[float, float]) -> float:
    """Return how much of the time between two looks the loop was busy, 0 to 1."""
    busy, idle = after[0] - before[0], after[1] - before[1]
    return busy / (busy + idle) if busy + idle else 0.0


async def visit(server: Server, pace: Pace, first: int) -> None:
    """Ask one path after the other, as long as any request is left."""
    visitor, number = await Visitor.to(server), first
    while pace.left > 0:
        pace.left -= 1
        await visitor.get(PATHS[number % len(PATHS)])
        number += 1
        await asyncio.sleep(pace.pause)
    await visitor.close()


async def drive(server: Server, requests: int) -> Pace:
    pace = Pace(server, left=requests)
    async with asyncio.TaskGroup() as group:
        group.create_task(pace.keep())
        for number in range(VISITORS):
            group.create_task(visit(server, pace, number))
    return pace


def warm_up(server: Server) -> None:
    """Have everything imported and made that a first request waits for."""
    for path in PATHS * WARM:
        server.get(path).raise_for_status()
    time.sleep(SETTLE)


def run(server: Server, requests: int) -> Told:
    """Ask a warm server so often, and return what it tells."""
    before, began = server.read("snapshot"), time.monotonic()
    seen, waited = len(server.read("told")), run_delay(loop_thread(server))
    pace = asyncio.run(drive(server, requests))
    seconds = time.monotonic() - began
    time.sleep(SETTLE)
    return Told(
        requests,
        seconds,
        share(pace.times[0], pace.times[-1]),
        steps_of(server.read("snapshot")) - steps_of(before),
        run_delay(loop_thread(server)) - waited,
        server.read("told")[seen:],
        server.read("collections"),
    )


def loop_thread(server: Server) -> Any:
    """Return where the kernel tells of the server's main thread."""
    return next(t for t in threads(server.process) if t.name == str(server.process))


def steps_of(snapshot: dict[str, Any]) -> int:
    return sum(sum(histogram["counts"]) for _, histogram in snapshot["steps"])


@contextmanager
def pressure(server: Server, burners: int) -> Iterator[None]:
    """Have the server share one CPU with so many processes that never rest; keep off it."""
    if not burners:
        yield
        return
    own = os.sched_getaffinity(0)
    shared = {max(own)}
    for thread in threads(server.process):
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), shared)
    processes = [burner(shared) for _ in range(burners)]
    os.sched_setaffinity(0, own - shared or own)
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
        for process in processes:
            process.kill()
            process.wait()


def burner(cpus: set[int]) -> "subprocess.Popen[bytes]":
    source = (
        f"import os; os.sched_setaffinity(0, {cpus})\nwhile os.getppid() == {os.getpid()}: pass"
    )
    return subprocess.Popen([sys.executable, "-S", "-c", source])


def healthy(requests: int, loop: str, burners: int = 0) -> Told:
    """Return what a server of good routes tells."""
    with serve("healthy:app", loop) as server:
        warm_up(server)
        with pressure(server, burners):
            return run(server, requests)


def report(told: Told) -> None:
    rate = told.requests / told.seconds
    print(f"{told.requests} requests in {told.seconds:.0f} s, {rate:.0f} a second")
    print(f"{told.steps} steps, the loop {told.utilisation:.0%} busy")
    print(f"{told.waited:.1f} s its thread was ready to run and had no CPU")
    print(f"{len(told.stalls)} stalls, {len(told.false())} of them false")
    kinds: Counter[tuple[Any, ...]] = Counter()
    for stall in told.stalls:
        verdict = "right" if told.right(stall) else "FALSE"
        kinds[verdict, stall["cause"], stall["route"], stall["site"]["function"]] += 1
    for (verdict, *kind), count in kinds.most_common():
        print(f"{count:6} {verdict} ", *kind)
    for stall in told.false():
        print(summary(stall))


def summary(stall: dict[str, Any]) -> str:
    """Return a stall's evidence in a line."""
    names = ("duration", "cpu_seconds", "gc_seconds", "run_queue_seconds", "throttled_seconds")
    seconds = ", ".join(f"{name} {stall[name]:.3f}" for name in names if stall[name] is not None)
    site = stall["site"]
    return f"{stall['cause']} {site['file']}:{site['line']} exact {site['exact']}: {seconds}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.healthy", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--pressure", type=int, nargs="?", const=16, default=0, metavar="BURNERS")
    return parser.parse_args()


def main() -> int:
    arguments = parse()
    told = healthy(arguments.requests, arguments.loop, arguments.pressure)
    print(f"Python {sys.version.split()[0]}, {arguments.loop}, {arguments.pressure} burners")
    report(told)
    return int(bool(told.false()))


if __name__ == "__main__":
    sys.exit(main())

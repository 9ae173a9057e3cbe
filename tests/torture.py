"""Everything at once: does loopwatch, with all that it has on, ever crash, hang or grow?

`python -m tests.torture --stalls 10000 --loop uvloop` stalls a loop so often, for every reason
there is, while threads come and go, other C code keeps the GIL, the process is stopped and
continued and the collector runs. Prints what it took, and how much memory the second half added.
"""

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest

from loopwatch import Watch

THRESHOLD = 0.004  # s
STALL = 0.006  # s, about
PATIENCE = 900  # s until it counts as hung
GROWTH = 40_000_000  # bytes that the second half may add

BIG = list(range(150_000))


def blocks() -> None:
    time.sleep(STALL)


def computes() -> None:
    until = time.perf_counter() + STALL
    while time.perf_counter() < until:
        pass


def keeps_the_gil() -> None:
    re.match(r"(a+)+$", "a" * 18 + "b")


def has_an_operator() -> int:
    found = 3**60_000
    return found.bit_length() + (-1 in BIG)


def dumps() -> None:
    json.dumps(BIG)


def collects() -> None:
    gc.collect()


def raises() -> None:
    try:
        has_an_operator()
        raise ValueError
    except ValueError:
        time.sleep(STALL)


CULPRITS: tuple[Callable[[], object], ...] = (
    *(blocks, computes, keeps_the_gil, has_an_operator, dumps, collects, raises),
)


async def deep(culprit: Callable[[], object], depth: int) -> None:
    if depth:
        await deep(culprit, depth - 1)
    else:
        await asyncio.sleep(0)
        culprit()


async def busy_tick() -> None:
    await asyncio.gather(*(deep(lambda: time.sleep(0.0002), 1) for _ in range(60)))


async def stalling(watch: Watch, stalls: int, random_: random.Random) -> None:
    """Stall until so many stalls have been counted."""
    while watch.snapshot().stall_count < stalls:
        for _ in range(40):
            culprit = random_.choice(CULPRITS)
            await deep(culprit, random_.choice((5, 0)))
        asyncio.get_running_loop().call_soon(random_.choice(CULPRITS))
        await busy_tick()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(deep(blocks, 30), 0.001)


def comings_and_goings(over: threading.Event) -> None:
    """Threads that live for milliseconds; some compute, some keep the GIL."""
    random_ = random.Random(2)
    while not over.is_set():
        thread = threading.Thread(target=random_.choice((computes, keeps_the_gil, blocks)))
        thread.start()
        thread.join()
        time.sleep(0.02)


def readers(watch: Watch, registry: CollectorRegistry, over: threading.Event) -> None:
    """Whatever reads a watch, all the time."""
    while not over.is_set():
        json.dumps(watch.snapshot().to_dict())
        generate_latest(registry)
        watch.flamegraph_folded()
        watch.speedscope()
        time.sleep(0.1)


def stops(over: threading.Event) -> None:
    own = os.getpid()
    while not over.is_set():
        subprocess.run(["sh", "-c", f"kill -STOP {own}; sleep 0.05; kill -CONT {own}"], check=True)
        over.wait(2.0)


def memory() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def torture(stalls: int) -> tuple[int, Counter[str], Counter[str]]:
    """Return by how many bytes the second half grew, stalls by cause, and what was dropped."""
    registry, over = CollectorRegistry(), threading.Event()
    watch = Watch(
        slow_callback_duration=THRESHOLD, log=False, native=True, registry=registry, allow=("x.y",)
    )
    watch.start()
    threads = [
        threading.Thread(target=comings_and_goings, args=(over,)),
        threading.Thread(target=comings_and_goings, args=(over,)),
        threading.Thread(target=readers, args=(watch, registry, over)),
        threading.Thread(target=stops, args=(over,)),
    ]
    for thread in threads:
        thread.start()
    try:
        await stalling(watch, stalls // 2, random.Random(1))
        half = memory()
        await stalling(watch, stalls, random.Random(3))
        grown = memory() - half
    finally:
        over.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    shot = watch.snapshot()
    causes: Counter[str] = Counter()
    for site in shot.sites:
        causes[site.cause] += site.stalls.count
    watch.stop()
    return grown, causes, Counter(dict(shot.dropped))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stalls", type=int, default=10_000)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    options = parser.parse_args()
    with tempfile.TemporaryFile("w+") as crashed:
        faulthandler.enable(crashed)
        watching = threading.Timer(PATIENCE, os._exit, (3,))
        watching.daemon = True
        watching.start()
        factory = asyncio.new_event_loop
        if options.loop == "uvloop":
            import uvloop

            factory = uvloop.new_event_loop
        began = time.perf_counter()
        with asyncio.Runner(loop_factory=factory) as runner:
            grown, causes, dropped = runner.run(torture(options.stalls))
    print(f"{sum(causes.values())} stalls in {time.perf_counter() - began:.0f} s: {dict(causes)}")
    print(f"dropped: {dict(dropped)}; grown by {grown / 1e6:.1f} MB in the second half")
    if grown > GROWTH:
        sys.exit("it grows")


if __name__ == "__main__":
    main()

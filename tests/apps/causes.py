"""The loop held for reasons that lie outside its code, made for real, and what is said of them.

`python -m tests.apps.causes uvloop hogs quota` prints the stalls of each as a line of JSON.
"""

import asyncio
import gc
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable

from loopwatch import Watch

STOPPED = 0.4  # s


def burn(seconds: float) -> None:
    """Use the CPU for so long, however long that takes."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def backtrack(size: int) -> None:
    re.match(r"(a+)+$", "a" * size + "b")


def size_for(seconds: float) -> int:
    size = 16
    while True:
        began = time.perf_counter()
        backtrack(size)
        if time.perf_counter() - began >= seconds:
            return size
        size += 1


def spin_for_ever(ended: threading.Event) -> None:
    while not ended.is_set():
        sum(range(1000))


async def hogs() -> None:
    """Four threads compute in Python while a step needs 0.05 s of CPU."""
    ended = threading.Event()
    threads = [threading.Thread(target=spin_for_ever, args=(ended,), name="hog") for _ in range(4)]
    for thread in threads:
        thread.start()
    await asyncio.sleep(0.05)
    burn(0.05)
    ended.set()
    for thread in threads:
        thread.join()


async def keeper() -> None:
    """Another thread's C call keeps the GIL while the loop waits in its poll."""
    size = size_for(0.15)
    await asyncio.sleep(0.15)
    thread = threading.Timer(0.1, backtrack, (size + 1,))
    thread.name = "keeper"
    thread.start()
    for _ in range(30):
        await asyncio.sleep(0.02)
    thread.join()


async def collection() -> None:
    objects = [[n] for n in range(4_000_000)]
    await asyncio.sleep(0.2)
    gc.collect()
    await asyncio.sleep(0.1)
    del objects


async def stopped() -> None:
    """The process is stopped in the middle of a step that would have taken 0.06 s."""
    stop_after(0.03)
    began = time.perf_counter()
    while time.perf_counter() - began < 0.06:
        pass
    await asyncio.sleep(STOPPED)


async def stopped_idle() -> None:
    """The process is stopped while its loop is idle."""
    stop_after(0.1)
    for _ in range(30):
        await asyncio.sleep(0.02)
    await asyncio.sleep(STOPPED)


def stop_after(seconds: float) -> None:
    own = os.getpid()
    script = f"sleep {seconds}; kill -STOP {own}; sleep {STOPPED}; kill -CONT {own}"
    subprocess.Popen(["sh", "-c", script])


async def queue() -> None:
    """Four other processes want the only CPU while a step needs 0.06 s of it."""
    everywhere = os.sched_getaffinity(0)
    pin({min(everywhere)})
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    await asyncio.sleep(0.5)
    burn(0.06)
    for other in others:
        other.kill()
        other.wait()
    pin(everywhere)


def pin(cpus: set[int]) -> None:
    for thread in os.listdir("/proc/self/task"):
        os.sched_setaffinity(int(thread), cpus)


async def quota() -> None:
    """Started with a fraction of a CPU, for a step that needs 0.06 s."""
    burn(0.06)


SCENARIOS: dict[str, Callable[[], Awaitable[None]]] = {
    f.__name__: f for f in (hogs, keeper, collection, stopped, stopped_idle, queue, quota)
}


async def main(names: list[str]) -> None:
    with Watch(log=False) as watch:
        for name in names:
            await asyncio.sleep(0.3)
            before = watch.snapshot().stall_count
            await SCENARIOS[name]()
            await asyncio.sleep(0.3)
            shot = watch.snapshot()
            new = shot.stalls[len(shot.stalls) - (shot.stall_count - before) :]
            print(json.dumps({"scenario": name, "stalls": [s.to_dict() for s in new]}), flush=True)


if __name__ == "__main__":
    signal.alarm(80)
    if sys.argv[1] == "uvloop":
        import uvloop

        uvloop.run(main(sys.argv[2:]))
    else:
        asyncio.run(main(sys.argv[2:]))

"""Time that jumps, a process that is stopped, and signals: none of them is told as a hold."""

import asyncio
import os
import signal
import subprocess
import time
from itertools import cycle, islice
from typing import Any

import pytest

from tests.conftest import block_for, private_watch, run_on

JUMPS = (0.0, 3600.0, -3600.0, 1e10, -1e9, 0.0)  # s that the wall clock is off
HOLD = 0.3  # s
OFF = 0.5  # s that a duration may be off: the machine may have stopped us in between
EVERY = 0.05  # s between two signals


def clock_jumps(loop: str, size: int) -> str:
    """The wall clock jumps before each of `size` holds: all have their duration and line."""
    real, watch = time.time, private_watch()
    held: list[float] = []

    async def main() -> None:
        watch.start()
        for jump in islice(cycle(JUMPS), size):
            patched.setattr(time, "time", lambda jump=jump: real() + jump)
            await asyncio.sleep(0.01)
            held.append(block_for(HOLD))
            await asyncio.sleep(0.01)
            watch.snapshot().to_dict()

    with pytest.MonkeyPatch.context() as patched:
        run_on(loop, main())
        watch.stop()
    told = [s for s in watch.stalls if s.site.function.endswith("block_for")]
    assert len(told) == len(held), [(s.cause, s.duration) for s in watch.stalls]
    errors = [abs(s.duration - seconds) for s, seconds in zip(told, held, strict=True)]
    assert max(errors) < OFF
    return f"{len(told)} of {size} stalls with their line, at most {max(errors) * 1e3:.1f} ms off"


def stopped(loop: str, size: int) -> str:
    """SIGSTOP for `size` s, then SIGCONT: that time is told once, and the next hold is seen."""
    watch = private_watch()
    script = f"sleep 0.3; kill -STOP {os.getpid()}; sleep {size}; kill -CONT {os.getpid()}"

    async def main() -> None:
        watch.start()
        stopper = subprocess.Popen(["sh", "-c", script])
        while stopper.poll() is None:
            await asyncio.sleep(0.1)
        block_for(HOLD)
        await asyncio.sleep(0.01)

    began = time.perf_counter()
    run_on(loop, main())
    wall = time.perf_counter() - began
    watch.stop()
    held = [s for s in watch.stalls if s.site.function.endswith("block_for")]
    others = max((s.duration for s in watch.stalls if s not in held), default=0.0)
    shot = watch.snapshot()
    assert len(held) == 1, watch.stalls
    assert others < size * 1.5, watch.stalls
    assert shot.busy + shot.idle < wall + 0.1
    return f"told as {others:.2f} s; the hold after it has its line"


def signals(loop: str, size: int) -> str:
    """`size` signals reach an idle loop in its poll: it stays idle."""
    watch = private_watch()
    seen: list[int] = []

    def handle(number: int, frame: Any) -> None:
        seen.append(number)

    async def main() -> None:
        watch.start()
        signal.setitimer(signal.ITIMER_REAL, EVERY, EVERY)
        while len(seen) < size:
            await asyncio.sleep(0.5)
        signal.setitimer(signal.ITIMER_REAL, 0)

    before = signal.signal(signal.SIGALRM, handle)
    run_on(loop, main())
    signal.signal(signal.SIGALRM, before)
    watch.stop()
    shot = watch.snapshot()
    wrong = [s for s in watch.stalls if s.cause != "starved"]
    assert not wrong, wrong
    assert shot.busy < shot.idle / 4, (shot.busy, shot.idle)
    return f"busy for {shot.busy:.2f} s of {shot.busy + shot.idle:.1f} s, no stall"

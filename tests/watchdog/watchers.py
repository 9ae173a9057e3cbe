"""Watches over sleeping loops: how often the watchdog wakes, and when it sleeps deeply."""

import asyncio
import re
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loopwatch.core.speedups import speedups
from loopwatch.watch.watched_loop import LOOPS
from loopwatch.watchdog import sampler as sampler
from tests.watchdog.counting import watchdogs

linux = pytest.mark.skipif(sys.platform != "linux", reason="wakes are counted by Linux")

LIVELY = 0.1  # s, for these tests
AWAKE = 0.7  # s after which a loop that is new, or did something, has been looked at


def block() -> None:
    time.sleep(0.15)


def wakes() -> int:
    """Return how often the watchdog has gone to sleep so far."""
    (thread,) = watchdogs()
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    (count,) = re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE)
    return int(count)


def cpu_seconds() -> float:
    (thread,) = watchdogs()
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))


def once_asleep(then: Callable[[], object]) -> None:
    """Call a function, on a thread of its own, when the watchdog sleeps deeply."""
    state: Any = LOOPS[asyncio.get_running_loop()].state

    def wait() -> None:
        while not state.asleep:
            time.sleep(0.05)
        time.sleep(0.3)  # it makes sure for a period
        then()

    threading.Thread(target=wait, name="waker", daemon=True).start()


def make_watcher() -> Any:
    assert speedups is not None
    watcher = speedups.Watcher(0.02)
    watcher.watch((), 0.08, False)
    return watcher

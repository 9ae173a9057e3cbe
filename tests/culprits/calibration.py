"""How much work holds this machine's CPU long enough: found by trying, once, as the app starts."""

import gc
import time
from collections.abc import Callable
from typing import Any

LONG_ENOUGH = 0.18  # s of CPU; the threshold is 0.1
MARGIN = 1.2


def long_enough(make: Callable[[int], Callable[[], Any]], size: int, fastest: float = 8.0) -> int:
    """Return a size for which `make(size)()` takes long, even for the second time.

    Sizes grow as the time seems to need, by `fastest` at most: where a step of one doubles the
    time, it is 1.
    """
    while True:
        work = make(size)
        took = cpu_seconds(work)
        if took >= LONG_ENOUGH:
            took = cpu_seconds(work)
        if took >= LONG_ENOUGH:
            return size
        growth = min(fastest, MARGIN * LONG_ENOUGH / max(took, 1e-6))
        size = max(size + 1, int(size * growth))


def cpu_seconds(work: Callable[[], Any]) -> float:
    """Return what it takes without the collector, which walks all that the start has imported."""
    gc.disable()
    try:
        began = time.thread_time()
        work()
        return time.thread_time() - began
    finally:
        gc.enable()

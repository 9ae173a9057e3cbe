"""How the thread that looks at waits sleeps: not waiting for the GIL while a loop is held.

C does it (`native/rest.c`), and times its wait for the GIL. In Python the thread waits for the GIL
like any other, and knows only that it woke late.
"""

from __future__ import annotations

import select
import time
from typing import Any

from loopwatch.core.speedups import speedups


def rest(descriptor: int, seconds: float, states: tuple[Any, ...], /) -> tuple[bool, float]:
    """Sleep; return whether the descriptor can be read, and the s waited for the GIL, at most."""
    due = time.perf_counter() + seconds
    rung = bool(select.select([descriptor], [], [], max(0.0, seconds))[0])
    return rung, 0.0 if rung else max(0.0, time.perf_counter() - due)


if speedups is not None and hasattr(speedups, "rest"):
    rest = speedups.rest

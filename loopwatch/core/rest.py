"""How threads of ours sleep that wake by themselves: not waiting for the GIL while a loop is held.

C does it (`native/rest.c`), and times its wait for the GIL. In Python the thread waits for the GIL
like any other, and knows only that it woke late.

It asks for turns at the GIL as it wakes (`gil_turns`), and for none while it sleeps.
"""

from __future__ import annotations

import math
import select
import time
from typing import Any

from loopwatch.core.gil_turns import LASTING, want_turns
from loopwatch.core.speedups import speedups


def is_readable(descriptor: int, within: float) -> bool:
    """Return whether it can be read, or is closed, within so many s."""
    if not hasattr(select, "poll"):
        return bool(select.select([descriptor], [], [], within)[0])
    poll = select.poll()  # unlike `select`, for any descriptor
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(math.ceil(within * 1e3)))


def rest(
    who: int, descriptor: int, seconds: float, states: tuple[Any, ...], /
) -> tuple[bool, float]:
    """Sleep; return whether the descriptor can be read, and the s waited for the GIL, at most."""
    due = time.perf_counter() + seconds
    want_turns(who, LASTING, seconds)
    rung = is_readable(descriptor, max(0.0, seconds))
    return rung, 0.0 if rung else max(0.0, time.perf_counter() - due)


if speedups is not None and hasattr(speedups, "rest"):
    rest = speedups.rest

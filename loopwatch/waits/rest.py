"""How the thread that looks at waits sleeps: not waiting for the GIL while a loop is held.

C does it (`native/rest.c`); in Python the thread waits for the GIL like any other.
"""

from __future__ import annotations

import select
from typing import Any

from loopwatch.core.speedups import speedups


def rest(descriptor: int, seconds: float, states: tuple[Any, ...], /) -> bool:
    """Sleep; return whether the descriptor can be read."""
    return bool(select.select([descriptor], [], [], max(0.0, seconds))[0])


if speedups is not None and hasattr(speedups, "rest"):
    rest = speedups.rest

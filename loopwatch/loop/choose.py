"""The choice of the probe for a loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from loopwatch.core.guard import say
from loopwatch.loop.asyncio_loop import AsyncioProbe
from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.other_loop import HeartbeatProbe
from loopwatch.loop.probe import Probe
from loopwatch.loop.uvloop_loop import UvloopProbe


def probe_for(state: LoopState, ticked: Callable[[float, int], None]) -> Probe:
    """Return a probe for the loop of `state`; `ticked(seconds, times)` files ticks that a heartbeat
    has estimated."""
    loop = state.loop
    if isinstance(loop, asyncio.BaseEventLoop) and hasattr(loop, "_selector"):
        return AsyncioProbe(state)
    if type(loop).__module__.partition(".")[0] == "uvloop":
        try:
            return UvloopProbe(state)
        except (OSError, AttributeError, ImportError) as error:
            say(
                logging.WARNING,
                "uvloop hides libuv's functions (%s): its ticks are watched by heartbeat only",
                error,
            )
    return HeartbeatProbe(state, ticked)

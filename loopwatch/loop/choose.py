"""The choice of the probe for a loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress

from loopwatch.core.guard import say
from loopwatch.loop.asyncio_loop import AsyncioProbe
from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.other_loop import HeartbeatProbe
from loopwatch.loop.probe import Probe

UVLOOP: Callable[[LoopState], Probe] | None = None
with suppress(ImportError):  # no ctypes, as in an isolated subinterpreter of 3.12; nor uvloop then
    from loopwatch.loop.uvloop_loop import UvloopProbe

    UVLOOP = UvloopProbe


def probe_for(state: LoopState, ticked: Callable[[float, int], None]) -> Probe:
    """Return a probe for the loop of `state`; `ticked(seconds, times)` files ticks that a heartbeat
    has estimated."""
    loop = state.loop
    if isinstance(loop, asyncio.BaseEventLoop) and hasattr(loop, "_selector"):
        return AsyncioProbe(state)
    if UVLOOP is not None and type(loop).__module__.partition(".")[0] == "uvloop":
        try:
            return UVLOOP(state)
        except (OSError, AttributeError, ImportError) as error:
            say(
                logging.WARNING,
                "uvloop hides libuv's functions (%s): its ticks are watched by heartbeat only",
                error,
            )
    return HeartbeatProbe(state, ticked)

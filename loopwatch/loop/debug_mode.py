"""asyncio's own debug mode: its warning `Executing ... took 0.123 seconds` becomes a stall.

A filter on the `asyncio` logger gets the warning in the loop's thread, right after the callback. A
step that the probe has judged already is not counted again. The filter drops the warning, so that
one stall gives one record.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from loopwatch.core.guard import log_once
from loopwatch.loop.loop_state import clock
from loopwatch.loop.probe import Probe

ASYNCIO = logging.getLogger("asyncio")


class DebugMode(logging.Filter):
    """Debug mode on one loop, and its slow-callback warnings as slow callbacks."""

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.probe = probe
        self._before: tuple[bool, float] | None = None

    def install(self) -> None:
        loop = self.probe.loop
        self._before = loop.get_debug(), loop.slow_callback_duration
        loop.set_debug(True)
        loop.slow_callback_duration = self.probe.state.threshold
        ASYNCIO.addFilter(self)

    def uninstall(self) -> None:
        ASYNCIO.removeFilter(self)
        loop = self.probe.loop
        if self._before is None:
            return
        debug, loop.slow_callback_duration = self._before
        if not loop.is_closed():
            loop.set_debug(debug)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return False for a slow-callback warning of this loop, which becomes a stall."""
        if asyncio._get_running_loop() is not self.probe.loop or not slow_callback(record):
            return True
        try:
            self._take(float(record.args[1]))  # type: ignore[index,arg-type]
        except Exception:
            log_once("loopwatch.loop.debug_mode")
        return False

    def _take(self, took: float) -> None:
        state, now = self.probe.state, clock()
        if state.judged > now - took:
            return
        state.judge(now - took, took)


def slow_callback(record: logging.LogRecord) -> bool:
    message: Any = record.msg
    return (
        isinstance(message, str)
        and message.startswith("Executing %")
        and message.endswith("took %.3f seconds")
    )

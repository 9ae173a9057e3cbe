"""The asyncio loop: every tick, by its selector's `select`; every callback, by `Handle._run`.

`select` is wrapped on the selector instance, `_run` on the class (handles have slots), once for
all loops watched; loops that are not watched pass through on the first line. Ticks add up to wall
time by construction: idle is what passes inside `select` when it may wait, busy is the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from loopwatch.guard import logger
from loopwatch.probe.base import LAYERS, Held, Probe
from loopwatch.probe.pulse import LONG, Pulse, clock
from loopwatch.probe.steps import timed_run

_pulses: dict[Any, Pulse] = {}  # by loop; one entry a watched loop
_original: Any = None
_patched: Any = None
_eager = False  # some watched loop has a task factory


def timed_select(pulse: Pulse, select: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `select` with every tick, and the idle time between ticks, measured.

    A tick ends where its last step ended. A poll without waiting (timeout 0) has no idle time, so
    the next tick begins there too, and no clock is read.
    """

    def timed(timeout: float | None = None) -> Any:
        end = pulse.mark
        if end - pulse.tick >= LONG:
            pulse.long_tick(end - pulse.tick)
        pulse.tick = end
        if timeout == 0:
            return select(timeout)
        pulse.polling = True
        events = select(timeout)
        pulse.mark = pulse.tick = back = clock()
        pulse.idle += back - end
        pulse.polling = False
        return events

    return timed


def _patch() -> None:
    """Put the wrapper for the loops watched now, or what was there before any, into its place."""
    global _original, _patched, _eager
    if _patched is None and _pulses:
        _original = _patched = asyncio.Handle._run
    if asyncio.Handle._run is not _patched:
        if not _pulses:
            logger.warning(
                "asyncio.Handle._run was wrapped by somebody else after loopwatch, so loopwatch's "
                "own wrapper stays beneath it and only passes through"
            )
        return
    if _pulses:
        _patched = timed_run(_original, _pulses, _eager)
        asyncio.Handle._run = _patched  # type: ignore[method-assign]
    else:
        asyncio.Handle._run = _original  # type: ignore[method-assign]
        _original = _patched = None
        _eager = False


class AsyncioProbe(Probe):
    """Watches a loop of asyncio's own."""

    kind = "asyncio"
    layers = ("ticks", "callbacks", *LAYERS)

    def install(self, closed: Callable[[], None]) -> None:
        super().install(closed)
        self.selector = self.loop._selector
        self.selector.select = self._timed = timed_select(self.pulse, self.selector.select)
        _pulses[self.loop] = self.pulse
        _patch()
        self.floor = getattr(_original, "__code__", _patched.__code__)
        self.glance()

    def uninstall(self) -> None:
        super().uninstall()
        if vars(self.selector).get("select") is self._timed:
            del self.selector.select
        if _pulses.pop(self.loop, None) is not None:
            _patch()

    def glance(self) -> None:
        global _eager
        if not self.pulse.eager and self.loop.get_task_factory() is not None:
            _eager = self.pulse.eager = True
            _patch()

    def held(self, now: float) -> Held | None:
        pulse = self.pulse
        return None if pulse.polling else Held(pulse.mark, pulse.mark)

    def idle(self, now: float) -> float:
        pulse = self.pulse  # no call between the three reads, nor between the writes: no switch
        tick, idle, polling = pulse.tick, pulse.idle, pulse.polling
        return idle + max(0.0, now - tick) if polling else idle

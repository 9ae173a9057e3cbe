"""The asyncio loop: every tick, by its selector's `select`; every callback, by `Handle._run`.

`select` is wrapped on the selector instance, `_run` on the class (handles have slots), once for
all loops watched; loops that are not watched pass through on the first line. Ticks add up to wall
time by construction: idle is what passes inside `select`, busy is the rest.
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


def timed_select(pulse: Pulse, select: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return `select` with every tick, and the idle time between ticks, measured."""

    def timed(timeout: float | None = None) -> Any:
        now = clock()
        tick = now - pulse.tick
        if tick < LONG:
            pulse.squares += tick * tick
        else:
            pulse.long_tick(tick)
        pulse.tick = now
        pulse.polling = True
        try:
            return select(timeout)
        finally:
            pulse.mark = pulse.tick = back = clock()
            pulse.idle += back - now
            pulse.polling = False

    return timed


def _wrap(loop: Any, pulse: Pulse) -> None:
    global _original, _patched
    if not _pulses and asyncio.Handle._run is not _patched:
        _original = asyncio.Handle._run
        _patched = timed_run(_original, _pulses)
        asyncio.Handle._run = _patched  # type: ignore[method-assign]
    _pulses[loop] = pulse


def _unwrap(loop: Any) -> None:
    global _original, _patched
    _pulses.pop(loop, None)
    if _pulses or _patched is None:
        return
    if asyncio.Handle._run is _patched:
        asyncio.Handle._run = _original  # type: ignore[method-assign]
        _original = _patched = None
    else:
        logger.warning(
            "asyncio.Handle._run was wrapped by somebody else after loopwatch, so loopwatch's own "
            "wrapper stays beneath it and only passes through"
        )


class AsyncioProbe(Probe):
    """Watches a loop of asyncio's own."""

    kind = "asyncio"
    layers = ("ticks", "callbacks", *LAYERS)

    def install(self, closed: Callable[[], None]) -> None:
        super().install(closed)
        self.selector = self.loop._selector
        self.selector.select = self._timed = timed_select(self.pulse, self.selector.select)
        _wrap(self.loop, self.pulse)
        self.floor = getattr(_original, "__code__", _patched.__code__)

    def uninstall(self) -> None:
        super().uninstall()
        if vars(self.selector).get("select") is self._timed:
            del self.selector.select
        _unwrap(self.loop)

    def held(self, now: float) -> Held | None:
        pulse = self.pulse
        return None if pulse.polling else Held(pulse.steps, pulse.mark)

    def idle(self, now: float) -> float:
        pulse = self.pulse  # no call between the three reads, nor between the writes: no switch
        tick, idle, polling = pulse.tick, pulse.idle, pulse.polling
        return idle + max(0.0, now - tick) if polling else idle

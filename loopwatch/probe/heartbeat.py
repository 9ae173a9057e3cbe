"""A loop nobody knows (rloop, winloop): a timer that should fire every 25 ms, and how late it is.

A late beat means that the loop was held from the moment the beat was due. A heartbeat lies if its
lateness is simply averaged (one 1 s block in 6 s gives 240 beats on time and one late); so a beat
late by d is filed as a tick of d, which counts what every moment of those d seconds would have
waited. Busy and idle time cannot be had this way and are absent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopwatch.guard import guarded
from loopwatch.probe.base import LAYERS, Held, Probe
from loopwatch.probe.photograph import below_current_task
from loopwatch.probe.pulse import Pulse, clock

PERIOD = 0.025  # s
JITTER = 0.005  # s of lateness that is the timer's own


class HeartbeatProbe(Probe):
    """Watches a loop of unknown make."""

    layers = ("heartbeat", "request steps", *LAYERS)
    blind = (
        "busy and idle time",
        "steps of tasks and callbacks outside a request's own coroutine, unless slow",
        "the default executor's threads",
    )
    drives = True

    def __init__(self, pulse: Pulse, ticked: Callable[[float, int], None]) -> None:
        super().__init__(pulse)
        self.ticked = ticked
        self.kind = f"{type(self.loop).__module__}.{type(self.loop).__qualname__}"
        self.due = clock() + PERIOD
        self.filed = 0.0
        self.base = below_current_task()
        self._timer: Any = None

    def install(self, closed: Callable[[], None]) -> None:
        super().install(closed)
        self._schedule()

    def uninstall(self) -> None:
        self._timer.cancel()
        super().uninstall()

    def _schedule(self) -> None:
        self.due = clock() + PERIOD
        self._timer = self.loop.call_later(PERIOD, self._beat)

    def _beat(self) -> None:
        self._read(clock())
        self._schedule()

    @guarded
    def _read(self, now: float) -> None:
        pulse = self.pulse
        late = max(0.0, now - self.due) - (pulse.filed - self.filed)
        self.filed = pulse.filed
        if late > 0:
            self.ticked(late, 1)
        if late >= pulse.threshold:
            pulse.judge(now - late, late)

    def held(self, now: float) -> Held | None:
        pulse = self.pulse
        if pulse.turn is not None:
            return Held(pulse.mark, pulse.mark)
        if now - self.due > JITTER:
            since = max(self.due, pulse.mark)
            return Held(since, since)
        return None

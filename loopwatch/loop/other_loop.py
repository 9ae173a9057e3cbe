"""Loops of another make (rloop, winloop): callbacks are timed as on uvloop, and a timer that should
fire every 25 ms estimates ticks by its lateness.

A late beat means that the loop was busy from the moment the beat was due. An average of lateness
would be wrong (one block of 1 s in 6 s gives 240 beats on time and one late). So a beat that is
late by d is filed as a tick of d, which counts what each moment of those d seconds would have
waited. Busy and idle time are not known this way, and are absent. Where the loop's methods cannot
be set, late beats are all that is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

from loopwatch.core.guard import guarded
from loopwatch.loop.floor import below_current_task
from loopwatch.loop.loop_state import LONG, LoopState, clock
from loopwatch.loop.probe import LAYERS, Held, Probe
from loopwatch.loop.scheduling import Scheduling

PERIOD = 0.025  # s
JITTER = 0.005  # s of lateness that is the timer's own


class HeartbeatProbe(Probe):
    """Watches a loop of unknown make."""

    layers: ClassVar[tuple[str, ...]] = ("heartbeat", "callbacks", *LAYERS)
    blind: ClassVar[tuple[str, ...]] = ("busy and idle time", "the default executor's threads")

    def __init__(self, state: LoopState, ticked: Callable[[float, int], None]) -> None:
        super().__init__(state)
        self.ticked = ticked
        self.kind = f"{type(self.loop).__module__}.{type(self.loop).__qualname__}"
        self.due = clock() + PERIOD
        runner = below_current_task()
        self.floor = frozenset((runner,)) if runner is not None else frozenset()
        self._scheduling = Scheduling(state)
        self._call_later = self.loop.call_later
        self._timer: Any = None
        state.victim_search.position = None

    def install(self, closed: Callable[[], None]) -> None:
        super().install(closed)
        try:
            self._scheduling.install()
        except AttributeError:  # of an instance that takes no attributes
            self._scheduling.uninstall()
            self.layers = ("heartbeat", *LAYERS)  # type: ignore[misc]
            self.blind = ("steps of requests, tasks and callbacks, unless slow", *self.blind)  # type: ignore[misc]
        self._schedule()
        self.glance()

    def enter(self) -> None:
        super().enter()
        if not self.loop.is_running():
            self.due = max(self.due, clock())

    def uninstall(self) -> None:
        self._scheduling.uninstall()
        if self._timer is not None:
            self._stop_beating()
        super().uninstall()

    def _stop_beating(self) -> None:
        if threading.get_ident() == self.state.thread_id or not self.loop.is_running():
            self._timer.cancel()
        else:
            self.loop.call_soon_threadsafe(self._timer.cancel)

    def _schedule(self) -> None:
        self.due = clock() + PERIOD
        self._timer = self._call_later(PERIOD, self._beat)

    def _beat(self) -> None:
        self._read(clock())
        if not self.state.closed:
            self._schedule()

    @guarded
    def _read(self, now: float) -> None:
        state, late = self.state, max(0.0, now - self.due)
        state.mark = state.tick = now
        state.limit = LONG
        state.busy_tick.clear()
        if late > 0:
            self.ticked(late, 1)
        if late >= state.threshold and state.judged <= now - late:
            state.judge(now - late, late)

    def held(self, now: float) -> Held | None:
        state = self.state
        if state.running is not None:
            return Held(state.mark, state.mark)
        if now - self.due > JITTER:
            since = max(self.due, state.mark)
            return Held(since, since)
        return None

    def idle(self, now: float) -> float | None:
        return None

    def ticking(self, now: float) -> float:
        return 0.0

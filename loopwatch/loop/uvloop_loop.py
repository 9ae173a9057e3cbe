"""The uvloop loop: libuv's prepare and check handles give each tick, `call_soon` each callback.

uvloop never calls `asyncio.Handle._run`, has no selector, and its handles hide what they run. So
scheduled callbacks are timed (`scheduling`), and so is the poll (`libuv`). As on asyncio, a tick is
the time between two polls. The rest are uvloop's own callbacks, such as a protocol's
`data_received`. They run in the poll phase after the poll itself, or between two steps. If they
take `LONG` or more, they count as a step without an owner, and the watchdog sees their line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import CodeType
from typing import Any

from loopwatch.loop.floor import below_current_task, parked_code
from loopwatch.loop.libuv import Libuv
from loopwatch.loop.loop_state import LoopState, clock
from loopwatch.loop.probe import LAYERS, Held, Probe
from loopwatch.loop.scheduling import METHODS, TIME, Scheduling

RUNNERS = 8  # functions known to run the loop, at most


class UvloopProbe(Probe):
    """Watches a uvloop loop. Raises OSError or AttributeError where libuv is out of reach."""

    kind = "uvloop"
    layers = ("ticks", "callbacks", *LAYERS)
    blind = (
        "where one callback of a transport, reader or signal handler ends and the next begins",
    )

    def __init__(self, state: LoopState) -> None:
        super().__init__(state)
        self._libuv = Libuv(self.loop)
        self._poll: Any = None
        self._scheduling = Scheduling(state, METHODS | TIME)
        self._runners: list[CodeType] = []
        self._learn(below_current_task())

    def install(self, closed: Callable[[], None]) -> None:
        self._poll = self._libuv.open(self.state)
        super().install(closed)
        self._scheduling.install()
        super().glance()
        if self.loop.is_running() and not self.state.eager:
            self._part_first_tick()

    def _part_first_tick(self) -> None:
        """Have requests end each other's steps, as eager ones do, until what is in line now has
        run: it was scheduled before that was timed."""

        def over() -> None:
            self.state.eager = False
            Probe.glance(self)

        self.state.eager = True
        self.loop.call_soon(over)

    def uninstall(self) -> None:
        self._scheduling.uninstall()
        if self._poll is not None:
            self._poll.detach()
        if self.loop.is_running() and threading.get_ident() != self.state.thread_id:
            self.state.closed = True
            self._scheduling.originals["call_soon_threadsafe"](self._give_back)
        else:
            self._give_back()

    def _give_back(self) -> None:
        """Close libuv's handles, on the loop's thread; until then, `close` must stay ours."""
        if self._poll is not None:
            self._poll.close()
        super().uninstall()

    def abandon(self) -> None:
        self._scheduling.uninstall()
        self._give_back()

    def _close(self) -> None:
        if self._closed is not None:
            self._closed()
        self._give_back()
        self._original_close()

    def held(self, now: float) -> Held | None:
        state = self.state
        if state.running is not None:
            return Held(state.mark, state.mark)
        since = state.position(now)[2]
        if since is None or not self.loop.is_running():
            return None
        since = max(since, state.mark)
        return Held(since, since)

    def glance(self) -> None:
        super().glance()
        if len(self._runners) < RUNNERS:
            self._learn(parked_code(self.state.thread_id, self._is_parked))

    def _is_parked(self) -> bool:
        return self.state.position(clock())[2] is None

    def _learn(self, runner: CodeType | None) -> None:
        """Remember a function that runs the loop: the frames of steps are above it."""
        if runner is not None and runner not in self._runners:
            self._runners.append(runner)
            self.floor = frozenset(self._runners)

"""What the probes of all loops share: hook in, notice the loop's end, hook out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from types import CodeType
from typing import Any, ClassVar, NamedTuple

from loopwatch.loop.loop_state import LoopState, clock
from loopwatch.loop.replaced import PassingOn, Replaced, ReplacedInClass, replace, running
from loopwatch.loop.slow_steps import judge_so_far

LAYERS = ("requests", "watchdog", "gc")
MOMENTS = 64  # samples of the loop's time that the watchdog has taken, kept until they are counted


class Held(NamedTuple):
    """The loop runs something: since when, and a mark that differs for every step (clock, s)."""

    mark: float
    since: float


class Probe:
    """Watches one loop and writes its `state`. Subclasses are for kinds of loops."""

    kind: str
    layers: ClassVar[tuple[str, ...]]
    blind: ClassVar[tuple[str, ...]] = ()

    def __init__(self, state: LoopState) -> None:
        self.state = state
        self.loop = state.loop
        self.floor: frozenset[CodeType] = frozenset()  # stack samples end at this code
        self.holding: Held | None = None  # for the threshold or longer, at the watchdog's last look
        self.moments: deque[Any] = deque(maxlen=MOMENTS)  # samples that the watchdog took
        self._closed: Callable[[], None] | None = None
        self.entered: Callable[[], None] = self.enter  # called before each run but the first
        self._replaced: list[Replaced | ReplacedInClass] = []
        self._turns_at_entry = state.turns

    def install(self, closed: Callable[[], None]) -> None:
        """Hook in; `closed` is called just before the loop closes."""
        self._closed = closed
        self._original_close, self._original_run = self.loop.close, running(self.loop)
        close = PassingOn(self._close, self._original_close)
        self._replaced.append(replace(self.loop, "close", close))
        with suppress(AttributeError):
            run = PassingOn(self._run, self._original_run)
            self._replaced.append(replace(self.loop, "run_forever", run))

    def uninstall(self) -> None:
        """Restore what was replaced; also after an `install` that failed halfway."""
        self.state.closed = True
        while self._replaced:
            self._replaced.pop().put_back()

    def _run(self) -> Any:
        """Replace the loop's own `run_forever`."""
        self.entered()
        return self._original_run()

    def enter(self) -> None:
        """The loop begins to run, again perhaps: what lies between two runs is no time of its."""
        state = self.state
        if self.loop.is_running():
            return
        now = clock()
        state.installed += now - state.mark
        state.mark = state.tick = now
        self._turns_at_entry = state.turns
        state.sampled = True

    def cut(self) -> None:
        """The watch is about to end: if it ends within a step, judge what that has taken so far."""
        if threading.get_ident() == self.state.thread_id and self.loop.is_running():
            held = self.held(clock())
            if held is not None:
                judge_so_far(self.state, held.since)

    def rests(self) -> bool:
        """Whether the loop has run, and does not run now."""
        return self.state.turns != self._turns_at_entry and not self.loop.is_running()

    def until(self, now: float) -> float:
        """Return until when the loop's time counts: `now`, or its last run's end (clock, s)."""
        return now if self.loop.is_running() else min(now, self.state.mark)

    def abandon(self) -> None:
        """`uninstall` in a forked child."""
        self.uninstall()

    def _close(self) -> None:
        """Replace the loop's own `close`."""
        if self._closed is not None:
            self._closed()
        self._original_close()

    def held(self, now: float) -> Held | None:
        """Return the hold in progress at `now` (clock, s); None if idle, or if that is unknown."""
        raise NotImplementedError

    def glance(self) -> None:
        """Do what this loop needs at every wake of the watchdog."""
        state = self.state
        if not state.eager and self.loop.get_task_factory() is not None:
            self.expect_eager_tasks()

    def expect_eager_tasks(self) -> None:
        """Note that tasks may begin within other tasks' steps from now on."""
        self.state.eager = True

    def idle(self, now: float) -> float | None:
        """Return seconds idle since the watch began; None if the loop does not report them."""
        return self.state.position(now)[1]

    def ticking(self, now: float) -> float:
        """Return for how long the tick in progress has been busy, s; 0.0 if not known."""
        since = self.state.position(now)[2]
        return 0.0 if since is None else max(0.0, now - since)

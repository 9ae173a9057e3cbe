"""From slow callbacks to stalls, which `delivery` then delivers.

The watchdog only collects what has ended, with its stack samples: that takes no time. Explaining
happens on the delivery's thread, and on any that reads `watch.stalls`, since whoever reads must
find what has ended. The locks are reentrant: a signal handler may read as well.

What explains is imported with loopwatch (4 ms where it was measured), not by the delivery's thread
at the first stall: right after a stall the app has most to do, and would have to share the GIL.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from loopwatch.core.cpu_budget import CpuBudget
from loopwatch.core.evidence import Slow
from loopwatch.core.guard import is_due, log_once, say
from loopwatch.core.holds import Hold
from loopwatch.core.record_types import Instrument, SiteReading, Stall
from loopwatch.core.request import unix_time
from loopwatch.core.safe_text import encodable
from loopwatch.explain.advice import Adviser
from loopwatch.explain.culprit import Explanation, explain
from loopwatch.explain.observation import NOTHING
from loopwatch.explain.site import DEFAULT, SiteRules
from loopwatch.explain.unexplained import unexplained
from loopwatch.exporters.exporter import Changed
from loopwatch.ledger.stall_table import StallTable
from loopwatch.loop.loop_state import clock
from loopwatch.watch.delivery import Delivery
from loopwatch.watch.in_progress import InProgress
from loopwatch.watch.own_cost import Elsewhere
from loopwatch.watch.victim_counts import VictimCount, VictimCounts
from loopwatch.watch.watched_loop import WatchedLoop
from loopwatch.watchdog.line_traces import LineTraces

ROUND = 1.0  # s at the most from the beginning of a round that was due to the next look
BUDGET_SPENT = (
    "loopwatch has spent its CPU budget (cpu_budget=%g of a core): until it has saved up again, "
    'stalls are timed and counted, but not explained; loopwatch_dropped_total{reason="budget"} '
    "tells how many"
)
UNEXPLAINED = 1024  # slow callbacks waiting for it; more are dropped and counted

Write = Callable[[Changed], None]
Loops = Callable[[], Iterable[WatchedLoop]]


def ignore(changed: Changed) -> None:
    """Write nothing."""


class Reporter:
    """Explains, keeps and counts the stalls of one watch, and has them delivered.

    `write` is given a function that returns the sites with new stalls, before each delivery.
    """

    def __init__(
        self,
        instruments: Iterable[Instrument],
        allow: Iterable[str] = (),
        adviser: Adviser | None = None,
        rules: SiteRules = DEFAULT,
        write: Write = ignore,
        loops: Loops = tuple,
    ) -> None:
        self.table = StallTable()
        self.victim_counts = VictimCounts(self.table)
        self._write, self._loops = write, loops
        self.delivery = Delivery(instruments, self._prepare)
        self._allow, self._adviser, self._rules = tuple(allow), adviser or Adviser(), rules
        self.lines = LineTraces(rules.is_own_code)
        self.in_progress = InProgress(self._provisional)
        self.budget, self.elsewhere = CpuBudget(), Elsewhere()
        self._left_out = 0  # stalls that were not explained, for its cost
        self._found: deque[Slow] = deque()
        self._overflow = 0  # slow callbacks dropped
        self._collecting, self._explaining = threading.RLock(), threading.RLock()

    def attend(
        self, loops: Iterable[WatchedLoop], now: float, due_in: float | None
    ) -> float | None:
        """Begin a round on the delivery's thread if there is anything to do, or if one is due.

        Nothing here takes long: it is the watchdog's thread. Returns when to ask again, s, if ever.
        """
        self.lines.tend(now)
        self.collect(loops)
        asked = due_in, self.in_progress.due_in(loops, now), self.victim_counts.due_in(now)
        waits = [seconds for seconds in asked if seconds is not None]
        due = any(seconds <= 0.0 for seconds in waits)
        if due or self._found or self.delivery:
            self.delivery.ring()
        if (hanging := self.delivery.supervise(now)) is not None:
            waits.append(hanging)
        return min((s if s > 0.0 else ROUND for s in waits), default=None)

    def _prepare(self) -> None:
        self.explain(())
        self.settle()
        for stall in self.in_progress.take_due(self._loops()):
            self.delivery.put(stall, None, "in_progress")
        self._write(self.changed)

    def collect(self, loops: Iterable[WatchedLoop]) -> None:
        """Take what the loops have pending, to be explained later: nothing here takes long."""
        with self._collecting:
            for slow in (s for watched in loops for s in watched.take_pending()):
                if len(self._found) < UNEXPLAINED:
                    self._found.append(slow)
                else:
                    self._overflow += 1

    def explain(self, loops: Iterable[WatchedLoop]) -> None:
        """Make stalls of what the loops have pending, and of what was collected."""
        self.collect(loops)
        with self._explaining:
            while self._found:
                slow = self._found.popleft()
                with self.elsewhere.counted(self.delivery):
                    self._keep(self._within_budget(slow), slow.hold)

    def _within_budget(self, slow: Slow) -> Stall:
        """Return a stall explained, if that may be spent on it."""
        if not slow.unseen and self.budget.allows("explain", slow.duration):
            return self._explained(slow, self._traced)
        self._left_out += 1
        if is_due(BUDGET_SPENT):
            say(logging.WARNING, BUDGET_SPENT, self.budget.share)
        return self._explained(slow, self._unexplained)

    def _provisional(self, slow: Slow) -> Stall | None:
        with self.elsewhere.counted(self.delivery):
            stall = self._explained(slow, self._explanation)
        return None if self._is_allowed(stall) else stall

    def _is_allowed(self, stall: Stall) -> bool:
        return any(fnmatchcase(stall.site.function, pattern) for pattern in self._allow)

    def _explanation(self, slow: Slow) -> Explanation:
        return explain(slow, clock(), self._rules)

    def _unexplained(self, slow: Slow) -> Explanation:
        return Explanation(unexplained(slow), NOTHING, None, ())

    def _traced(self, slow: Slow) -> Explanation:
        """Explain with what line traces have caught, and trace the suspects from now on."""
        pinned = self.lines.find(slow.started, slow.ended, slow.thread_id)
        slow.pinned = pinned[:2] if pinned is not None else None
        explanation = self._explanation(slow)
        self.lines.suspect(explanation.suspects, slow.thread_id)
        return explanation

    def _explained(self, slow: Slow, how: Callable[[Slow], Explanation]) -> Stall:
        """Return a stall whatever happens: if explaining fails, of what is known without."""
        try:
            explanation = how(slow)
        except Exception:
            log_once("loopwatch.explain")
            started = unix_time(slow.started)
            thread = encodable(slow.thread)
            return Stall(started_at=started, duration=slow.duration, thread=thread)
        return self._advised(explanation)

    def _advised(self, explanation: Explanation) -> Stall:
        stall = explanation.stall
        if stall.advice:
            return stall
        try:
            advice = self._adviser.advise(stall, explanation.observed)
            if explanation.rest is not None:
                called = replace(stall, cause=explanation.rest)
                advice = f"{self._adviser.advise(called, explanation.observed)} {advice}"
            return replace(stall, advice=encodable(advice))
        except Exception:
            log_once("loopwatch.explain.advice")
            return stall

    def afresh(self) -> Reporter:
        """Return one like this that has counted nothing, and whose thread has not begun."""
        instruments = self.delivery.instruments
        return Reporter(
            instruments, self._allow, self._adviser, self._rules, self._write, self._loops
        )

    def changed(self) -> tuple[SiteReading, ...]:
        """Return the sites with new stalls since this was last asked."""
        with self._explaining:
            return self.table.sites.changed()

    def dropped(self) -> dict[str, int]:
        """Return what was lost, by reason."""
        return {
            "sites": self.table.overflow,
            "blames": self.table.blames.overflow,
            "stacks": self.table.profile.overflow,
            "stalls": self._overflow + self.delivery.lost,
            "budget": self._left_out,
            "instruments": self.delivery.removed,
        }

    def _keep(self, stall: Stall, hold: Hold | None = None) -> None:
        if hold is not None:
            hold.stall = stall
        if self._is_allowed(stall):
            self.table.allow(stall)
            if hold is not None:
                hold.context = None
            return
        self.table.add(stall, hold)
        if hold is not None:
            self.victim_counts.add(VictimCount(stall, hold))
        else:
            self.delivery.put(stall, None)

    def tell_last(self, loops: Iterable[WatchedLoop]) -> None:
        """Deliver what has ended and what has not, before the process ends; wait 2 s at most."""
        loops = list(loops)
        self.explain(loops)
        self.settle(all_of_them=True)
        for stall in self.in_progress.stalls(loops):
            self.delivery.put(stall, None, "in_progress")
        if self.delivery:
            self.delivery.finish()

    def settle(self, all_of_them: bool = False) -> None:
        """Count the victims found by now; stalls that wait for no more of them are delivered."""
        with self._explaining:
            for stall, hold in self.victim_counts.settle(clock(), all_of_them):
                self.delivery.put(stall, hold)

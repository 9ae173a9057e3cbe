"""From slow callbacks to told stalls.

Explaining may happen on any thread, since whoever reads `watch.stalls` must find what has ended;
telling happens on the watchdog's thread (and in `stop`), so that no instrument's I/O ever runs on
the loop.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from fnmatch import fnmatchcase

from loopwatch.accounts import Account, Accounts
from loopwatch.evidence import Slow
from loopwatch.explain.advice import Adviser
from loopwatch.explain.culprit import Explanation, explain
from loopwatch.explain.site import DEFAULT, SiteRules
from loopwatch.guard import logger, tell_once
from loopwatch.holds import Hold, Linking
from loopwatch.ledger.stalls import StallTable
from loopwatch.probe.lines import LineWatch
from loopwatch.probe.pulse import clock
from loopwatch.records import Instrument, SiteReading, Stall
from loopwatch.request import unix_time
from loopwatch.watched import WatchedLoop

UNTOLD = 1024  # stalls waiting to be told; more are dropped and counted


class Reporter:
    """Explains, keeps and tells the stalls of one watch."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        allow: Iterable[str] = (),
        adviser: Adviser | None = None,
        rules: SiteRules = DEFAULT,
    ) -> None:
        self.table = StallTable()
        self.accounts = Accounts(self.table)
        self._allow, self._adviser, self._rules = tuple(allow), adviser or Adviser(), rules
        self.lines = LineWatch(rules.is_own_code)
        self.instruments = tuple(instruments)
        self.untold_dropped = 0
        self.removed = 0
        self.untold: deque[tuple[Stall, Hold | None]] = deque()
        self._explaining, self._telling = threading.Lock(), threading.Lock()

    def add(self, instrument: Instrument) -> None:
        """Tell an instrument of every stall from now on; TypeError if it has no `stalled`."""
        if not callable(getattr(instrument, "stalled", None)):
            raise TypeError(
                f"an instrument must have a method stalled(stall), got {instrument!r}; "
                "see loopwatch.records.Instrument"
            )
        if not any(i is instrument for i in self.instruments):
            self.instruments = (*self.instruments, instrument)

    def remove(self, instrument: Instrument) -> None:
        """Tell it no more; nothing happens if it was not told."""
        self.instruments = tuple(i for i in self.instruments if i is not instrument)

    def explain(self, loops: Iterable[WatchedLoop]) -> None:
        """Make stalls of what the loops have pending."""
        with self._explaining:
            for watched in loops:
                for slow in watched.take_pending():
                    self._keep(self._explained(slow), slow.hold)

    def _explained(self, slow: Slow) -> Stall:
        """Return a stall whatever happens: if explaining fails, of what is known without."""
        try:
            pinned = self.lines.find(slow.started, slow.ended, slow.thread_id)
            slow.pinned = pinned[:2] if pinned is not None else None
            explanation = explain(slow, clock(), self._rules)
            self.lines.suspect(explanation.suspects, slow.thread_id)
        except Exception:
            tell_once("loopwatch.explain")
            started = unix_time(slow.started)
            return Stall(started_at=started, duration=slow.duration, thread=slow.thread)
        return self._advised(explanation)

    def _advised(self, explanation: Explanation) -> Stall:
        stall = explanation.stall
        try:
            return replace(stall, advice=self._adviser.advise(stall, explanation.gil_released))
        except Exception:
            tell_once("loopwatch.explain.advice")
            return stall

    def afresh(self) -> Reporter:
        """Return one like this that has counted nothing."""
        return Reporter(self.instruments, self._allow, self._adviser, self._rules)

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
            "stalls": self.untold_dropped,
            "instruments": self.removed,
        }

    def _keep(self, stall: Stall, hold: Hold | None = None) -> None:
        if hold is not None:
            hold.stall = stall
        if any(fnmatchcase(stall.site.function, pattern) for pattern in self._allow):
            self.table.allow(stall)
            if hold is not None:
                hold.context = None
            return
        self.table.add(stall, hold)
        if hold is not None:
            self.accounts.add(Account(stall, hold))
        else:
            self._to_tell(stall, None)

    def settle(self, all_of_them: bool = False) -> None:
        """Count the victims found by now; stalls that wait for no more of them are to be told."""
        with self._explaining:
            for stall, hold in self.accounts.settle(clock(), all_of_them):
                self._to_tell(stall, hold)

    def _to_tell(self, stall: Stall, hold: Hold | None) -> None:
        if len(self.untold) < UNTOLD:
            self.untold.append((stall, hold))
        else:
            self.untold_dropped += 1

    def tell(self) -> None:
        """Tell the instruments, in order; one that raises is logged once and removed."""
        with self._telling:
            while self.untold:
                stall, hold = self.untold.popleft()
                for instrument in self.instruments:
                    self._tell_one(instrument, stall, hold)
                if hold is not None:
                    hold.context = None  # what it keeps is the app's

    def _tell_one(self, instrument: Instrument, stall: Stall, hold: Hold | None) -> None:
        try:
            if isinstance(instrument, Linking):
                instrument.stalled_by(stall, hold)
            else:
                instrument.stalled(stall)
        except Exception:
            self.remove(instrument)
            self.removed += 1
            logger.exception("instrument %r raised and was removed", instrument)

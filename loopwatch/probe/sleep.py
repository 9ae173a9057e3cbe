"""How the watchdog sleeps: until it is due, somebody rings, or, compiled, until a loop needs it.

`Nap` is a wait for a lock; everything is looked at each time. `Sleep` is the compiled one
(`native/watcher.c`): it sees by itself, without the GIL, whether there is anything to look at.
Both hold the garbage collector back as they end, until `COLLECTOR` is let go.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import Any, NamedTuple

from loopwatch.probe.clocks import LATE
from loopwatch.probe.collector import COLLECTOR
from loopwatch.probe.heart import Heart
from loopwatch.probe.outsider import PATIENCE
from loopwatch.probe.pulse import clock
from loopwatch.probe.sentry import SHORTEST, Sentry
from loopwatch.probe.witness import Observer
from loopwatch.speedups import speedups

SOON = 0.5  # of the period: whoever is due by then is looked at now, not at a wake of its own
COMPILED = hasattr(getattr(speedups, "Watcher", None), "wait")


class Wake(NamedTuple):
    """An end of sleep. Times are clock, s."""

    due: float  # when the watchdog meant to look
    now: float
    waited: float | None  # s for the GIL, until now; None: that was not timed
    late: bool
    sentries: Collection[Sentry]  # whose loops to look at


class Nap:
    """Sleep that anything can do."""

    watcher: Any = None

    def __init__(self) -> None:
        self._bell = threading.Lock()  # rung, by its release, to end the thread
        self._bell.acquire()

    def alter(self) -> None:
        """Say that the sentries are others: that is seen at the next wake."""

    def end(self) -> None:
        """Have `until` return None, now and from now on; once, on any thread."""
        self._bell.release()

    def close(self) -> None:
        """Let everything go; by the thread that slept, or in a forked child."""

    def until(
        self, due: float, sentries: tuple[Sentry, ...], observer: Observer, heart: Heart | None
    ) -> Wake | None:
        """Sleep until `due`; None once it is the end."""
        ended = self._bell.acquire(timeout=max(SHORTEST, due - clock()))
        COLLECTOR.hold()
        if ended:
            COLLECTOR.let_go()
            return None
        now = clock()
        return Wake(due, now, None, now - due > LATE, sentries)


class Sleep:
    """The compiled one."""

    def __init__(self) -> None:
        self.watcher: Any = speedups.Watcher(LATE)  # type: ignore[union-attr]
        self._ended = False
        self._sentries: tuple[Sentry, ...] | None = None  # as of the last time
        self._seen: list[Sentry] = []  # whose loops it sees
        self._unseen: list[Sentry] = []
        self._heart: Heart | None = None
        self._files: tuple[int, tuple[int, ...]] | None = None

    def alter(self) -> None:
        """Have the others seen at once."""
        self.watcher.ring()

    def end(self) -> None:
        """Have `until` return None, now and from now on; on any thread."""
        self._ended = True  # before it rings: a sleep that begins only now ends at once
        self.watcher.ring()

    def close(self) -> None:
        """Let everything go; by the thread that slept, or in a forked child."""
        self.watcher.close()

    def until(
        self, due: float, sentries: tuple[Sentry, ...], observer: Observer, heart: Heart | None
    ) -> Wake | None:
        """Sleep until a loop is to be looked at, or until `due`; None once it is the end.

        The heart is told whenever the GIL is asked for.
        """
        self._prepare(sentries, observer, heart)
        meant, asked, moved, wanted = self.watcher.wait(due)
        COLLECTOR.hold()
        now = clock()
        if self._ended:
            COLLECTOR.let_go()
            return None
        for place in wanted:
            self._seen[place].stay_lively(now)
        late = now - meant > LATE
        return Wake(meant, now, now - asked, late, sentries if late else self._called(now, moved))

    def _called(self, now: float, moved: list[int]) -> list[Sentry]:
        """Return the sentries whose loops have done something, or whose time has come."""
        called = {place: self._seen[place] for place in moved}
        soon = now + SOON * min((s.period for s in self._seen), default=0.0)
        called |= {n: s for n, s in enumerate(self._seen) if s.due <= soon}
        return [*called.values(), *self._unseen]

    def _prepare(
        self, sentries: tuple[Sentry, ...], observer: Observer, heart: Heart | None
    ) -> None:
        """Tell the watcher what has changed since it last slept."""
        if heart is not self._heart:
            self._heart = heart
            self._keep(heart)
        if self._files != observer.descriptors:
            self._files = observer.descriptors
            self.watcher.read_from(*self._files)
        if sentries is not self._sentries:
            self._sentries = sentries
            self._seen = [s for s in sentries if s.seen_asleep]
            self._unseen = [s for s in sentries if not s.seen_asleep]
            self._watch()

    def _keep(self, heart: Heart | None) -> None:
        if heart is None:
            self.watcher.keep_heart(None, -1, 0.0)
        else:
            self.watcher.keep_heart(heart.due, heart.timer, PATIENCE)

    def _watch(self) -> None:
        main = threading.main_thread().ident
        entries = tuple(entry(sentry) for sentry in self._seen)
        period = min((s.period for s in self._seen), default=1.0)
        self.watcher.watch(
            entries, period, any(s.probe.pulse.thread_id == main for s in self._seen)
        )


def entry(sentry: Sentry) -> tuple[Any, ...]:
    """Return what the watcher needs to know of a loop."""
    pulse, clocks = sentry.probe.pulse, sentry.clocks
    return pulse, sentry.early, pulse.cpu_clock, clocks.schedule_descriptor, sentry.descriptor

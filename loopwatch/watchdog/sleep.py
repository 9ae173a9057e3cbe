"""The watchdog's sleep: it ends when a look is due, when it is rung, or when a loop needs a look.

`Nap` waits for a lock, and after it every loop is looked at. `Sleep` is the compiled one
(`native/watcher.c`): without the GIL, it sees whether there is anything to look at. Both switch the
garbage collector off as they end, until `COLLECTOR` is let go.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, NamedTuple

from loopwatch.core.gil_turns import FOR_WATCHDOG, want_turns
from loopwatch.core.speedups import speedups
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog.clocks import LATE
from loopwatch.watchdog.collector import COLLECTOR
from loopwatch.watchdog.process_reading import ProcessReader
from loopwatch.watchdog.sampler import SHORTEST, Sampler
from loopwatch.watchdog.time_samples import MEAN

if TYPE_CHECKING:
    from loopwatch.watchdog.keep_alive import KeepAlive

SOON = 0.5  # of the period: a loop due by then is looked at now, and needs no wake of its own
COMPILED = hasattr(getattr(speedups, "Watcher", None), "wait")


class Wake(NamedTuple):
    """An end of sleep. Times are clock, s."""

    due: float  # when the watchdog meant to look
    now: float
    waited: float | None  # s for the GIL, until now; None: not timed
    late: bool
    samplers: Collection[Sampler]  # of the loops to look at


class Settling:
    """A sleep says when it refers to no loop but those that it was given last."""

    settled: threading.Event | None = None

    def settle(self) -> None:
        settled, self.settled = self.settled, None
        if settled is not None:
            settled.set()


class Nap(Settling):
    """Sleep without the compiled part."""

    watcher: Any = None

    def __init__(self) -> None:
        self._bell = threading.Lock()  # rung, by its release, to end the thread
        self._bell.acquire()

    def alter(self) -> None:
        """Note that the samplers have changed: the next wake takes the new ones anyway."""

    def end(self) -> None:
        """Make `until` return None from now on; call it once, on any thread."""
        self._bell.release()

    def close(self) -> None:
        """Release everything; on the thread that slept, or in a forked child."""

    def take_missed(self) -> None:
        """Do nothing: samplers take samples of the loop's time by themselves."""

    def until(
        self,
        due: float,
        samplers: tuple[Sampler, ...],
        reader: ProcessReader,
        keep_alive: KeepAlive | None,
    ) -> Wake | None:
        """Sleep until `due` (clock, s); return None after `end`."""
        self.settle()
        seconds = max(SHORTEST, due - clock())
        want_turns(FOR_WATCHDOG, after=seconds)
        ended = self._bell.acquire(timeout=seconds)
        COLLECTOR.hold()
        if ended:
            COLLECTOR.let_go()
            return None
        now = clock()
        return Wake(due, now, None, now - due > LATE, samplers)


class Sleep(Settling):
    """The compiled sleep."""

    def __init__(self) -> None:
        self.watcher: Any = speedups.Watcher(LATE, MEAN)  # type: ignore[union-attr]
        self._ended = False
        self._samplers: tuple[Sampler, ...] | None = None  # as of the last sleep
        self._seen: list[Sampler] = []  # those whose loops it sees
        self._unseen: list[Sampler] = []
        self._keep_alive: KeepAlive | None = None
        self._files: tuple[int, tuple[int, ...]] | None = None

    def alter(self) -> None:
        """Wake, since the samplers have changed."""
        self.watcher.ring()

    def end(self) -> None:
        """Make `until` return None from now on; on any thread."""
        self._ended = True  # before the ring, so that a sleep that begins now ends at once
        self.watcher.ring()

    def close(self) -> None:
        """Release everything; on the thread that slept, or in a forked child."""
        self.watcher.close()
        self._samplers, self._seen, self._unseen = None, [], []

    def take_missed(self) -> None:
        """Take samples of the loops' time for the moments in which the sleep waited for the GIL."""
        self.watcher.take_missed()

    def until(
        self,
        due: float,
        samplers: tuple[Sampler, ...],
        reader: ProcessReader,
        keep_alive: KeepAlive | None,
    ) -> Wake | None:
        """Sleep until a loop needs a look, or until `due` (clock, s); return None after `end`.

        The keep-alive beats whenever the sleep asks for the GIL.
        """
        self._prepare(samplers, reader, keep_alive)
        self.settle()
        meant, asked, moved, wanted, was_on = self.watcher.wait(due, True)
        COLLECTOR.held(was_on)
        now = clock()
        if self._ended:
            COLLECTOR.let_go()
            return None
        for place in wanted:
            self._seen[place].stay_lively(now)
        late = now - meant > LATE
        return Wake(meant, now, now - asked, late, samplers if late else self._called(now, moved))

    def _called(self, now: float, moved: list[int]) -> list[Sampler]:
        """Return the samplers whose loops have moved, or whose look is due."""
        called = {place: self._seen[place] for place in moved}
        soon = now + SOON * min((s.period for s in self._seen), default=0.0)
        called |= {n: s for n, s in enumerate(self._seen) if s.due <= soon}
        return [*called.values(), *self._unseen]

    def _prepare(
        self,
        samplers: tuple[Sampler, ...],
        reader: ProcessReader,
        keep_alive: KeepAlive | None,
    ) -> None:
        """Give the watcher what has changed since it last slept."""
        if keep_alive is not self._keep_alive:
            self._keep_alive = keep_alive
            self._keep(keep_alive)
        if self._files != reader.descriptors:
            self._files = reader.descriptors
            self.watcher.read_from(*self._files)
        if samplers is not self._samplers:
            self._samplers = samplers
            self._seen = [s for s in samplers if s.seen_asleep]
            self._unseen = [s for s in samplers if not s.seen_asleep]
            self._watch()

    def _keep(self, keep_alive: KeepAlive | None) -> None:
        if keep_alive is None:
            self.watcher.set_keep_alive(None, -1, 0.0)
        else:
            self.watcher.set_keep_alive(keep_alive.due, keep_alive.timer, keep_alive.patience)

    def _watch(self) -> None:
        main = threading.main_thread().ident
        entries = tuple(entry(sampler) for sampler in self._seen)
        period = min((s.period for s in self._seen), default=1.0)
        self.watcher.watch(
            entries, period, any(s.probe.state.thread_id == main for s in self._seen)
        )


def entry(sampler: Sampler) -> tuple[Any, ...]:
    """Return what the watcher needs to know of a loop."""
    state, clocks = sampler.probe.state, sampler.clocks
    files = clocks.schedule_descriptor, clocks.call.descriptor, sampler.descriptor
    return state, sampler.early, state.cpu_clock, *files

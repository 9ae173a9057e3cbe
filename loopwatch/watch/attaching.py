"""Loops come under a watch and leave it: started, closed, forked, and let go of while they rest.

A loop that does not run may have been dropped by the app, without `close`. asyncio's loops are in
cycles of references, so the collector finds them, unless we refer to them. So a loop that has run
and does not run now is let go of before each full collection, and as another loop begins on its
thread: its watch ends as if it had closed, and what it counted stays. A hook that only the loop
itself refers to takes it under its watch again if it runs again.

Rule: a collection begins in the middle of any code, so `rest` waits for no lock and logs nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from loopwatch.core.guard import guarded, say
from loopwatch.exporters.exporter import Exporters
from loopwatch.ledger.totals import Totals
from loopwatch.loop.loop_state import clock
from loopwatch.loop.replaced import PassingOn, replace, running
from loopwatch.waits.wait_reader import WaitReader
from loopwatch.watch.flight import Flight
from loopwatch.watch.loop_time import LoopTime
from loopwatch.watch.reporter import Reporter
from loopwatch.watch.watched_loop import LOOPS, WatchedLoop
from loopwatch.watchdog.green_threads import refuse_green_threads
from loopwatch.watchdog.watchdog import Watchdog

WATCHDOG = Watchdog()
UNWATCHED = "loopwatch cannot watch this loop, which runs as before: %s"
SETTLED = 0.05  # s that `rest` waits for the watchdog to let go of a loop as well


GUESTS: WeakSet[Attaching] = WeakSet()  # watches that leave a loop to one of the app's own


class Turn:
    """Only one thread attaches or detaches loops at a time; a signal handler may do so within."""

    def __init__(self) -> None:
        self.anew()

    def __enter__(self) -> None:
        self._lock.acquire()
        self.inside += 1

    def __exit__(self, *error: object) -> None:
        self.inside -= 1
        self._lock.release()

    def is_free(self) -> bool:
        """Whether it is our turn now, without waiting; then `__exit__` must follow."""
        if not self._lock.acquire(blocking=False):
            return False
        if self.inside:  # this very thread was interrupted
            self._lock.release()
            return False
        self.inside += 1
        return True

    def anew(self) -> None:
        """Begin; again in a forked child, where the thread whose turn it was may not exist."""
        self._lock = threading.RLock()
        self.inside = 0


TURN = Turn()


class Resting:
    """The hook on a loop that its watch has let go of. Only the loop refers to it."""

    def __init__(self, loop: Any, wake: Callable[[Any], None]) -> None:
        self._loop, self._wake = loop, wake
        hook = PassingOn(self._run, running(loop))
        self._replaced = replace(loop, "run_forever", hook)

    def put_back(self) -> None:
        self._replaced.put_back()

    def _run(self) -> Any:
        self.put_back()
        self._wake(self._loop)
        return self._loop.run_forever()


class Attaching:
    """What a watch does with loops. Its subclass has the options, and what is not of one loop."""

    slow_callback_duration: float
    debug: bool
    native: bool
    server_timing: bool
    trust_request_start: bool
    records: bool
    stopped: bool
    _exporters: Exporters
    _reporter: Reporter
    _past: Totals
    _waits: WaitReader
    _loop_time: LoopTime

    def __init__(self) -> None:
        self._loops: dict[Any, WatchedLoop] = {}
        self._resting: WeakSet[Resting] = WeakSet()
        self._flown: Flight | None = None  # of the loop that was let go of last
        self._unwatched: WeakSet[Any] = WeakSet()  # loops of which that was said
        self._heirs: list[Any] | None = None  # of a guest

    def _begin(self) -> None:
        raise NotImplementedError

    def be_guest(self, heirs: list[Any] | None = None) -> None:
        """From now on leave a loop to any other watch that begins on it, for tools that watch code
        which may have a watch itself. Each of these watches is added to `heirs`."""
        GUESTS.add(self)
        self._heirs = heirs

    def _may_take(self, loop: Any) -> bool:
        """Return whether a loop has no other watch, or only a guest, which leaves it now."""
        if loop not in LOOPS:
            return True
        owner = next((guest for guest in [*GUESTS] if loop in guest._loops), None)
        if owner is None or self in GUESTS:
            return False
        owner._detach(loop)
        if owner._heirs is not None and self not in owner._heirs:
            owner._heirs.append(self)
        return True

    def _attach(self, loop: Any) -> None:
        """Watch a loop; called in its thread. If that fails, nothing of it stays."""
        with TURN:
            if loop in self._loops:
                return
            try:
                refuse_green_threads()
            except RuntimeError as error:
                self._tell(loop, error)
                return
            self._begin()
            self._let_go(threading.get_ident())
            given = self.debug, self.trust_request_start, self.server_timing, self.records
            watched = WatchedLoop(loop, self.slow_callback_duration, *given)
            if (spans := self._exporters.spans()) is not None:
                watched.trace(spans.waited, spans.current)
            try:
                self._install(loop, watched)
            except Exception as error:
                self._roll_back(loop, watched)
                self._tell(loop, error)

    def _tell(self, loop: Any, why: Exception) -> None:
        """Say why a loop is not watched, once: an app asks again at each request."""
        if loop not in self._unwatched:
            with suppress(TypeError):  # no weak references to it
                self._unwatched.add(loop)
            say(logging.WARNING, UNWATCHED, why)

    def _install(self, loop: Any, watched: WatchedLoop) -> None:
        watched.install(lambda: self._detach(loop))
        watched.probe.entered = lambda: self._adopt(loop)
        given = watched.probe, watched.clocks, self._attend, self.native
        WATCHDOG.add(*given, self._reporter.budget)
        self._reporter.delivery.begin()
        self._waits.begin()
        self._loops = {**self._loops, loop: watched}
        LOOPS[loop] = watched
        watched.begin()

    def _roll_back(self, loop: Any, watched: WatchedLoop) -> None:
        WATCHDOG.remove(watched.probe)
        guarded(watched.uninstall)()
        self._remove(loop)
        if not self._loops:
            self._reporter.delivery.finish()
            self._waits.end()

    def _adopt(self, loop: Any) -> None:
        """A loop is about to run, on this thread."""
        with TURN:
            if loop in self._loops:
                self._loops[loop].probe.enter()
            elif not loop.is_closed() and not self.stopped and self._may_take(loop):
                self._attach(loop)

    @guarded
    def _detach(self, loop: Any) -> None:
        """Watch a loop no more; what it counted stays."""
        with TURN:
            watched = self._loops.get(loop)
            if watched is None:
                return
            watched.probe.cut()
            WATCHDOG.remove(watched.probe)
            watched.probe.glance()
            self._loop_time.collect([watched])
            self._reporter.explain([watched])
            self._forget(loop, watched)
        if not self._loops:
            self._waits.end()
        self._reporter.settle(all_of_them=not self._loops)
        self._reporter.delivery.ring() if self._loops else self._reporter.delivery.finish()
        self._exporters.flush()

    def _forget(self, loop: Any, watched: WatchedLoop) -> None:
        watched.waits.end_look({})
        totals = watched.totals(clock())
        watched.uninstall()
        if watched.flight is not None:
            watched.flight.land()
            self._flown = watched.flight
        past = self._past + totals
        self._remove(loop)
        self._past = past  # no call between these: they agree, for snapshots
        self._reporter.in_progress.forget(watched)

    def _remove(self, loop: Any) -> None:
        LOOPS.pop(loop, None) if loop in self._loops else None
        self._loops = {other: w for other, w in self._loops.items() if other is not loop}

    def _rest(self) -> None:
        """Before a full collection, on any thread: let go of all loops that rest."""
        if not any(watched.probe.rests() for watched in self._loops.values()) or not TURN.is_free():
            return
        try:
            settled = self._let_go()
        finally:
            TURN.__exit__()
        if settled is not None:
            settled.wait(SETTLED)

    def _let_go(self, thread: int | None = None) -> threading.Event | None:
        """Let go of the loops that rest, of all threads or of one. Returns what is set once the
        watchdog does not refer to them any more."""
        settled = None
        for loop, watched in list(self._loops.items()):
            if watched.probe.rests() and thread in (None, watched.state.thread_id):
                settled = WATCHDOG.remove(watched.probe, wait=False)
                self._reporter.collect([watched])
                self._loop_time.collect([watched])
                self._forget(loop, watched)
                self._reporter.delivery.ring()
                self._resting.add(Resting(loop, self._adopt))
        if settled is not None and not self._loops:
            self._waits.end(wait=False)
        return settled

    def _flights(self) -> list[Flight]:
        """Return the flight recorders of all watched loops; without one, that of the last."""
        known = [watched.flight for watched in self._loops.values()] or [self._flown]
        return [flight for flight in known if flight is not None]

    def slowest_request(self) -> float:
        """Return the latency, s, of the slowest request that was recorded since this was last
        called; 0.0 if there was none."""
        return max((flight.slowest() for flight in self._flights()), default=0.0)

    def _stop_loops(self) -> None:
        for loop in list(self._loops):
            self._detach(loop)
        for resting in list(self._resting):
            resting.put_back()
        self._resting.clear()
        self._waits.end()

    def _abandon_loops(self) -> None:
        """In a forked child the loops are the parent's."""
        for loop, watched in self._loops.items():
            watched.abandon()
            LOOPS.pop(loop, None)
        self._loops, self._flown = {}, None

    def _attend(self) -> float | None:
        """What the watchdog does at each look: nothing that may take long."""
        loops = self._loops.values()
        for watched in loops:
            watched.threads.glance()
        self._loop_time.collect(loops)
        self._waits.stir()
        return self._reporter.attend(loops, clock(), self._exporters.due_in())

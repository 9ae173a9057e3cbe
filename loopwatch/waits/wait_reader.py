"""The thread that looks at where requests wait: when it looks, at how many, and what it counts.

Theory: time is divided into intervals, each as long as was decided before it began, and one look is
taken at a random moment of each. A request that is suspended at that moment counts with the length
of the interval. So the sums are right on average, whatever the lengths: a wait that is shorter than
an interval is seen seldom, and counts the more. If there are many tasks, a random choice of them is
looked at, and each stands for several.

An interval is `QUICK` while there are requests, and longer if looks cost more than `SHARE` of a
core. It is `IDLE` at first, and if there was no request for a while; the watchdog rings as soon as
it sees that one has begun. A look ends such an interval, and counts a request with its age at most.
The thread pauses within a look, so that the loop has its turn. A look that came late is left out,
since somebody has held the interpreter: who waited then was stalled. So is one while less than half
of what the CPU budget can save up is left: stalls come first. The next look stands for the time
that was left out as well, `OWED` at most: else a busy machine would tell of half of the waiting,
and of one place less than of another. After more than `QUICK` it too counts a request with its age
at most. Looks that were too dear, and late ones beyond `OWED`, are counted as skipped.
"""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from loopwatch.core.breath import begin_to_pause, breathe, give_way
from loopwatch.core.cpu_budget import CpuBudget
from loopwatch.core.gil_turns import FOR_WAITS, want_no_turns
from loopwatch.core.guard import log_once
from loopwatch.core.known_tasks import references_of
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.record_types import NONE
from loopwatch.core.request import Request, requests_begun
from loopwatch.core.rest import rest
from loopwatch.explain.site import SiteRules
from loopwatch.ledger.wait_table import WaitKey
from loopwatch.loop.loop_state import clock
from loopwatch.waits.holders import Holders
from loopwatch.waits.look import Look, Looked
from loopwatch.waits.serial_awaits import SerialAwaits

QUICK = 0.1  # s of an interval
IDLE = 60.0  # s of one while there are none, and none begins
LONGEST = 5.0  # s of one with requests, at most, whatever looks cost
CALM = 20  # looks without a request, in flight or ended, after which it is idle
SHARE = 0.008  # of a core that looks may use
TASKS = 24  # looked at, of all
LATE = 0.05  # s after which a look is left out
OWED = 1.0  # s without a look, at most, for which the next one stands
UNROUTED = 1024  # waits of requests without a route so far, kept until they have one
RINGS = 64  # of the bell, heard at once
PATIENCE = 60.0  # s for which they are
FAREWELL = 1.0  # s that `end` waits for a look
LOOK, END = b"l", b"e"  # what the bell says

Loops = Callable[[], Mapping[Any, Looked]]
Unrouted = tuple[float, Looked, Request, WaitKey, float]  # since when; clock, s


class WaitReader:
    """Looks at the loops that `loops` returns, on a thread of its own while it has begun."""

    def __init__(self, loops: Loops, rules: SiteRules, budget: CpuBudget | None = None) -> None:
        self._loops, self._rules, self.budget = loops, rules, budget or CpuBudget()
        self.skipped = 0  # looks
        self._seconds = 0.0  # CPU time, of threads that have ended
        self._turn: WaitTurn | None = None
        self._ending: WeakSet[WaitTurn] = WeakSet()  # told to end, not waited for
        self._lock = threading.RLock()  # a signal handler may stop a watch

    def seconds(self) -> float:
        """Return the CPU time of all looks, s."""
        turn = self._turn
        return self._seconds + (turn.seconds if turn is not None else 0.0)

    def begin(self) -> None:
        """Start the thread, unless it runs. Raises RuntimeError if there may be no more of them."""
        with self._lock:
            if self._turn is None:
                turn = WaitTurn(self)
                turn.start()
                self._turn = turn

    def end(self, wait: bool = True) -> None:
        """End the thread; `wait` for it, and for those that were not waited for."""
        with self._lock:
            turn, self._turn = self._turn, None
        if turn is not None:
            turn.ring(END)
            self._ending.add(turn)
        for ending in [*self._ending] if wait else ():
            if ending.thread is not threading.current_thread():
                ending.thread.join(FAREWELL)
        self._seconds += turn.seconds if turn is not None else 0.0

    def stir(self) -> None:
        """End an idle interval if a request has begun; the watchdog's thread asks now and then."""
        turn = self._turn
        if turn is not None and turn.idle and turn.begun != requests_begun():
            turn.ring(LOOK)

    def may_look(self, late: bool, lost: bool = False) -> bool:
        """Return whether a look may be taken now; count it as skipped if it is too dear, or late
        and its time is `lost`: no later look stands for that."""
        dear = not late and not self.budget.has_plenty()
        self.skipped += dear or (late and lost)
        return not late and not dear

    def look(self, turn: WaitTurn, weight: float, idle: bool = False) -> int:
        """Look once; each request counts with so many s, after an `idle` time with its age at most.
        Return how many requests in flight were seen."""
        loops = self._loops()
        references = references_of([*loops])
        chosen = references
        if len(references) > TASKS:
            chosen = random.sample(references, TASKS)
        scale = len(references) / max(1, len(chosen))
        look = Look(loops, self._rules, turn.serial, weight, scale, idle)
        for reference in chosen:
            look.visit(reference)
            breathe()
        for reference in set(turn.holders.tasks).difference(chosen):
            look.visit(reference, counts=False)
            breathe()
        look.end(turn.holders)
        turn.keep(look)
        return look.requests

    def states(self) -> tuple[Any, ...]:
        """Return the states of the loops that run."""
        probes = [looked.probe for looked in [*self._loops().values()]]
        return tuple(probe.state for probe in probes if probe.loop.is_running())

    def ended(self) -> float:
        """Return what grows with each request that ends."""
        return sum(looked.requests.time() for looked in self._loops().values())


class WaitTurn:
    """One thread, and what it remembers between two looks."""

    def __init__(self, reader: WaitReader) -> None:
        self._reader = reader
        self.thread = OwnThread(self._run, "loopwatch-waits")
        self.seconds = 0.0  # CPU time
        self.serial, self.holders = SerialAwaits(), Holders()
        self._unrouted: deque[Unrouted] = deque(maxlen=UNROUTED)
        self._calm = CALM  # looks in a row without a request
        self._ended = 0.0
        self._interval = IDLE
        self._began = clock()  # of the interval
        self.idle = True
        self.begun = 0  # requests, as of the last look
        self._owed = 0.0  # s that no look has stood for

    def start(self) -> None:
        """Start the thread. Raises RuntimeError if there may be no more of them."""
        self._bell, self._ringer = socket.socketpair()
        self._ringer.setblocking(False)
        try:
            self.thread.start()
        except BaseException:
            self._close()
            raise

    def ring(self, what: bytes) -> None:
        """Have the thread look at once, or end."""
        with suppress(OSError):  # it has ended, or has been rung often
            self._ringer.send(what)

    def _run(self) -> None:
        try:
            self._look_again_and_again()
        finally:
            want_no_turns(FOR_WAITS)
            self._close()

    def _close(self) -> None:
        self._bell.close()
        self._ringer.close()

    def _look_again_and_again(self) -> None:
        while not self._rest(due := self._began + random.random() * self._interval):
            before = self.seconds
            self._look(late=clock() - due > LATE)
            self.seconds = time.thread_time()
            self._end_interval(self.seconds - before)

    def _look(self, late: bool) -> None:
        begin_to_pause()  # a short look needs no pause
        weight = self._owed + (clock() - self._began if self.idle else self._interval)
        self._owed, owed = min(OWED, weight), self._owed
        try:
            self.begun = requests_begun()
            if self._reader.may_look(late, lost=not self.idle and weight > OWED):
                self._owed = 0.0
                self.note(self._reader.look(self, weight, self.idle or owed > QUICK))
        except Exception:
            log_once("loopwatch.waits.wait_reader")

    def _end_interval(self, cost: float) -> None:
        """Begin the next interval, after a look that took `cost` s of CPU time."""
        now = clock()
        ended = now if self.idle else self._began + self._interval
        self._owed = min(OWED, self._owed + max(0.0, now - ended))
        self._began = max(ended, now)
        self._interval = self.next(cost)

    def _rest(self, until: float) -> bool:
        """Sleep; return whether the thread is to end."""
        bell, seconds = self._bell.fileno(), until - clock()
        rung, waited = rest(FOR_WAITS, bell, seconds, self._reader.states())
        give_way(waited)
        return rung and END in self._bell.recv(RINGS)

    def note(self, requests: int) -> None:
        """Note how many requests in flight a look has seen."""
        before, self._ended = self._ended, self._reader.ended()
        self._calm = 0 if requests or self._ended != before else self._calm + 1

    def next(self, cost: float) -> float:
        """Return the length of the next interval, after a look that took `cost` s of CPU time."""
        self.idle = self._calm >= CALM
        return IDLE if self.idle else min(LONGEST, max(QUICK, cost / SHARE))

    def keep(self, look: Look) -> None:
        """Keep the waits of requests without a route until they have one, or have ended."""
        now = clock()
        self._unrouted.extend((now, *each) for each in look.unrouted)
        waiting, self._unrouted = self._unrouted, deque(maxlen=UNROUTED)
        for each in waiting:
            if not count_routed(each, now):
                self._unrouted.append(each)


def count_routed(waiting: Unrouted, now: float) -> bool:
    """Count a wait if its request has a route by now, or has ended; return whether it was done."""
    since, looked, request, key, seconds = waiting
    route = request.row.route if request.scope is None else None
    if request.scope is not None and now - since < PATIENCE:
        return False
    looked.waits.row(key._replace(route=route or NONE)).add(seconds)
    return True

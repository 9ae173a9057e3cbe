"""The delivery of stalls to instruments, on a thread of its own, whatever those do.

Rule: the watchdog never waits for an instrument, and instruments do not wait for each other for
longer than `PATIENCE`. Explaining a stall, writing files and logging take as long as they take, and
a watchdog that did it would not see the next stall.

Each thread that delivers is a `Shift`. If an instrument has not returned after `PATIENCE`, its
shift is over, and another one goes on with the next instrument. The one that hangs gets nothing
until it returns, which is counted; after `HANGS` times it is removed. So there is at most one
thread for each instrument. One that raises is removed at once. Our own log is treated alike.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from functools import partial
from queue import SimpleQueue
from typing import Any
from weakref import WeakSet

from loopwatch.core.gil_turns import FOR_DELIVERY, want_no_turns, want_turns
from loopwatch.core.guard import guarded, log_once, say
from loopwatch.core.holds import Hold, Linking
from loopwatch.core.own_thread import OwnThread
from loopwatch.core.record_types import Instrument, Stall
from loopwatch.loop.loop_state import clock

PATIENCE = 2.0  # s that one instrument may take for one stall
HANGS = 3  # of an instrument, after which it is removed
TURNS = 4  # of whoever waits for the end: in each, one that hangs is left behind
ENDING = 2.0  # s that whoever stops a watch waits for the instruments
UNDELIVERED = 1024  # stalls; more are dropped and counted


class Parcel:
    """A stall, the method that takes it, and who has not been given it."""

    def __init__(self, stall: Stall, hold: Hold | None, method: str) -> None:
        self.stall, self.hold, self.method = stall, hold, method
        self.left: deque[Instrument] | None = None  # nobody has been asked yet


class Shift:
    """What one thread does, until it is over. `bell` says when; False on it ends the shift."""

    def __init__(self, bell: SimpleQueue[bool], hangs: Any = None) -> None:
        self.bell, self.hangs = bell, hangs
        self.over = False
        self.calling: Any = None  # an instrument, or `say`
        self.since = 0.0  # clock, s
        self.seconds = 0.0  # CPU time of the thread
        self.thread: threading.Thread | None = None


class Delivery:
    """Delivers stalls to instruments. `prepare` is called before each round, on the same thread."""

    def __init__(self, instruments: Iterable[Instrument], prepare: Callable[[], None]) -> None:
        self.instruments = tuple(instruments)
        self.lost, self.removed = 0, 0  # stalls that an instrument did not get; instruments
        self._prepare = prepare
        self._parcels: deque[Parcel] = deque()
        self._bell: SimpleQueue[bool] = SimpleQueue()
        self._waiting: deque[threading.Event] = deque()  # of those who wait for the end
        self._lock = threading.RLock()  # held for the change of shifts, never over a call
        self._shift: Shift | None = None
        self._threads: WeakSet[threading.Thread] = WeakSet()  # of all shifts
        self._hanging: set[int] = set()  # ids of what does not return
        self._hangs: Counter[int] = Counter()
        self._seconds = 0.0  # CPU time of the shifts before

    @property
    def seconds(self) -> float:
        """Return the CPU time of all shifts, s."""
        shift = self._shift
        return self._seconds + (shift.seconds if shift is not None else 0.0)

    def __bool__(self) -> bool:
        """Whether anything waits to be delivered."""
        return bool(self._parcels)

    def is_here(self) -> bool:
        """Whether this is a thread that delivers."""
        return threading.current_thread() in self._threads

    def note_time(self) -> bool:
        """Take the time of the thread that delivers, if this is it; return whether it is."""
        shift = self._shift
        if shift is None or shift.thread is not threading.current_thread():
            return self.is_here()
        shift.seconds = time.thread_time()
        return True

    def add(self, instrument: Instrument) -> None:
        """Deliver to it as well; TypeError if it has no `stalled`."""
        if not callable(getattr(instrument, "stalled", None)):
            raise TypeError(
                f"an instrument must have a method stalled(stall), got {instrument!r}; "
                "see loopwatch.records.Instrument"
            )
        if not any(i is instrument for i in self.instruments):
            self.instruments = (*self.instruments, instrument)

    def remove(self, instrument: Instrument) -> None:
        """Deliver to it no more; nothing happens if it was not there."""
        self.instruments = tuple(i for i in self.instruments if i is not instrument)

    def put(self, stall: Stall, hold: Hold | None, method: str = "stalled") -> None:
        """Have a stall delivered in the next round, to the instruments that have the method."""
        if len(self._parcels) < UNDELIVERED:
            self._parcels.append(Parcel(stall, hold, method))
        else:
            self.lost += 1

    def begin(self) -> None:
        """Start the thread, if there is none."""
        with self._lock:
            if self._shift is None:
                self._start()

    def _start(self, hangs: Any = None) -> None:
        shift = Shift(self._bell, hangs)
        shift.thread = OwnThread(self._run, "loopwatch-delivery", shift)
        try:
            self._threads.add(shift.thread)
            shift.thread.start()
        except RuntimeError:  # the process may have no more threads
            log_once("loopwatch.watch.delivery")
        else:
            self._shift = shift

    def ring(self) -> None:
        """Begin a round: there may be something to prepare or to deliver."""
        if self._shift is not None:
            want_turns(FOR_DELIVERY)
            self._bell.put(True)

    def supervise(self, now: float, patience: float = PATIENCE) -> float | None:
        """Change the shift if what it calls hangs; return when to ask again, s, if ever."""
        shift = self._shift
        if shift is None or (called := shift.calling) is None:
            return None
        if now - shift.since >= patience:
            with self._lock:
                if shift is self._shift and shift.calling is called:
                    self._relieve(shift, called)
        return patience

    def _relieve(self, shift: Shift, called: Any) -> None:
        shift.over = True
        self._seconds += shift.seconds
        self._hanging.add(id(called))
        self._hangs[id(called)] += 1
        self._shift = None
        self._start(called)
        self.ring()

    def finish(self, within: float = ENDING) -> None:
        """Deliver everything and end the thread; wait for so many s at most.

        What hangs for a part of that time keeps nothing from the others. An instrument that calls
        this does not wait: what is left is delivered once it has returned.
        """
        if self.is_here():
            with self._lock:
                self._end_shift(done=True)
            return
        if self._shift is None and not self._parcels:
            return
        self.begin()
        done = self._wait_until_done(within / TURNS)
        with self._lock:
            thread = self._end_shift(done)
        if done and thread is not None:
            thread.join(within)

    def _wait_until_done(self, patience: float) -> bool:
        done = threading.Event()
        self._waiting.append(done)
        self.ring()
        for _ in range(TURNS):
            if done.wait(patience):
                return True
            self.supervise(clock(), patience)
        return False

    def _end_shift(self, done: bool) -> threading.Thread | None:
        """Have the thread end, and return it; what it has not delivered is lost."""
        shift, self._shift = self._shift, None
        if shift is None:
            return None
        self._seconds += shift.seconds
        self._bell.put(False)
        self._bell = SimpleQueue()
        if not done:
            shift.over = True
            self.lost += len(self._parcels)
            self._parcels.clear()
        return shift.thread

    def _run(self, shift: Shift) -> None:
        if shift.hangs is not None:
            self._say(shift, "%s does not return; stalls go to the others meanwhile", shift.hangs)
            shift.hangs = None
        while not shift.over and shift.bell.get():
            waiting = [*self._waiting]
            self._guarded_prepare()
            self._deliver(shift)
            shift.seconds = time.thread_time()
            if not shift.over and shift.bell.empty():
                want_no_turns(FOR_DELIVERY)
            if not shift.over:
                self._be_done(waiting)

    def _be_done(self, waiting: list[threading.Event]) -> None:
        for event in waiting:
            self._waiting.remove(event)
            event.set()

    @guarded
    def _guarded_prepare(self) -> None:
        self._prepare()

    def _deliver(self, shift: Shift) -> None:
        while self._parcels and not shift.over:
            parcel = self._parcels[0]
            if parcel.left is None:
                parcel.left = deque(self.instruments)
            while parcel.left and not shift.over:
                self._give(shift, parcel, parcel.left.popleft())
            if self._is_delivered(shift) and parcel.hold is not None:
                parcel.hold.context = None  # what it keeps is the app's

    def _is_delivered(self, shift: Shift) -> bool:
        """Strike the first parcel off, unless another shift has it by now."""
        with self._lock:
            if not shift.over:
                self._parcels.popleft()
            return not shift.over

    def _give(self, shift: Shift, parcel: Parcel, instrument: Instrument) -> None:
        if id(instrument) in self._hanging:
            self.lost += 1
        elif parcel.method == "stalled" and isinstance(instrument, Linking):
            self._call(shift, instrument, instrument.stalled_by, parcel.stall, parcel.hold)
        elif (method := getattr(instrument, parcel.method, None)) is not None:
            self._call(shift, instrument, method, parcel.stall)

    def _call(self, shift: Shift, called: Any, function: Callable[..., Any], *args: Any) -> None:
        raised: BaseException | None = None
        shift.since, shift.calling = clock(), called
        try:
            function(*args)
        except BaseException as error:  # SystemExit as well: this thread is ours
            raised = error
        with self._lock:
            shift.calling = None
            self._hanging.discard(id(called))
        if raised is not None:
            self._remove(shift, called, "instrument %s raised and was removed", raised)
        elif self._hangs[id(called)] >= HANGS:
            self._remove(shift, called, "instrument %s was too slow too often and was removed")

    def _remove(
        self, shift: Shift, instrument: Any, why: str, error: BaseException | None = None
    ) -> None:
        self.remove(instrument)
        self.removed += 1
        del self._hangs[id(instrument)]
        self._say(shift, why, instrument, error)

    def _say(self, shift: Shift, text: str, what: Any, error: BaseException | None = None) -> None:
        if id(say) not in self._hanging:
            self._call(shift, say, partial(say_of, text, what, error))


def say_of(text: str, what: Any, error: BaseException | None) -> None:
    """Log what is wrong with an instrument; its `repr` is its own code, as the rest of it is."""
    try:
        name = repr(what)
    except Exception:
        name = object.__repr__(what)
    say(logging.ERROR, text, name, exc_info=error)

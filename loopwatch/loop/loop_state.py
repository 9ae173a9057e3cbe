"""The numbers that one watched loop's thread owns.

Rule: only the loop's thread writes here; any thread may read. Every write is one attribute store,
so a reader that has the GIL sees the old value or the new one. `mark` is the moment at which the
step in progress began. While it stays the same, the loop has not moved: a stack sample counts only
if `mark` is the same before and after it.

A fast step adds to numbers. A step of `limit` or more goes into a histogram (its request's, or by
`long_step`). If it was slow, `judge` puts one `Slow` into `pending`. The delivery thread explains
it: the loop's thread looks up no source and writes no log.
"""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from contextvars import Context
from types import CodeType
from typing import TYPE_CHECKING, Any

from loopwatch.core.evidence import Part, Sample, Slow
from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.core.request import Request
from loopwatch.core.speedups import speedups
from loopwatch.loop.busy_ticks import BusyTick
from loopwatch.loop.victim_search import SLACK, WAITED, Position, VictimSearch

LONG = SECONDS_EDGES[0]  # s: shorter steps are only counted
BUSY_TICK = 100  # callbacks ready at once from which every step of the tick goes the slow way
PENDING = 1024  # slow callbacks kept until collected; further ones are dropped and counted
SAMPLES = 64  # stack samples kept until explained
BEHIND = 0.05  # of the threshold: a tick or step this long makes requests wait in their sockets

clock = time.perf_counter


if TYPE_CHECKING or speedups is None:

    class LoopStateNumbers:
        """The numbers that are read and written at every step."""

        __slots__ = (
            *("ask", "behind", "busy_since", "closed", "driven", "eager", "entered", "idle"),
            *("idle_before", "limit", "long_tick", "mark", "other_seconds", "other_steps"),
            *("poll", "polling", "ready", "recorder", "running", "soons", "span", "threshold"),
            *("tick", "tick_counts", "tick_squares", "tick_sums"),
            *("known_rows", "lost_samples", "main", "sampled", "sampling", "thread_id", "turns"),
        )

        mark: float  # when the step in progress began; between steps, when the last one ended
        tick: float  # when the tick in progress began; within a poll, when the poll began
        idle: float  # s in polls
        turns: int  # ticks that have ended
        limit: float  # s from which a step goes the slow way
        threshold: float  # s from which it is slow
        behind: float  # a request that begins before then may have waited in its socket; clock, s
        busy_since: float  # when the loop's latest busy time began
        idle_before: float  # s in polls, as of then
        other_seconds: float  # s of `other_steps`
        other_steps: int  # short steps of plain callbacks that no request owns
        ready: int  # callbacks scheduled that have not run yet, where that is known
        polling: bool
        eager: bool  # tasks may begin within another task's step
        closed: bool  # the loop is not watched any more
        ask: float  # a step that begins after this must check whether its tick has ended; clock, s
        running: Any  # the handle whose step is in progress, None between two steps
        entered: Request | None  # the request that began in this step
        driven: Any  # the app's coroutine that compiled code runs now; in Python always None
        recorder: Any  # the flight recorder of the loop; None: nothing is recorded
        poll: Any  # the LibuvPoll of a uvloop loop; None on other loops
        soons: Any  # what has replaced `call_soon` on a loop that is timed by it
        long_tick: Callable[[float], None]
        span: Callable[[], tuple[str, str] | None] | None  # returns the current span's ids
        tick_counts: list[int]  # ticks by bucket of their duration
        tick_sums: list[float]
        tick_squares: list[float]
        thread_id: int
        main: bool  # it runs on the main thread
        sampled: bool  # samples of where its time goes are wanted
        sampling: float  # s that taking these has cost its thread
        known_rows: dict[int, tuple[Any, Any]] | None  # id of a coroutine's code: that, its row
        lost_samples: int  # moments for whose sample there was no room

        def __init__(self) -> None:
            self.ask = self.idle = self.behind = self.busy_since = self.idle_before = 0.0
            self.other_steps, self.other_seconds = 0, 0.0
            self.turns = self.ready = self.thread_id = self.lost_samples = 0
            self.main = self.sampled = False
            self.sampling = 0.0
            self.polling = self.eager = self.closed = False
            self.known_rows = None
            self.recorder = self.entered = self.running = self.span = self.poll = self.soons = (
                self.driven
            ) = None
            self.tick_counts = [0] * (len(SECONDS_EDGES) + 1)
            self.tick_sums = [0.0] * (len(SECONDS_EDGES) + 1)
            self.tick_squares = [0.0] * (len(SECONDS_EDGES) + 1)

        def count_tick(self, took: float) -> None:
            """File a tick that was busy for `took` seconds."""
            bucket = bisect_left(SECONDS_EDGES, took)
            self.tick_counts[bucket] += 1
            self.tick_sums[bucket] += took
            self.tick_squares[bucket] += took * took

        def fall_behind(self, took: float) -> None:
            """Note that the loop was busy for the last `took` seconds: requests that arrived
            meanwhile have waited in their sockets."""
            least = self.threshold * BEHIND
            if took < least:
                return
            self.behind = max(self.behind, self.mark + took + least)
            if self.idle - self.idle_before > WAITED:
                self.busy_since, self.idle_before = self.mark - took, self.idle

        def position(self, now: float) -> tuple[int, float, float | None]:
            """Return turns, s idle until now, and since when the tick in progress has been busy
            (clock, s), None while the loop waits in its poll."""
            if self.poll is not None:
                read: tuple[int, float, float | None] = self.poll.read(now)
                return read
            turns, idle, tick, polling = self.turns, self.idle, self.tick, self.polling
            if not polling:  # no call between these reads, so no thread switch
                return turns, idle, tick
            return turns, idle + max(0.0, now - tick), None

        def take_notes(self) -> list[tuple[Any, Any, Any, float]]:
            """Return this tick's long steps that only the C code has noted: none here."""
            return []

        def take_samples(self) -> list[tuple[int, float, Any, int, list[Any]]]:
            """Return samples of where the loop's time went: in Python the watchdog takes them."""
            return []

else:
    LoopStateNumbers = speedups.LoopStateNumbers


class LoopState(LoopStateNumbers):
    """What the probe of one loop writes and the watchdog reads. Times are clock, s."""

    __slots__ = (
        *(
            "victim_search",
            "cpu_clock",
            "busy_tick",
            "dropped",
            "installed",
            "judged",
            "left",
            "long_step",
            "loop",
        ),
        *("many_steps", "native_id", "pending", "samples", "task_row", "thread_name"),
        "unseen",
    )

    def __init__(
        self,
        loop: Any,
        threshold: float,
        long_step: Callable[[Any, float], None],
        many_steps: Callable[[Request], None],
        task_row: Callable[[Any], Any],
        known_rows: dict[int, tuple[Any, Any]] | None = None,
    ) -> None:
        super().__init__()
        self.known_rows = known_rows
        self.loop = loop
        self.threshold = threshold
        self.long_step, self.many_steps, self.task_row = long_step, many_steps, task_row
        self.installed = self.mark = self.tick = clock()
        self.limit = LONG
        self.victim_search = VictimSearch(self._position, self._sampled_context)
        self.busy_tick = BusyTick()
        self.judged = 0.0  # the end of the last slow callback
        self.dropped = 0
        self.unseen = 0.0, 0.0  # when the watchdog last left out stack samples, for their cost
        self.left: Request | None = None  # the latest that has ended and left its context
        self.pending: deque[Slow] = deque()
        self.samples: deque[Sample] = deque(maxlen=SAMPLES)
        self.long_tick = self.end_long_tick
        self.here()

    def begin(self) -> None:
        """Start judging now: what has run so far was loopwatch's own start."""
        self.mark = self.tick = clock()

    def here(self) -> None:
        """Take the calling thread as the loop's own."""
        thread = threading.current_thread()
        self.thread_id, self.thread_name = thread.ident or 0, thread.name
        self.native_id = thread.native_id or 0
        self.main = thread is threading.main_thread()
        self.cpu_clock = cpu_clock()

    def end_long_tick(self, took: float) -> None:
        """End a tick that was slow or follows a slow one; judge it if none of its steps was."""
        self.limit = LONG
        if took >= self.threshold and self.judged <= self.tick:
            self.judge_busy_tick(self.tick, took)
        self.busy_tick.clear()
        if self.victim_search.active:
            self.victim_search.tick()
            self.limit = 0.0

    def judge(
        self,
        started: float,
        duration: float,
        request: Request | None = None,
        coroutine: str | None = None,
        context: Context | None = None,
        code: CodeType | None = None,
    ) -> None:
        """Queue one slow callback for its explanation; `started` is clock, `duration` s."""
        self.judged = started + duration
        copied = context.copy() if context is not None else None
        slow = self.slow(started, duration)
        slow.request, slow.coroutine, slow.context, slow.code = request, coroutine, copied, code
        self.put(slow)

    def judge_busy_tick(self, started: float, duration: float) -> None:
        """Queue a slow tick of many steps, none of which was slow, for its explanation; unless it
        worked off what had waited for a hold just before."""
        self.judged = started + duration
        if self.busy_tick.is_aftermath(duration) and self.victim_search.prolong(self.judged):
            return
        slow = self.slow(started, duration)
        slow.parts = self.busy_tick.parts(self.take_notes()) or (Part(None, None, None, duration),)
        busiest = slow.parts[0]
        slow.request, slow.coroutine, slow.code = busiest.request, busiest.coroutine, busiest.code
        self.put(slow)

    def slow(self, started: float, duration: float) -> Slow:
        """Return a `Slow` with the fields that every slow callback of this loop has."""
        return Slow(
            started, duration, self.thread_name, self.threshold, self.thread_id, cpu=self.cpu()
        )

    def put(self, slow: Slow) -> None:
        """Keep a slow callback until it is collected; without room, count it as dropped."""
        if threading.get_ident() == self.thread_id:
            slow.hold = self.victim_search.begin(
                slow.started, slow.ended, slow.request, busy_tick=bool(slow.parts)
            )
            self.limit = 0.0
        else:
            slow.hold = self.victim_search.match(slow.started, slow.ended)
        slow.hold.context = slow.hold.context or slow.context
        if len(self.pending) < PENDING:
            self.pending.append(slow)
        else:
            self.dropped += 1

    def believable(self, request: Request, queued: float) -> float:
        """Return for how long (s) a request whose bytes are `queued` s old can have been in its
        socket. A loop that waits in its poll reads bytes at once, so the rest was spent between
        the server and us."""
        if self.idle - self.idle_before > WAITED:
            return 0.0
        return min(queued, max(0.0, request.started - self.busy_since + SLACK))

    def _position(self) -> Position:
        now = clock()
        turns, idle, since = self.position(now)
        return Position(turns, idle, now if since is None else since)

    def _sampled_context(self, started: float, ended: float) -> Context | None:
        shown = (s.context for s in reversed([*self.samples]) if started <= s.at <= ended)
        return next((context for context in shown if context is not None), None)

    def cpu(self) -> float:
        """Return the loop thread's CPU seconds so far; 0.0 where they cannot be read."""
        return cpu_seconds(self.cpu_clock)


def cpu_clock() -> int | None:
    """Return the calling thread's CPU clock; asking for that of an ended thread may crash."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return None
    return time.pthread_getcpuclockid(threading.get_ident())


def cpu_seconds(of: int | None) -> float:
    """Return the CPU seconds of a clock; 0.0 if there is none or its thread has ended."""
    try:
        return time.clock_gettime(of) if of is not None else 0.0
    except OSError:
        return 0.0

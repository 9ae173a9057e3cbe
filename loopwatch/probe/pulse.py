"""The numbers one watched loop's thread owns.

Rule: only the loop's thread writes here; any thread may read. Every write is one attribute store,
so a reader under the GIL sees old or new, never half. `mark`, the end of the last step, is the
proof of movement: a photograph counts only if it is the same before and after.

Two speeds. A fast step adds to numbers. A step of `limit` or more is noted for a histogram (by its
request, or by `long_step`), and if it was slow `judge` puts one `Slow` into `pending`, which the
watchdog's thread explains: the loop's thread looks up no source and writes no log.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from types import CodeType
from typing import TYPE_CHECKING, Any

from loopwatch.evidence import Part, Sample, Slow
from loopwatch.probe.aftermath import Aftermath
from loopwatch.probe.crowd import Crowd
from loopwatch.request import Request
from loopwatch.speedups import speedups

LONG = 0.001  # s: the first edge of the histograms; below it a step is only counted
CROWD = 100  # callbacks ready at once: from there on every step of the tick goes the slow way
MANY = 256  # long steps kept in a request before its row takes them
PENDING = 1024  # slow callbacks kept for explaining; more are dropped and counted
SAMPLES = 64  # photographs kept until explained
BEHIND = 0.05  # of the threshold: a tick or step as long makes requests wait in their sockets

clock = time.perf_counter


if TYPE_CHECKING or speedups is None:

    class PulseNumbers:
        """What the code that runs at every step reads and writes."""

        __slots__ = (
            "behind",
            "drives",
            "entered",
            "idle",
            "limit",
            "long_tick",
            "mark",
            "other_seconds",
            "other_steps",
            "polling",
            "span",
            "tick",
            "turn",
        )

        mark: float  # when the step in progress began
        tick: float  # when the tick in progress began
        idle: float  # s in polls
        limit: float  # s from which a step goes the slow way
        behind: float  # until then a request that begins may have waited in its socket; clock, s
        drives: bool  # requests are driven, so a step is a request's only if it has the `turn`
        other_seconds: float  # of the next
        other_steps: int  # short ones of plain callbacks that no request owns
        polling: bool
        entered: Request | None  # the request that began in this step
        turn: Request | None  # the request whose driven step is running
        long_tick: Callable[[float], None]
        span: Callable[[], tuple[str, str] | None] | None  # ids of the current one, if it is kept

else:
    PulseNumbers = speedups.PulseNumbers


class Pulse(PulseNumbers):
    """What the probes write and the watchdog reads, for one loop. Times are clock, s."""

    __slots__ = (
        "aftermath",
        "cpu_clock",
        "crowd",
        "dropped",
        "eager",
        "filed",
        "installed",
        "judged",
        "long_step",
        "loop",
        "many_steps",
        "native_id",
        "pending",
        "samples",
        "task_row",
        "thread_id",
        "thread_name",
        "threshold",
    )

    def __init__(
        self,
        loop: Any,
        threshold: float,
        long_step: Callable[[Any, float], None],
        many_steps: Callable[[Request], None],
        long_tick: Callable[[float], None],
        task_row: Callable[[Any], Any],
    ) -> None:
        self.loop = loop
        self.threshold = threshold
        self.long_step, self.many_steps = long_step, many_steps
        self.long_tick, self.task_row = long_tick, task_row
        self.installed = self.mark = self.tick = clock()
        self.idle = self.behind = 0.0
        self.limit = LONG
        self.drives = False
        self.aftermath = Aftermath(threshold)
        self.judged = 0.0  # the end of the last slow callback
        self.filed = 0.0  # s in driven steps that were filed as ticks
        self.other_steps, self.other_seconds = 0, 0.0
        self.dropped = 0
        self.polling = False
        self.eager = False  # tasks may begin inside others' steps
        self.entered = self.turn = self.span = None
        self.aftermath.context = self._photographed_context
        self.crowd = Crowd()
        self.pending: deque[Slow] = deque()
        self.samples: deque[Sample] = deque(maxlen=SAMPLES)
        self.here()

    def here(self) -> None:
        """Take the calling thread as the loop's own."""
        thread = threading.current_thread()
        self.thread_id, self.thread_name = thread.ident or 0, thread.name
        self.native_id = thread.native_id or 0
        self.cpu_clock = cpu_clock()

    def judge(
        self,
        started: float,
        duration: float,
        request: Request | None = None,
        coroutine: str | None = None,
        context: Context | None = None,
        code: CodeType | None = None,
    ) -> None:
        """Put one slow callback up for explaining."""
        self.judged = started + duration
        copied = context.copy() if context is not None else None
        slow = self.slow(started, duration)
        slow.request, slow.coroutine, slow.context, slow.code = request, coroutine, copied, code
        self.put(slow)

    def judge_crowd(self, started: float, duration: float) -> None:
        """Put a tick up for explaining in which many steps took part and none was slow."""
        self.judged = started + duration
        slow = self.slow(started, duration)
        slow.parts = self.crowd.parts() or (Part(None, None, None, duration),)
        self.put(slow)

    def slow(self, started: float, duration: float) -> Slow:
        """Return what every slow callback of this loop has, as it ends."""
        return Slow(
            started, duration, self.thread_name, self.threshold, self.thread_id, cpu=self.cpu()
        )

    def put(self, slow: Slow) -> None:
        """Keep a slow callback until it is explained, if there is room."""
        if threading.get_ident() == self.thread_id:
            slow.hold = self.aftermath.begin(
                slow.started, slow.ended, slow.request, crowd=bool(slow.parts)
            )
            self.limit = 0.0
        else:
            slow.hold = self.aftermath.match(slow.started, slow.ended)
        slow.hold.context = slow.hold.context or slow.context
        if len(self.pending) < PENDING:
            self.pending.append(slow)
        else:
            self.dropped += 1

    def _photographed_context(self, started: float, ended: float) -> Context | None:
        shown = (s.context for s in reversed([*self.samples]) if started <= s.at <= ended)
        return next((context for context in shown if context is not None), None)

    def fall_behind(self, took: float) -> None:
        """The loop was busy for so long until now: what came meanwhile has waited."""
        least = self.threshold * BEHIND
        if took >= least:
            self.behind = max(self.behind, self.mark + took + least)
            self.aftermath.busy(self.mark - took)

    def cpu(self) -> float:
        """Return the loop thread's CPU seconds so far; 0.0 where that cannot be read."""
        return cpu_seconds(self.cpu_clock)


def cpu_clock() -> int | None:
    """Return the calling thread's CPU clock: asked of an ended thread it may crash."""
    if not hasattr(time, "pthread_getcpuclockid"):
        return None
    return time.pthread_getcpuclockid(threading.get_ident())


def cpu_seconds(of: int | None) -> float:
    """Return what a CPU clock says; 0.0 where there is none or its thread has ended."""
    try:
        return time.clock_gettime(of) if of is not None else 0.0
    except OSError:
        return 0.0

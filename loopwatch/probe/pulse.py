"""The numbers one watched loop's thread owns.

Rule: only the loop's thread writes here; any thread may read. Every write is one attribute store,
so a reader under the GIL sees old or new, never half. `mark`, the end of the last step, is the
proof of movement: a photograph counts only if it is the same before and after.

Two speeds. A fast step adds to numbers. A step of `LONG` or more is noted for a histogram (by its
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
from typing import Any

from loopwatch.evidence import Sample, Slow
from loopwatch.request import Request

LONG = 0.001  # s: the first edge of the histograms; below it a step is only counted
MANY = 256  # steps kept in a request before its row takes them
PENDING = 1024  # slow callbacks kept for explaining; more are dropped and counted
SAMPLES = 64  # photographs kept until explained

clock = time.perf_counter


class Pulse:
    """What the probes write and the watchdog reads, for one loop. Times are clock, s."""

    __slots__ = (
        "cpu_clock",
        "dropped",
        "eager",
        "entered",
        "filed",
        "idle",
        "installed",
        "judged",
        "long_step",
        "long_tick",
        "loop",
        "many_steps",
        "mark",
        "native_id",
        "other_seconds",
        "other_steps",
        "pending",
        "polling",
        "samples",
        "task_row",
        "thread_id",
        "thread_name",
        "threshold",
        "tick",
        "turn",
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
        self.mark = clock()  # when the step in progress began
        self.installed = self.tick = self.mark  # when the tick in progress began
        self.idle = 0.0  # s in polls
        self.judged = 0.0  # the end of the last slow callback
        self.filed = 0.0  # s in driven steps that were filed as ticks
        self.other_steps = 0  # short ones of plain callbacks that no request owns
        self.other_seconds = 0.0  # of those
        self.dropped = 0
        self.polling = False
        self.eager = False  # tasks may begin inside others' steps
        self.entered: Request | None = None  # the request that began in this step
        self.turn: Request | None = None  # the request whose driven step is running
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
        self.put(
            Slow(
                started,
                duration,
                self.thread_name,
                self.threshold,
                self.thread_id,
                request,
                coroutine,
                copied,
                self.cpu(),
                code,
            )
        )

    def put(self, slow: Slow) -> None:
        """Keep a slow callback until it is explained, if there is room."""
        if len(self.pending) < PENDING:
            self.pending.append(slow)
        else:
            self.dropped += 1

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

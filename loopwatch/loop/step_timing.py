"""Step timing: the only code that runs at every step, so its cost is counted in instructions.

asyncio: `timed_run` wraps `asyncio.Handle._run`, which runs every callback, and `timed_select`
wraps the poll. A step begins where the one before it ended, or where the poll returned, so there is
one clock read a step. Loops whose handles cannot be wrapped: `timed_soon` wraps the scheduling
methods, and reads the clock before and after each callback; `LibuvPoll` sees uvloop's poll. On all
loops the owner is read from the step's context, *after* the step. This covers child tasks (they
copy the context) and the very step that began the request.

Tried and dropped: driving the request's coroutine step by step where callbacks cannot be wrapped
(child tasks, timers and plain callbacks were lost, and a tick was all that was known of a hold);
reading the owner from `current_task` (wrong for plain callbacks, gone after the step); wrapping
every task's coroutine (it breaks libraries); Python wrappers around the compiled part.

There are two versions, in C and in Python. They give the same results, and call the same Python
functions for what is long or rare. Only `COMPILED` says which one runs.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from loopwatch.core.speedups import speedups
from loopwatch.loop import python_steps
from loopwatch.loop import slow_steps as long_steps
from loopwatch.loop.busy_ticks import OLD
from loopwatch.loop.loop_state import BEHIND, BUSY_TICK
from loopwatch.loop.response import answering as python_answering
from loopwatch.loop.suspended_step import suspended
from loopwatch.loop.victim_search import WAITED

COMPILED = speedups is not None


if speedups is not None:
    speedups.wire_steps(
        BUSY_TICK,
        OLD,
        BEHIND,
        WAITED,
        asyncio.Task,
        asyncio.Handle,
        python_steps.PLAIN_RUN,
        python_steps.report,
        (
            long_steps.end_long_step,
            long_steps.end_other_step,
            long_steps.share_step,
            long_steps.end_gap,
            long_steps.take_many_steps,
            suspended,
        ),
    )
    timed_run, timed_select = speedups.timed_run, speedups.timed_select
    timed_soon, LibuvPoll = speedups.timed_soon, speedups.LibuvPoll
    answering, Recorder = speedups.answering, speedups.Recorder
else:
    from loopwatch.loop import python_scheduled
    from loopwatch.loop.python_recorder import Recorder as Recorder

    timed_run, timed_select = python_steps.timed_run, python_steps.timed_select
    timed_soon, answering = python_scheduled.timed_soon, python_answering
    with suppress(ImportError):  # no ctypes, as in an isolated subinterpreter of 3.12, so no uvloop
        from loopwatch.loop.python_libuv import LibuvPoll as LibuvPoll
enter = long_steps.enter

"""Step timing: the only code that runs at every step, and so counted in instructions.

asyncio: `timed_run` wraps `asyncio.Handle._run`, the one place through which that loop runs every
callback, and `timed_select` its poll. A step starts where the one before it ended, a tick's first
where the poll returned: one clock read a step. Loops whose handles cannot be wrapped: `timed_soon`
wraps the methods that schedule, and reads the clock before and after each callback; `LibuvPoll`
sees uvloop's poll. Either way the owner is read from the context that the step ran in, *after* the
step, which serves child tasks (they copy the context) and the very step that began the request.

Tried and dropped: driving the request's coroutine step by step where callbacks cannot be wrapped
(child tasks, timers and plain callbacks were lost, and a tick was all that was known of a hold);
reading the owner from `current_task` (wrong for plain callbacks, gone after the step); wrapping
every task's coroutine (it breaks libraries); wrappers in Python around the compiled twin.

There are two twins, in C and in Python. They give the same results, call the same Python functions
for whatever is long or rare, and are told apart by `COMPILED` alone.
"""

from __future__ import annotations

import asyncio

from loopwatch.core.speedups import speedups
from loopwatch.loop import python_steps
from loopwatch.loop import slow_steps as long_steps
from loopwatch.loop.busy_ticks import OLD
from loopwatch.loop.loop_state import BEHIND, BUSY_TICK
from loopwatch.loop.response import answering as python_answering
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
        ),
    )
    timed_run, timed_select = speedups.timed_run, speedups.timed_select
    timed_soon, LibuvPoll = speedups.timed_soon, speedups.LibuvPoll
    answering = speedups.answering
else:
    from loopwatch.loop import python_libuv, python_scheduled

    timed_run, timed_select = python_steps.timed_run, python_steps.timed_select
    timed_soon, LibuvPoll = python_scheduled.timed_soon, python_libuv.LibuvPoll
    answering = python_answering
enter = long_steps.enter

"""Step timing: the only code that runs at every step, and so counted in instructions.

`timed_run` wraps `asyncio.Handle._run`, the one place through which the asyncio loop runs every
callback. One clock read a step: a step starts where the one before it ended, and a tick's first
step where the poll returned, which `timed_select` sees. The owner is read from the handle's own
context *after* the step, which serves child tasks (they copy the context) and the very step that
began the request.

`drive` runs the coroutine of one request step by step, for loops whose callbacks cannot be
wrapped (uvloop never calls `Handle._run`). It drives only what the middleware was handed; tasks'
own coroutines are left alone, since wrapping every coroutine breaks libraries.

Tried and dropped: driving on asyncio as well (+3 to 5 % instructions, where the context lookup is
under 1 %); reading the owner from `current_task` (wrong for plain callbacks, gone after the step);
wrappers in Python around the compiled twin (100 instructions a callback more than wrappers in C).

There are two twins of these three, in C and in Python. They give the same results, call the same
Python functions for whatever is long or rare, and are told apart by `COMPILED` alone.
"""

from __future__ import annotations

import asyncio

from loopwatch.probe import long_steps, python_steps
from loopwatch.probe.answer import answering as python_answering
from loopwatch.probe.pulse import CROWD
from loopwatch.speedups import speedups

COMPILED = speedups is not None

if speedups is not None:
    speedups.wire_steps(
        CROWD,
        asyncio.Task,
        asyncio.Handle,
        long_steps.end_long_step,
        long_steps.end_other_step,
        long_steps.share_step,
        long_steps.end_long_driven_step,
    )

twin = python_steps if speedups is None else speedups
timed_run, timed_select, drive = twin.timed_run, twin.timed_select, twin.drive
answering = python_answering if speedups is None else speedups.answering
enter = long_steps.enter

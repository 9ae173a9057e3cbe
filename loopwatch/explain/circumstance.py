"""Advice by cause, where no call is to blame or nobody knows it: a table with gaps to fill."""

from __future__ import annotations

import re

from loopwatch.core.record_types import Stall
from loopwatch.explain.remedies import PROCESS, THREAD

NAMED = 3  # contributors, or threads
ENOUGH = 0.25  # of a stall's duration, to have starved it

BY_CAUSE = {
    "blocking_call": f"Use an asyncio library for this, or {THREAD}: it waits, and holds the loop.",
    "cpu": f"Do this in another process: {PROCESS}. A thread would not help: Python code on the "
    "CPU keeps the GIL.",
    "cpu, GIL let go": f"Use {THREAD}: this C code lets the GIL go, so a thread does help.",
    "native_gil": f"Give this one C call less at a time, or do it in another process: {PROCESS}. A "
    "thread would not help: the call keeps the GIL.",
    "gil_contention": "Move what {holder} computes to another process: that thread held the GIL.",
    "gil_contention, holder unknown": "Move what other threads compute to another process: they "
    "held the GIL.",
    "gc": "Call gc.freeze() when the app has started, and raise gc.set_threshold(...): collecting "
    "garbage among many objects stopped everything.",
    "import": "Import {module} when the app starts, at the top of the module: the first import "
    "takes this long.",
    "starved": "Look for what stopped the process (SIGSTOP, a debugger, a suspended machine, "
    "swapping): no code of yours is to blame.",
    "starved, throttled": "Raise the container's CPU limit, or run fewer processes and threads in "
    "it: its quota was used up.",
    "starved, run queue": "Run fewer processes per core, or give this one more CPU: others had all "
    "of it.",
    "many_callbacks": "Start less at once (asyncio.Semaphore, batches, await asyncio.sleep(0) "
    "between them): most of it was {contributors}.",
    "unknown": "Too little was seen to say what to do: look at the stack.",
}


def by_cause(stall: Stall, gil_released: bool) -> str:
    """Return the advice for a cause whose call nobody knows, or is innocent."""
    return BY_CAUSE[circumstance(stall, gil_released)].format(
        holder=" and ".join(f"{h.thread} ({h.site.function})" for h in stall.gil_holders[:NAMED]),
        module=imported(stall),
        contributors=", ".join(c.coroutine for c in stall.contributors[:NAMED]) or "small ones",
    )


def circumstance(stall: Stall, gil_released: bool) -> str:
    """Return a cause, and what is known of it, as `BY_CAUSE` has them."""
    if stall.cause == "cpu" and gil_released:
        return "cpu, GIL let go"
    if stall.cause == "gil_contention" and not stall.gil_holders:
        return "gil_contention, holder unknown"
    if stall.cause == "starved":
        waited, throttled = stall.run_queue_seconds or 0.0, stall.throttled_seconds or 0.0
        if throttled >= ENOUGH * stall.duration:
            return "starved, throttled"
        if waited >= ENOUGH * stall.duration:
            return "starved, run queue"
    return stall.cause


def imported(stall: Stall) -> str:
    """Return the module that was imported: the outermost whose own code ran, or as written."""
    frames = [frame.function for frame in stall.stack]
    start = next((i for i, f in enumerate(frames) if f.startswith("importlib.")), len(frames))
    modules = [f.removesuffix(".<module>") for f in frames[start:] if f.endswith(".<module>")]
    written = re.match(r"(?:import|from) ([\w.]+)", stall.site.code)
    return modules[0] if modules else written[1] if written else "it"

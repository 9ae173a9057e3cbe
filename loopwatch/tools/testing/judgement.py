"""Which stalls a test answers for.

A test answers for the seconds of a stall that fell into its own call, less those in which nobody of
it did anything: without a CPU, or in a collection that it did not ask for. Where these reach the
limit it fails. It does not answer for a process without a CPU, for other threads that held the GIL
and ran before it began, or for its fixtures. What nobody could explain counts only if it was long
twice over, or on the CPU: on a machine that is busy with other work, short ones are accidents.
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Literal

from loopwatch.core.record_types import NONE, GilHolder, Stall
from loopwatch.explain.site import DEFAULT
from loopwatch.tools.testing.own_call import OwnCall
from loopwatch.tools.testing.settings import TestSettings

Verdict = Literal["charged", "allowed", "innocent"]

FIXTURES = "_pytest.fixtures."  # functions of pytest that set fixtures up
COLLECT = "gc.collect("  # a collection that the code asks for
DOUBLE = 2.0  # times the limit, for what nobody could explain


def verdict(stall: Stall, call: OwnCall, test: TestSettings) -> Verdict:
    """Return whether a test answers for a stall."""
    if not is_of_test(stall, call, test.limit) or seconds(stall, call) < needed(stall, test):
        return "innocent"
    return "allowed" if is_allowed(stall, test.allow) else "charged"


def seconds(stall: Stall, call: OwnCall) -> float:
    """Return for how much of a stall its test answers, s."""
    without_cpu = (stall.run_queue_seconds or 0.0) + (stall.throttled_seconds or 0.0)
    collected = 0.0 if asks_for_collection(stall) else stall.gc_seconds
    overlap = call.overlap(stall.started_at, stall.started_at + stall.duration)
    return min(overlap, stall.duration - without_cpu - collected)


def needed(stall: Stall, test: TestSettings) -> float:
    """Return from how many seconds on a stall counts."""
    on_cpu = stall.cpu_seconds is not None and stall.cpu_seconds >= test.limit
    return test.limit * DOUBLE if stall.cause == "unknown" and not on_cpu else test.limit


def asks_for_collection(stall: Stall) -> bool:
    """Return whether a line on the stack calls the collector."""
    places = ((frame.file, frame.line) for frame in stall.stack)
    return COLLECT in stall.site.code or any(COLLECT in linecache.getline(*p) for p in places)


def is_of_test(stall: Stall, call: OwnCall, limit: float) -> bool:
    """Return whether code that the test runs can be to blame at all."""
    if stall.cause == "starved" or any(f.function.startswith(FIXTURES) for f in stall.stack):
        return False
    if stall.gil_holders or stall.cause == "gil_contention":
        return any(is_of_call(holder, call, limit) for holder in stall.gil_holders)
    return True


def is_of_call(holder: GilHolder, call: OwnCall, limit: float) -> bool:
    """Return whether a thread worked for the test: not before it began, on the CPU for long enough
    itself, and in own code, or on what a pool was given meanwhile."""
    if holder.thread in call.threads or (holder.cpu_seconds or limit) < limit:
        return False
    file = holder.site.file
    return holder.function is not None or (bool(file) and DEFAULT.is_own_file(file))


def is_allowed(stall: Stall, patterns: Iterable[str]) -> bool:
    """Return whether patterns name the site; where there is none, one of those who took part."""
    names = [stall.site.function]
    if names == [NONE]:
        names = [part.coroutine for part in stall.contributors] or [stall.coroutine or NONE]
    return any(fnmatchcase(name, pattern) for name in names for pattern in patterns)

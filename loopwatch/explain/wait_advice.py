"""What to do about a place where requests wait: one sentence, from the numbers of that place.

The first rule that holds is taken. A place that costs little gets no advice.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

from loopwatch.core.record_types import Holder, WaitReading

LEAST = 0.05  # of its route's waiting: a place below that gets no advice
LOOKS = 3  # of a request there, at least
SERIAL = 5  # awaits of one place in one request, from which they are worth gathering
SHARED = frozenset(("lock", "semaphore", "pool"))  # somebody else has it
OUTSIDE = frozenset(("socket", "timer", "process", "thread", "pool"))  # what takes its time
APART = frozenset(("socket", "timer", "process", "thread", "pool", "future"))
# calls that go on with one thing: the next cannot begin before the last has ended
IN_ORDER = (  # compiled when it is first asked
    r"(read\w*|recv\w*|receive\w*|iter\w*|a?next|stream\w*|body|chunks?|feed|drain|write\w*|send\w*|"
    r"acquire|commit|begin|rollback|close|aclose|connect)$"
)
NAMES = {"lock": "the lock", "semaphore": "the semaphore", "pool": "the connections"}

Rule = Callable[[WaitReading], str]


def advised(waits: Iterable[WaitReading]) -> tuple[WaitReading, ...]:
    """Return readings with their advice."""
    waits, whole = tuple(waits), defaultdict[str, float](float)
    for wait in waits:
        whole[wait.route] += wait.seconds
    return tuple(replace(wait, advice=advice(wait, whole[wait.route])) for wait in waits)


def advice(wait: WaitReading, route_seconds: float) -> str:
    """Return a sentence about a place, of a route that waited for so many s in all; or nothing."""
    if wait.looks < LOOKS or wait.seconds < LEAST * route_seconds or not wait.seconds:
        return ""
    return next((told for told in (rule(wait) for rule in RULES) if told), "")


def threads_exhausted(wait: WaitReading) -> str:
    if wait.resource != "thread" or wait.unstarted < wait.seconds / 2:
        return ""
    return (
        "Worker threads are all taken, and calls wait for one to be free: give this work a pool of "
        "its own with more threads, or use an async library for it."
    )


def held_over_await(wait: WaitReading) -> str:
    """Who has it waits for something else meanwhile."""
    holder = next((h for h in wait.holders if is_idle(h, wait) and h.site.line), None)
    if wait.resource not in SHARED or holder is None:
        return ""
    what, where = NAMES[wait.resource], spot(holder)
    if wait.resource == "lock":
        return (
            f"The lock is held over {where}: await that before taking the lock, or use one lock "
            "for each thing that it protects."
        )
    if wait.resource == "pool":
        return (
            f"Connections are held over {where}: return them before any await that does not need "
            "one, or make the pool larger."
        )
    return (
        f"{what.capitalize()} is held over {where}: make it larger if what it protects bears more "
        "at once, or hold it for less."
    )


def is_idle(holder: Holder, wait: WaitReading) -> bool:
    """Return whether a holder waits for something outside; for a pool's connection, something else
    than what that is for: a call of another library."""
    if holder.resource not in OUTSIDE:
        return False
    return wait.resource != "pool" or library(holder.call) != library(wait.call)


def library(call: str) -> str:
    """Return what names a family of libraries: `psycopg` of `psycopg_pool.pool`."""
    return call.partition(".")[0].partition("_")[0]


def too_small(wait: WaitReading) -> str:
    if wait.resource == "pool":
        return (
            "Requests wait for a free connection while all are at work: make the pool larger, as "
            "far as the server bears it, or what they are used for faster."
        )
    if wait.resource in SHARED:
        return (
            f"Requests wait in line for {NAMES[wait.resource]}: hold it for less time, or let more "
            "of them in at once."
        )
    return ""


def one_by_one(wait: WaitReading) -> str:
    if wait.serial < SERIAL or wait.resource not in APART or in_order(wait.call):
        return ""
    what = f"{wait.call.rpartition('.')[2]}(…)" if wait.call else "this"
    return (
        f"One request awaits {what} about {wait.serial} times in a row here: ask for all of it at "
        "once, or await them together with asyncio.gather or a TaskGroup."
    )


def in_order(call: str) -> bool:
    return re.match(IN_ORDER, call.rpartition(".")[2]) is not None


def slow_upstream(wait: WaitReading) -> str:
    if wait.resource != "socket" or not wait.call:
        return ""
    who = f"the peer {wait.peer}" if wait.peer else "the peer"
    return (
        f"Requests wait for {who} to answer: it is slow, or asked for too much; set a timeout, ask "
        "it for less or cache its answers."
    )


def spot(holder: Holder) -> str:
    """Return where a holder waits, in words."""
    code = f"`{holder.site.code}` at " if holder.site.code else ""
    return f"{code}{holder.site.file.rpartition('/')[2]}:{holder.site.line}"


RULES: tuple[Rule, ...] = (
    threads_exhausted,
    one_by_one,
    held_over_await,
    too_small,
    slow_upstream,
)

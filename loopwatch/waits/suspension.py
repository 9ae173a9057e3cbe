"""Where a task is suspended: the frames down to what it really waits for, through child tasks.

A task that waits for several at once is in several places: each has an even share. If there are
many, a random choice of them stands for all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from loopwatch.core.future_callbacks import is_task, thread_future
from loopwatch.core.stack import Stack
from loopwatch.waits.awaited_futures import awaited_futures
from loopwatch.waits.open_contexts import group_children, is_before_router
from loopwatch.waits.task_chain import Chain, Link, chain_of

CHILDREN = 8  # tasks followed at each place
DEEPEST = 6  # tasks that wait for each other, followed

FUTURE, THREAD = "future", "thread"


class Suspension(NamedTuple):
    """One place at which a task is suspended."""

    links: list[Link]  # outermost first, child tasks after what waits for them
    kind: str  # of the future at the end: FUTURE or THREAD
    unstarted: bool  # a thread has not begun the work
    share: float  # of the task's waiting, 0 to 1
    lone: bool  # the task waits nowhere else

    @property
    def stack(self) -> Stack:
        return Stack(link.spot for link in reversed(self.links))


def suspensions(chain: Chain) -> list[Suspension]:
    """Return where a task is suspended; empty if what it waits for is ready or runs."""
    found = [*spread([], chain, 1.0, 0)]
    whole = sum(each.share for each in found)
    return [each._replace(share=each.share / whole) for each in found] if whole else []


def spread(outer: list[Link], chain: Chain, share: float, depth: int) -> Iterator[Suspension]:
    """Return the places of one task, each with its part of `share`; `outer` waits for it."""
    links = [*outer, *chain.links]
    futures = awaited_futures(chain.links, chain.waiter)
    if futures is None:
        futures = group_children(chain.links) if is_before_router(outer) else None
        if not futures:
            yield ended(links, chain.waiter, share)
            return
    if len(futures) > CHILDREN:
        futures = random.sample(futures, CHILDREN)
    for future in futures:
        yield from below(links, future, share / len(futures), depth + 1)


def below(links: list[Link], future: Any, share: float, depth: int) -> Iterator[Suspension]:
    if depth > DEEPEST:
        return
    child = chain_of(future) if is_task(future) else Chain([], None, future)
    if child is not None:
        yield from spread(links, child, share, depth)


def ended(links: list[Link], waiter: Any, share: float) -> Suspension:
    thread = thread_future(waiter)
    kind = FUTURE if thread is None else THREAD
    unstarted = thread is not None and not (thread.running() or thread.done())
    return Suspension(links, kind, unstarted, share, lone=share == 1.0)

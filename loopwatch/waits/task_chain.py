"""The await chain of a suspended task: its coroutines, from the outermost to what it waits for.

Of a suspended coroutine, `cr_await` and its like say what it awaits. What is no coroutine, but
leads to one, shows it to the garbage collector, which is asked for the referents of that object
alone. Functions that run in a greenlet while a coroutine waits for it (SQLAlchemy's asyncio
sessions) stand on the greenlet's own stack, and are put between that coroutine and what it awaits.

Rule: the task may be resumed between any two bytecodes of ours, so a chain counts only if the task
waits for the same future before and after. Whoever gets a chain keeps nothing of it over a pause.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import CodeType, CoroutineType, FrameType
from typing import Any, NamedTuple

from loopwatch.core.await_chain import AWAITED, DEPTH, PREFIXES, is_ours
from loopwatch.core.evidence import Spot
from loopwatch.core.frames import STILL
from loopwatch.core.task_context import task_coroutine

OURS = "loopwatch."
MIDDLEWARE = "loopwatch.web.middleware"
GREENLET_HOSTS = ("greenlet_spawn",)  # coroutines that wait for a greenlet
FUTURE = "FutureIter"  # what a coroutine awaits that awaits a future
LEADS = (  # kinds of objects that stand between two coroutines
    *("coroutine_wrapper", "async_generator_asend", "async_generator_athrow"),
    *("anext_awaitable", "Exchange"),
)


class Link(NamedTuple):
    """One frame of a chain."""

    spot: Spot
    thing: Any  # its coroutine or generator; None: a function in a greenlet


class Chain(NamedTuple):
    """What a suspended task awaits."""

    links: list[Link]  # outermost first; below our middleware, if the task called it
    begun: Any  # the request that began in this task, True if it is not known which; or None
    waiter: Any  # the future that the task waits for


def chain_of(task: Any) -> Chain | None:
    """Return the chain of a task; None if it does not wait for anything right now."""
    waiter = waiting_for(task)
    if waiter is None:
        return None
    with STILL:
        links, begun = follow(task_coroutine(task))
    return Chain(links, begun, waiter) if waiting_for(task) is waiter else None


def waiting_for(task: Any) -> Any:
    """Return the future that a task waits for; None if it runs, or is about to."""
    waiter = getattr(task, "_fut_waiter", None)
    return None if waiter is None or waiter.done() else waiter


def follow(link: Any) -> tuple[list[Link], Any]:
    """Return the links from a coroutine on, and the request that began on the way, if any.

    It runs for each request at each look, so the usual case is inline.
    """
    links: list[Link] = []
    begun: Any = None
    for _ in range(DEPTH):
        if type(link) is CoroutineType:
            frame, code = link.cr_frame, link.cr_code
            if frame is None:
                break
            module = frame.f_globals.get("__name__") or "?"
            if module == MIDDLEWARE:
                links, begun = [], begun or True
            elif not module.startswith(OURS):
                line = frame.f_lineno or 0
                links.append(Link(Spot(code, frame.f_lasti, line, module), link))
                if code.co_name in GREENLET_HOSTS:
                    links.extend(in_greenlet(link))
            link = link.cr_await
        elif link is None or type(link).__name__ == FUTURE:
            break
        else:
            if is_ours(link):
                links, begun = [], request_of(link) or begun or True
            seen, link = beyond(link)
            links.extend(seen)
    return links, begun


def beyond(link: Any) -> tuple[list[Link], Any]:
    """Return the frames of what is no coroutine of Python's own, and what it awaits."""
    kind = type(link)
    if kind in PREFIXES:  # a generator
        frame: FrameType | None = getattr(link, PREFIXES[kind] + "frame")
        if frame is None:
            return [], None
        return [Link(Spot.of(frame), link)], getattr(link, AWAITED[kind])
    if type(link).__name__ in LEADS:
        return [], next(filter(is_coroutine_like, gc.get_referents(link)), None)
    if not hasattr(link, "cr_await"):
        return [], None
    code = getattr(link, "cr_code", None)  # of a coroutine that Cython compiled
    seen = [] if not isinstance(code, CodeType) else [Link(compiled_spot(link, code), link)]
    return seen, link.cr_await


def is_coroutine_like(thing: Any) -> bool:
    return type(thing) in PREFIXES or hasattr(type(thing), "cr_await")


def compiled_spot(link: Any, code: CodeType) -> Spot:
    """Return where compiled code stands: its module by its file, such as `asyncpg/protocol.pyx`."""
    module = code.co_filename.rpartition(".")[0].replace("/", ".")
    return Spot(code, -1, code.co_firstlineno, module or "?")


def request_of(exchange: Any) -> Any:
    """Return the request of our compiled middleware's call."""
    found = gc.get_referents(exchange)
    return next((r for r in found if type(r).__name__ == "Request"), None)


def in_greenlet(link: Any) -> Iterator[Link]:
    """Return the frames of the greenlet that a coroutine waits for, outermost first."""
    greenlet = next((t for t in gc.get_referents(link) if hasattr(type(t), "gr_frame")), None)
    frame: FrameType | None = getattr(greenlet, "gr_frame", None)
    spots: list[Spot] = []
    while frame is not None and len(spots) < DEPTH:
        spots.append(Spot.of(frame))
        frame = frame.f_back
    yield from (Link(each, None) for each in reversed(spots))

"""The coroutines of a step, by what each of them awaits.

What runs in a greenlet (SQLAlchemy's asyncio sessions, for example) has a stack of its own: it ends
at the greenlet's first frame, and the coroutine that waits for it is not on it. Then the step's
coroutines are found one by one, from the outermost on.

Of a suspended coroutine, `cr_await` and its like say what it awaits. Of a running one they say
nothing. But from 3.12 on a coroutine that awaits another one keeps it on its own stack while that
one runs, and the garbage collector sees that stack. It is asked for the referents of that single
coroutine, never for all objects: so no tuple is seen that is still being made.

Rule: as with frames, the caller must have the GIL all the time, and nothing of the app is kept. On
3.11 the chain ends at the first running coroutine.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import Any

DEPTH = 64  # coroutines followed

PREFIXES = {CoroutineType: "cr_", GeneratorType: "gi_", AsyncGeneratorType: "ag_"}
AWAITED = {CoroutineType: "cr_await", GeneratorType: "gi_yieldfrom", AsyncGeneratorType: "ag_await"}


def awaiting(outermost: Any) -> Iterator[FrameType]:
    """Return the frames of a coroutine and of those that it awaits, outermost first."""
    seen: list[Any] = []
    link = outermost
    while type(link) in PREFIXES and len(seen) < DEPTH and not any(link is s for s in seen):
        frame: FrameType | None = getattr(link, PREFIXES[type(link)] + "frame")
        if frame is None:
            return
        yield frame
        seen.append(link)
        link = awaited(link, seen)


def awaited(link: Any, seen: list[Any]) -> Any:
    """Return what a coroutine or generator awaits, None if that is not known."""
    if not is_running(link):
        return beyond_ours(getattr(link, AWAITED[type(link)]))
    others = (thing for thing in gc.get_referents(link) if type(thing) in PREFIXES)
    return next((o for o in others if is_running(o) and not any(o is s for s in seen)), None)


def is_ours(thing: Any) -> bool:
    """Return whether this is the call of an app through our compiled middleware."""
    kind = type(thing)
    return kind.__name__ == "Exchange" and kind.__module__ == "loopwatch._speedups"


def beyond_ours(thing: Any) -> Any:
    """Return the app's coroutine if that is awaited through our compiled middleware."""
    if not is_ours(thing):
        return thing
    return next((t for t in gc.get_referents(thing) if type(t) is CoroutineType), None)


def is_running(link: Any) -> bool:
    return bool(getattr(link, PREFIXES[type(link)] + "running"))

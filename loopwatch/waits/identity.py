"""Which object is waited for, and which ones a task has: compared by address, never kept.

What a method waits for is its own object, `self`: of a frame `Semaphore.acquire`, the variable that
is a Semaphore. Of a pool's frames, every object of a library down to the primitive counts, since a
pool may be known by any of them. `HOLDERS` says which pool an object has a place of.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import CellType
from typing import Any

from loopwatch.core.future_callbacks import contents
from loopwatch.core.names import attribute
from loopwatch.core.stack import Spots, Stack, of_stack
from loopwatch.explain.wait_place import WaitPlace
from loopwatch.waits.open_contexts import open_contexts
from loopwatch.waits.task_chain import Link

HELD = frozenset(("lock", "semaphore", "pool", "condition", "thread"))  # what somebody has
LIMITER = "CapacityLimiter"  # of anyio, has the places of worker threads
POOLS = 8  # objects of a context manager's own that may be its pool


def awaited_objects(links: list[Link], place: WaitPlace) -> frozenset[int]:
    """Return the addresses of what a chain waits for, if somebody can have that."""
    if place.resource not in HELD:
        return frozenset()
    library = links[::-1][: place.library]
    innermost, beyond = library[: place.decider + 1], library[place.decider + 1 :]
    if place.resource == "thread":  # for one to be free
        innermost = [link for link in library if LIMITER in link.spot.code.co_qualname]
    found = (own_object(link) for link in (*innermost, *filter(is_adapter, beyond)))
    return frozenset(id(thing) for thing in found if thing is not None)


def is_adapter(link: Link) -> bool:
    """Return whether a frame is of what the thing itself is known by: a pool, or an adapter."""
    name = link.spot.code.co_qualname
    return "Pool" in name or (link.spot.module.startswith("anyio.") and "Adapter" in name)


def own_object(link: Link) -> Any:
    """Return the object whose method a coroutine is; None if that is not known."""
    if link.thing is None:
        return None
    named = link.spot.code.co_qualname.partition(".<locals>")[0].rpartition(".")[0]
    for referent in gc.get_referents(link.thing):
        thing = contents(referent) if type(referent) is CellType else referent
        if named and is_of(type(thing), named, link.spot.module):
            return thing
    return None


def is_of(kind: type, named: str, module: str) -> bool:
    """Return whether a class is one of a name, or derived from it."""
    return any(c.__qualname__ == named and c.__module__ == module for c in kind.__mro__)


def held_objects(links: list[Link], stack: Stack, awaited: frozenset[int]) -> frozenset[int]:
    """Return the addresses of what a task has: it is inside a block of each, or a pool's caller.

    What it is about to enter is on its stack as well, and is what it waits for: that counts only
    if it is there twice.
    """
    found: Counter[int] = Counter()
    for context in open_contexts(links, stack):
        found.update({id(thing) for thing in holdings(context)})
    found.subtract(awaited)
    inside = (pool_of(links[-1 - place]) for place in insides(stack))
    mine = {id(thing) for thing in inside if thing is not None} - awaited
    return frozenset(address for address, times in found.items() if times > 0) | mine


@of_stack
def insides(spots: Spots) -> tuple[int, ...]:
    """Return which frames are of calls that have a place, once they do not wait for one."""
    return tuple(n for n, spot in enumerate(spots) if spot.code.co_qualname in INSIDE)


def pool_of(link: Link) -> Any:
    """Return the pool of which such a call has a place."""
    return path(own_object(link), *INSIDE[link.spot.code.co_qualname])


INSIDE: dict[str, tuple[str, ...]] = {
    "AsyncConnectionPool.handle_async_request": (),
    "PoolByteStream.__aiter__": ("_pool",),
    "ClientSession._request": ("_connector",),
}


def holdings(context: Any) -> Iterator[Any]:
    """Return an object, and what it has a place of."""
    yield context
    kind = type(context)
    find = HOLDERS.get((kind.__module__.partition(".")[0], kind.__name__))
    if find is not None:
        yield from find(context)
    generator = attribute(context, "gen")
    for thing in gc.get_referents(generator if generator is not None else context)[:POOLS]:
        if "Pool" in type(thing).__name__:
            yield thing


def path(thing: Any, *names: str) -> Any:
    """Return what attributes lead to, one after the other; None if one is missing."""
    for name in names:
        thing = attribute(thing, name)
    return thing


def of_engine(engine: Any) -> Iterator[Any]:
    """Return a pool of SQLAlchemy, and the asyncio queue in it, which is what is waited for."""
    pool = path(engine, "pool")
    yield from (p for p in (pool, path(pool, "_pool"), path(pool, "_pool", "_queue")) if p)


def of_sqlalchemy_connection(connection: Any) -> Iterator[Any]:
    if path(connection, "sync_connection") is not None:
        yield from of_engine(path(connection, "sync_connection", "engine"))


def of_sqlalchemy_session(session: Any) -> Iterator[Any]:
    """Return the pools of the connections that a session has at the moment."""
    connections = path(session, "sync_session", "_transaction", "_connections")
    for connection in [*connections] if isinstance(connections, dict) else ():
        yield from of_engine(path(connection, "engine"))


def of_aiohttp_response(request: Any) -> Iterator[Any]:
    connector = path(request, "_resp", "_connection", "_connector")
    if connector is not None:
        yield connector


HOLDERS: dict[tuple[str, str], Callable[[Any], Iterable[Any]]] = {
    ("sqlalchemy", "AsyncConnection"): of_sqlalchemy_connection,
    ("sqlalchemy", "AsyncTransaction"): lambda t: of_sqlalchemy_connection(path(t, "connection")),
    ("sqlalchemy", "AsyncSession"): of_sqlalchemy_session,
    ("sqlalchemy", "AsyncSessionTransaction"): lambda t: of_sqlalchemy_session(path(t, "session")),
    ("aiohttp", "_RequestContextManager"): of_aiohttp_response,
    ("aiohttp", "_BaseRequestContextManager"): of_aiohttp_response,
}

"""What a suspended coroutine is inside of: the objects of its open `async with` blocks.

While a coroutine is in the body of `async with thing`, or about to enter it, the interpreter keeps
the bound `thing.__aexit__` on the coroutine's own stack (on 3.14, the function and the object). The
garbage collector sees that stack, so this proves who holds a lock or has a place of a pool.
Of a context manager made by `asynccontextmanager`, its generator is looked into as well.
"""

from __future__ import annotations

import dis
import gc
from collections.abc import Iterator
from types import AsyncGeneratorType, CodeType, FunctionType, MethodType
from typing import Any

from loopwatch.core.memo import CodeMemo
from loopwatch.core.names import attribute
from loopwatch.core.stack import Spots, Stack, of_stack
from loopwatch.explain.site import not_router
from loopwatch.waits.awaited_futures import group_tasks, unfinished
from loopwatch.waits.task_chain import Link, chain_of

EXIT = "__aexit__"
CODES = 1024  # functions of which it is remembered whether they have such a block
NESTED = 4  # context managers within each other, followed
GROUPS = 4  # task groups of one chain that are looked into
CHILDREN = 16  # tasks of each

ENTERING = frozenset(
    dis.opmap[name] for name in ("BEFORE_ASYNC_WITH", "LOAD_SPECIAL") if name in dis.opmap
)


def may_enter(code: CodeType) -> bool:
    """Return whether code has an `async with` block, as far as its instructions show."""
    return not ENTERING.isdisjoint(code.co_code[::2])


MAY_ENTER = CodeMemo(may_enter, CODES)


@of_stack
def entering(spots: Spots) -> tuple[int, ...]:
    """Return which frames of a stack may have such a block, outermost first."""
    found = (n for n, spot in enumerate(spots) if MAY_ENTER(spot.code))
    return tuple(found)[::-1]


def open_contexts(links: list[Link], stack: Stack) -> Iterator[Any]:
    """Return the objects of the open blocks of a chain, outermost first."""
    own = [link.thing for link in links]
    for place in entering(stack):
        thing = links[-1 - place].thing
        if thing is not None:
            yield from contexts_of(thing, own, 0)


def contexts_of(thing: Any, own: list[Any], depth: int) -> Iterator[Any]:
    """Return the objects of the open blocks of one coroutine or generator; those of the chain's
    `own` are looked at anyway."""
    before: Any = None
    for referent in gc.get_referents(thing):
        entered = None
        if type(referent) is MethodType and referent.__name__ == EXIT:
            entered = referent.__self__
        elif type(before) is FunctionType and before.__name__ == EXIT:
            entered = referent
        before = referent
        if entered is not None:
            yield entered
            yield from within(entered, own, depth + 1)


def within(entered: Any, own: list[Any], depth: int) -> Iterator[Any]:
    """Return the objects of the open blocks of a context manager's own generator."""
    generator = attribute(entered, "gen")
    if type(generator) is not AsyncGeneratorType or depth >= NESTED:
        return
    if not any(generator is thing for thing in own):
        yield from contexts_of(generator, own, depth)


def group_children(links: list[Link], depth: int = 0) -> list[Any]:
    """Return the tasks of open task groups in which a router is at work, where none is in the chain
    itself: a middleware that runs the app in a task of its own waits for that.
    """
    if depth > NESTED or not is_before_router(links):
        return []
    stack = Stack(link.spot for link in reversed(links))
    groups = [g for g in open_contexts(links, stack) if group_tasks(g)][:GROUPS]
    tasks = [task for group in groups for task in unfinished(group_tasks(group))[:CHILDREN]]
    return [task for task in dict.fromkeys(tasks) if leads_to_router(task, depth + 1)]


def leads_to_router(task: Any, depth: int) -> bool:
    """Return whether a router is at work in a task, or in one that it waits for in this way; or
    may be, since it is not suspended."""
    chain = chain_of(task)
    if chain is None:
        return True
    return not is_before_router(chain.links) or bool(group_children(chain.links, depth))


def is_before_router(links: list[Link]) -> bool:
    """Return whether no router is at work in a chain."""
    return all(not_router(link.spot) for link in links)

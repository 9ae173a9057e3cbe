"""The requests of a loop that are in flight, found without a list of them: tasks know theirs.

`asyncio.all_tasks` goes over all tasks of the process in one go. With 10,000 of them this kept the
interpreter's lock from the loop for 5 ms at each of its system calls: 30 to 50 ms in one tick. So
the references are copied at once, in C, and followed with pauses. From 3.14 on it goes over them in
C, 0.7 ms for 10,000, and is asked.
"""

from __future__ import annotations

import asyncio
from asyncio import futures, tasks
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from types import BuiltinFunctionType
from typing import Any
from weakref import WeakSet, ref

from loopwatch.core.breath import breathe
from loopwatch.core.guard import log_once
from loopwatch.core.request import REQUEST, Request
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog.stack_sample import task_context

LONG_REQUEST = 1.0  # s of age from which a request is charged before its end
TURN = 0.001  # s that one callback may charge requests

loop_of: Callable[[Any], Any] = futures._get_loop  # type: ignore[attr-defined]  # noqa: SLF001, as asyncio does


def known_tasks() -> Iterable[Callable[[], Any]] | None:
    """Return a reference to each task of the process; None where another version keeps them.

    From 3.14 on, tasks of C are in lists of its own, and in this set are only those of Python.
    """
    if isinstance(asyncio.all_tasks, BuiltinFunctionType):
        return None
    weak = getattr(tasks, "_scheduled_tasks", None) or getattr(tasks, "_all_tasks", None)
    references = getattr(weak, "data", None)
    if type(weak) is not WeakSet or type(references) is not set:
        return None
    eager = getattr(tasks, "_eager_tasks", ())
    return [*references, *map(ref, list(eager))]


def count_tasks(loop: Any) -> int:
    """Return how many tasks of a loop are not done; any thread may ask."""
    count = 0
    for task in each_task(loop):
        count += 1
        del task  # before the pause
    return count


def each_task(loop: Any) -> Iterator[Any]:
    """Return the tasks of a loop that are not done; on a thread that pauses, with pauses.

    Whoever asks keeps none of them until the next one.
    """
    known = known_tasks()
    if known is None:
        yield from asyncio.all_tasks(loop)
        return
    for reference in known:
        task = reference()
        if task is not None and not task.done() and loop_of(task) is loop:
            yield task
        del task  # none is kept over a pause: its end is not for this thread
        breathe()


def requests_in_flight(loop: Any, older_than: float = 0.0) -> set[Request]:
    """Return the requests of a loop, from so many s of age on; any thread may ask."""
    now, found = clock(), set[Request]()
    for task in each_task(loop):
        context = task_context(task)
        request = context.get(REQUEST) if context is not None else None
        del task, context
        if request is None or request.scope is None:  # none, or ended
            continue
        if now - request.started >= older_than:
            found.add(request)
    return found


class Charging:
    """Has long requests in flight charged for what they have used so far, by the loop itself.

    It is done in short turns, however many there are. While it is under way, asking again changes
    nothing.
    """

    def __init__(self, loop: Any, charge: Callable[[Request], None]) -> None:
        self._loop, self._charge = loop, charge
        self._left: list[Request] = []

    def soon(self) -> None:
        """Begin; any thread may ask."""
        if self._left or self._loop.is_closed():
            return
        self._left = [*requests_in_flight(self._loop, LONG_REQUEST)]
        if self._left:
            with suppress(RuntimeError):  # closed meanwhile
                self._loop.call_soon_threadsafe(self._take_turn)

    def _take_turn(self) -> None:
        try:
            self._charge_some(clock() + TURN)
            if self._left:
                self._loop.call_soon(self._take_turn)
        except Exception:
            self._left = []
            log_once("loopwatch.watch.in_flight")

    def _charge_some(self, until: float) -> None:
        left = self._left
        while left and clock() < until:
            self._charge(left.pop())

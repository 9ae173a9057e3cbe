"""What the loop's thread waits for: who holds the lock, works on the future, or has to end.

Rule: no reference to the app's objects is taken here. Frames are known by their code and where they
stand (`Spot`), and `look_up` (`native/look_up.c`) says only at which address a name leads. So this
needs the compiled part; without it nothing is known.

- A lock: the frame's bytecode says which one (`lock_code`). An RLock knows its owner. A plain one
  does not: it is held by the frame that stands in a `with` block of the same lock, on any thread or
  in a suspended coroutine of the loop. One that has called `acquire` before is only likely to.
- A future: it is the loop's own if it is chained to a task of this loop, or about to be, by a call
  that the loop has not run yet. Otherwise the thread that works on it is asked in turn.
- A thread's end: that thread.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import suppress
from types import CodeType, CoroutineType
from typing import Any, NamedTuple

from loopwatch.core.await_chain import beyond_ours
from loopwatch.core.evidence import Spot, ThreadWait
from loopwatch.core.speedups import speedups
from loopwatch.core.task_context import task_coroutine
from loopwatch.watchdog.lock_code import Held, Path, awaited_lock, held_locks
from loopwatch.watchdog.other_threads import DEPTH, THREADS

CHAIN = 4  # threads that wait for each other, followed
TASKS = 1000  # suspended tasks of the loop looked at
CALLS = 256  # of the loop's ready callbacks, the latest, looked at
CELLS = 4  # variables of a callback
OWNER = re.compile(r"owner=(\d+)")
LOCKS = ("_thread.lock", "_thread.RLock")
FUTURE = ("concurrent.futures._base", ("Future.result", "Future.exception"))
WORK = ("concurrent.futures.thread", ("_WorkItem.run",))
JOIN = ("threading", ("Thread.join", "Thread._wait_for_tstate_lock"))
INNER = ("threading", ("Condition.wait",))

Kind = tuple[str, tuple[str, ...]]
Seen = tuple[int, str, str]  # an address, the name of a type, a text


class Place(NamedTuple):
    """A frame: of which thread, how deep, and where it stands."""

    thread: int
    depth: int  # 0: innermost
    spot: Spot

    def is_of(self, kind: Kind) -> bool:
        module, names = kind
        return self.spot.module == module and self.spot.code.co_qualname in names

    def see(self, *path: str | int) -> Seen | None:
        """Return what a path means here; None if it leads nowhere, or the frame has moved."""
        if speedups is None:
            return None
        code, instruction = self.spot.code, self.spot.instruction
        found: Seen | None = speedups.look_up(self.thread, self.depth, code, instruction, path)
        return found


def blocker(loop: Any, thread: int) -> ThreadWait | None:
    """Return what a loop's thread waits for now; None if that is not known."""
    return Search(loop, thread).of(thread) if speedups is not None else None


class Search:
    """One look at all threads, on behalf of one loop."""

    def __init__(self, loop: Any, thread: int) -> None:
        self._loop, self._own = loop, thread
        self._names = {t.ident or 0: t.name for t in threading.enumerate()[:THREADS]}
        self._threads = (thread, *(self._names.keys() - {thread}))
        self._stacks: dict[int, tuple[Spot, ...]] = {}  # those that were needed

    def of(self, thread: int, depth: int = 0) -> ThreadWait | None:
        """Return what a thread waits for."""
        places = self._places(thread)
        if not places or depth > CHAIN:
            return None
        if places[0].is_of(INNER):
            asked = next((p for p in places[1:3] if p.is_of(FUTURE)), None)
            return self._future(asked, places, depth) if asked is not None else None
        joined = next((p for p in places[:2] if p.is_of(JOIN)), None)
        return self._end(joined, depth) if joined is not None else self._lock(places[0], depth)

    def _places(self, thread: int) -> list[Place]:
        return [Place(thread, n, spot) for n, spot in enumerate(self._stack(thread))]

    def _stack(self, thread: int) -> tuple[Spot, ...]:
        if thread not in self._stacks:
            self._stacks[thread] = stack(thread) if thread in self._threads else ()
        return self._stacks[thread]

    def _held_by(self, kind: str, thread: int, depth: int, certain: bool = True) -> ThreadWait:
        own = thread == self._own
        then = None if own else self.of(thread, depth + 1)
        spots = self._stack(thread)
        return ThreadWait(
            kind, self._names.get(thread, ""), spots, certain, "thread" if own else "", then
        )

    # ------------------------------------------------------------ the end of a thread

    def _end(self, joined: Place, depth: int) -> ThreadWait | None:
        seen = joined.see("self", "_ident")
        if seen is None or not seen[2].isdigit():
            return None
        return self._held_by("thread", int(seen[2]), depth)

    # ------------------------------------------------------------ a lock

    def _lock(self, place: Place, depth: int) -> ThreadWait | None:
        path = awaited_lock(place.spot.code, place.spot.instruction)
        seen = lock_at(place, path) if path is not None else None
        if seen is None:
            return None
        owner = OWNER.search(seen[2])
        if owner is not None:
            return self._held_by("lock", int(owner[1]), depth)
        return self._holder(seen[0], depth)

    def _holder(self, lock: int, depth: int) -> ThreadWait | None:
        likely: int | None = None
        for place, held in self._holding():
            if likely is not None and not held.sure:
                continue
            if (seen := lock_at(place, held.path)) is None or seen[0] != lock:
                continue
            if held.sure:
                return self._by_frame(place, depth)
            likely = place.thread
        return self._suspended(lock) or (
            self._held_by("lock", likely, depth, certain=False) if likely is not None else None
        )

    def _by_frame(self, place: Place, depth: int) -> ThreadWait:
        found = self._held_by("lock", place.thread, depth)
        own = found.itself == "thread"
        return found._replace(spots=(place.spot,)) if own else found

    def _holding(self) -> Iterator[tuple[Place, Held]]:
        """Return each frame of any thread that holds a lock, by its bytecode."""
        for thread in self._threads:
            for place in self._places(thread):
                for held in held_at(place.spot.code, place.spot.instruction):
                    yield place, held

    def _suspended(self, lock: int) -> ThreadWait | None:
        """Return the coroutine of the loop that holds a lock while it is suspended."""
        for coroutine, spot in suspended(self._loop):
            for held in held_at(spot.code, spot.instruction):
                if held.sure and lock in addresses(coroutine, held.path):
                    return ThreadWait("lock", spots=(spot,), itself="task")
        return None

    # ------------------------------------------------------------ a future

    def _future(self, asked: Place, places: list[Place], depth: int) -> ThreadWait | None:
        future = asked.see("self")
        if future is None:
            return None
        if self._is_chained(asked) or self._will_be_chained(future[0]):
            return ThreadWait("future", itself="loop")
        for thread in self._threads:
            for place in self._places(thread):
                if place.is_of(WORK) and address(place.see("self", "future")) == future[0]:
                    return self._held_by("future", thread, depth)
        caller = places[asked.depth + 1].spot if len(places) > asked.depth + 1 else None
        if caller is not None and "run_coroutine_threadsafe" in caller.code.co_names:
            return ThreadWait("future", certain=False, itself="loop")
        return None

    def _is_chained(self, asked: Place) -> bool:
        """Return whether a future will be told of the end of a task of this loop."""
        loop = id(self._loop)
        cells = [(n, cell) for n in range(CELLS) for cell in range(CELLS)]
        return any(
            address(asked.see("self", "_done_callbacks", n, *in_cell(c))) == loop for n, c in cells
        )

    def _will_be_chained(self, future: int) -> bool:
        """Return whether one of the loop's ready callbacks knows a future; not seen on uvloop."""
        if speedups is None or address(speedups.look_up_from(self._loop, ("_ready",))) is None:
            return False
        for n in range(1, CALLS + 1):
            callback = ("_ready", -n, "_callback")
            if speedups.look_up_from(self._loop, callback) is None:
                return False
            found = (
                speedups.look_up_from(self._loop, (*callback, *in_cell(c))) for c in range(CELLS)
            )
            if future in map(address, found):
                return True
        return False


def stack(thread: int) -> tuple[Spot, ...]:
    """Return where a thread stands, innermost first; its frames are read in C, and not kept."""
    return tuple(map(Spot._make, speedups.stand(thread, DEPTH))) if speedups is not None else ()


def in_cell(number: int) -> tuple[str | int, ...]:
    return "__closure__", number, "cell_contents"


def address(seen: Seen | None) -> int | None:
    return seen[0] if seen is not None else None


def held_at(code: CodeType, instruction: int) -> Iterator[Held]:
    return (held for held in held_locks(code) if held.first <= instruction < held.end)


def lock_at(place: Place, path: Path) -> Seen | None:
    """Return the lock that a path means: itself, or that of a condition."""
    for rest in ((), ("_lock",)):
        seen = place.see(*path, *rest)
        if seen is not None and seen[1] in LOCKS:
            return seen
    return None


def suspended(loop: Any) -> Iterator[tuple[Any, Spot]]:
    """Return the coroutines of a loop's tasks that are suspended, and where."""
    tasks: list[Any] = []
    with suppress(RuntimeError):  # changed meanwhile, again and again
        tasks = [*asyncio.all_tasks(loop)][:TASKS]
    for task in tasks:
        coroutine = task_coroutine(task)
        while isinstance(coroutine, CoroutineType) and coroutine.cr_suspended:
            frame = coroutine.cr_frame
            if frame is None:
                break
            yield coroutine, Spot.of(frame)
            coroutine = beyond_ours(coroutine.cr_await)


def addresses(coroutine: Any, path: Path) -> list[int | None]:
    """Return the addresses of what a path means in a suspended coroutine, and of its lock."""
    if speedups is None:
        return []
    roots = [("cr_frame", *path, *rest) for rest in ((), ("_lock",))]
    return [address(speedups.look_up_from(coroutine, root)) for root in roots]

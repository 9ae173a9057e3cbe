"""Finds the threads that run a loop, in a process and in its descendants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loopwatch.tools.attach.busy_time import Look
from loopwatch.tools.attach.loop_stack import ThreadStack, thread_stacks
from loopwatch.tools.attach.poll_call import Call, Poll, parsed
from loopwatch.tools.attach.process_tree import ProcessTree
from loopwatch.watchdog.outside_process import DEADLINE, SAVED, Spy

SOON, LATEST = 0.5, 30.0  # s until a process is looked at again; doubled each time
KNOWN_AGAIN = 5.0  # s, at most, of one with loops: there may be more
UVLOOP = "/uvloop/loop."


@dataclass(slots=True)
class FoundLoop:
    """A thread with a loop."""

    pid: int
    thread: int
    kind: str  # asyncio or uvloop
    name: str  # of the thread
    base: int  # frames below any step, where none of them is the loop's
    poll: Poll


class LoopFinder:
    """Runs py-spy on processes. One thread calls it."""

    def __init__(self, tree: ProcessTree, py_spy: str) -> None:
        self._tree, self._py_spy = tree, py_spy
        self._spies: dict[int, Spy] = {}
        self._due: dict[int, tuple[float, float]] = {}  # when, and the pause after it
        self.complaints: dict[int, str] = {}

    def find(self, pid: int, now: float) -> Iterator[FoundLoop]:
        """Yield the loops of all processes that are due for a look."""
        family = self._tree.family(pid)
        for gone in self._spies.keys() - set(family):
            self._spies.pop(gone).close()
            self._due.pop(gone, None)
        for one in family:
            due, pause = self._due.get(one, (now, SOON))
            if now >= due:
                found = [*self._loops(one)]
                yield from found
                most = KNOWN_AGAIN if found else LATEST
                self._due[one] = now + pause, min(most, 2 * pause)

    def look(self, loop: FoundLoop, clock: Callable[[], float]) -> Look | None:
        """Look at one loop; None if py-spy has failed, or has used up its share of CPU time."""
        threads = self._spy(loop.pid).afford(SAVED / 4)
        stacks = [*thread_stacks(threads or [])]
        mine = next((s for s in stacks if s.thread == loop.thread), None)
        if mine is None:
            return None
        holder = next((s for s in stacks if s.holds_gil and s is not mine), None)
        return Look(clock(), mine, holder)

    def _loops(self, pid: int) -> Iterator[FoundLoop]:
        before = {thread: self._call(pid, thread) for thread in self._tree.threads(pid)}
        spy = self._spy(pid)
        dump = spy.dump(DEADLINE)
        if not dump:
            self.complaints[pid] = spy.complaint()
            return
        self.complaints.pop(pid, None)
        has_uvloop = self._tree.has_mapped(pid, UVLOOP)
        for stack in thread_stacks(dump):
            call = before.get(stack.thread)
            after = self._call(pid, stack.thread)
            found = found_loop(pid, stack, has_uvloop, call, after)
            if found is not None:
                yield found

    def _call(self, pid: int, thread: int) -> Call | None:
        try:
            return parsed(self._tree.call(pid, thread))
        except OSError:
            return None

    def _spy(self, pid: int) -> Spy:
        if pid not in self._spies:
            words = [self._py_spy, "dump", "--nonblocking", "--json", "--pid", str(pid)]
            self._spies[pid] = Spy(words)
        return self._spies[pid]


def found_loop(
    pid: int, stack: ThreadStack, has_uvloop: bool, before: Call | None, after: Call | None
) -> FoundLoop | None:
    """Return the loop of a thread, if it runs one.

    `before` and `after` its stack was read, the thread was in these calls: the stack belongs to
    the call if they are the same.
    """
    poll = Poll()
    polls = any(call is not None and poll.is_epoll(call) for call in (before, after))
    if not (stack.is_asyncio or (has_uvloop and (stack.is_run or polls))):
        return None
    parked = stack.is_parked or (polls and not stack.is_asyncio and not stack.is_run)
    if after is not None and after == before and parked:
        poll.learn(after)
    kind = "asyncio" if stack.is_asyncio else "uvloop"
    base = len(stack.frames) if poll.known and not stack.is_run else 0
    return FoundLoop(pid, stack.thread, kind, stack.name, base, poll)

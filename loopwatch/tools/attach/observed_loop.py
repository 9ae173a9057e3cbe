"""One loop under observation: its open file, its busy times, its source files."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from loopwatch.core.record_types import Stall
from loopwatch.tools.attach.busy_time import BusyTime, BusyTimes
from loopwatch.tools.attach.file_names import Files
from loopwatch.tools.attach.loop_finder import FoundLoop
from loopwatch.tools.attach.loop_stack import ThreadStack
from loopwatch.tools.attach.outside_board import LoopRow
from loopwatch.tools.attach.outside_stall import stall
from loopwatch.tools.attach.poll_call import Call, parsed
from loopwatch.tools.attach.process_tree import CallFile, ProcessTree


class ObservedLoop:
    """Read by the reader's thread; looks are added by another.

    Raises OSError if the thread has ended already.
    """

    def __init__(self, tree: ProcessTree, found: FoundLoop, now: float) -> None:
        self.found, self._tree = found, tree
        self.files = Files(tree, found.pid)
        self.times = BusyTimes(now)
        self.judged: deque[BusyTime] = deque()  # ended ones that are to be judged
        self.name = f"{found.pid}/{found.thread} {found.name}".strip()
        self.ended = False
        self._file = CallFile(tree, found.pid, found.thread)
        self._latest: Call | None = None

    def read(self, now: float) -> list[BusyTime]:
        """Read once; return the busy times that have ended."""
        call = self._latest = parsed(self._file.read())
        if call is None:
            self.ended = True
            return []
        pid, thread = self.found.pid, self.found.thread
        ended = [self.times.read(now, call, self.found.poll.idle(call))]
        if self.times.current is not None:
            switches, usage = self._tree.switches(pid, thread), self._tree.usage(pid, thread)
            ended.append(self.times.describe(now, switches, usage))
        return [busy for busy in ended if busy is not None]

    def wants_look(self, now: float) -> bool:
        return self.times.wants_look(now)

    def adopt(self, found: FoundLoop) -> None:
        """Take over the loop's poll if it was not known yet, as found at another look."""
        if found.poll.known and not self.found.poll.known:
            self.found = found

    def learn(self, stack: ThreadStack) -> None:
        """Take in what a look says of the loop's poll: a loop that is in none is not yet known."""
        call, poll = self._latest, self.found.poll
        if call is not None and stack.is_parked and not poll.known:
            poll.learn(call)

    def holding(self, busy: BusyTime, now: float, to_unix: float) -> Stall | None:
        """Return the stall in progress, if there is one that has been seen."""
        so_far = replace(busy, ended=now, looks=[*busy.looks])
        made, _ = stall(so_far, self.files, self.found.base, self.name, to_unix)
        return replace(made, in_progress=True) if made is not None else None

    def row(self) -> LoopRow:
        return LoopRow(self.found.kind, self.name, self.times.busy, self.times.idle)

    def close(self) -> None:
        self._file.close()

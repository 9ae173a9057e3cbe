"""Looks at a process and its children from outside, until it is stopped.

Two threads: the reader reads the system call of each loop's thread every 5 ms, and the other runs
py-spy, for a thread that has been busy for 60 ms, and to find the loops of new processes. Nothing
is written to the process, and nothing stops it: py-spy only copies its memory (`--nonblocking`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable

from loopwatch.core.guard import guarded
from loopwatch.core.record_types import Snapshot, Stall
from loopwatch.tools.attach import attach_refusal as refusal
from loopwatch.tools.attach.attach_refusal import AttachError
from loopwatch.tools.attach.busy_time import PERIOD
from loopwatch.tools.attach.loop_finder import LoopFinder
from loopwatch.tools.attach.observed_loop import ObservedLoop
from loopwatch.tools.attach.outside_board import LoopRow, OutsideBoard
from loopwatch.tools.attach.outside_stall import stall
from loopwatch.tools.attach.process_tree import ProcessTree

FIRST = 3.0  # s in which the first loop must be found
SHORT_OF = 0.1  # s between two tries
RESCAN = 1.0  # s between two looks for new processes
LOOPS = 256  # watched at most


class Observer:
    """Watches all loops of a process and its descendants.

    Raises:
        AttachError: from `start`; the process cannot be looked at, and the message says why.
    """

    def __init__(
        self,
        pid: int,
        py_spy: str,
        threshold: float,
        tree: ProcessTree | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.pid, self._threshold, self._clock = pid, threshold, clock
        self._tree = tree or ProcessTree()
        self._finder = LoopFinder(self._tree, py_spy)
        self._board = OutsideBoard()
        self._loops: dict[tuple[int, int], ObservedLoop] = {}
        self._past: dict[str, LoopRow] = {}  # loops that have ended, added up by kind
        self._wanted: deque[ObservedLoop] = deque()
        self._work, self._stopped = threading.Semaphore(0), threading.Event()
        self._to_unix = time.time() - clock()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Find the loops, and begin."""
        refusal.check(self._tree, self.pid)
        until = self._clock() + FIRST
        while not self._find() and self._clock() < until and self._tree.exists(self.pid):
            time.sleep(SHORT_OF)
        if not self._loops:
            raise AttachError(self._why_none())
        for target, name in ((self._read, "reader"), (self._spy, "stacks")):
            thread = threading.Thread(target=guarded(target), name=f"loopwatch-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """End both threads. What has been seen can still be read."""
        self._stopped.set()
        self._work.release()
        for thread in self._threads:
            thread.join()
        for loop in self._loops.values():
            loop.close()

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._tree.exists(self.pid)

    @property
    def processes(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(pid for pid, _ in list(self._loops)))

    @property
    def readable(self) -> bool:
        """Whether the process's paths mean the same files here."""
        return self._tree.shares_files(self.pid)

    def snapshot(self) -> Snapshot:
        loops = [*self._loops.values()]
        holding = [found for loop in loops if (found := self._holding(loop)) is not None]
        rows = [loop.row() for loop in loops]
        past = [*self._past.values()]
        return self._board.snapshot(self._clock() + self._to_unix, rows, past, holding)

    def _why_none(self) -> str:
        family = self._tree.family(self.pid)
        complaint = self._finder.complaints.get(self.pid)
        if complaint is not None and len(family) == 1:
            return refusal.unreadable(self._tree, self.pid, complaint)
        return refusal.no_loop(self._tree, family)

    def _find(self) -> bool:
        """Take in new loops; return whether there are any."""
        now = self._clock()
        for found in self._finder.find(self.pid, now):
            known = self._loops.get((found.pid, found.thread))
            if known is not None:
                known.adopt(found)
            elif len(self._loops) < LOOPS:
                with contextlib.suppress(OSError):  # it has just ended
                    self._loops[found.pid, found.thread] = ObservedLoop(self._tree, found, now)
        return bool(self._loops)

    @guarded
    def _rescan(self) -> None:
        self._find()

    def _read(self) -> None:
        due = self._clock()
        while not self._stopped.is_set():
            for key, loop in list(self._loops.items()):
                self._read_one(key, loop)
            due = max(due + PERIOD, self._clock())
            time.sleep(max(0.0, due - self._clock()))

    @guarded
    def _read_one(self, key: tuple[int, int], loop: ObservedLoop) -> None:
        now = self._clock()
        for busy in loop.read(now):
            if busy.duration >= self._threshold:
                loop.judged.append(busy)
                self._want(loop)
        if loop.ended:
            self._forget(key, loop)
        elif loop.wants_look(now):
            self._want(loop)

    def _forget(self, key: tuple[int, int], loop: ObservedLoop) -> None:
        """Add up a loop that has ended. Its last busy times are judged where they are."""
        row = loop.row()
        before = self._past.get(row.kind)
        self._past[row.kind] = row.plus(before) if before is not None else row
        del self._loops[key]
        loop.close()
        self._want(loop)

    def _want(self, loop: ObservedLoop) -> None:
        self._wanted.append(loop)
        self._work.release()

    def _spy(self) -> None:
        rescan = self._clock() + RESCAN
        while not self._stopped.is_set():
            self._work.acquire(timeout=max(0.0, rescan - self._clock()))
            while self._wanted:
                self._serve(self._wanted.popleft())
            if self._clock() >= rescan:
                self._rescan()
                rescan = self._clock() + RESCAN
        for loop in [*self._wanted, *self._loops.values()]:
            self._judge(loop)

    @guarded
    def _serve(self, loop: ObservedLoop) -> None:
        self._judge(loop)
        busy = loop.times.current
        if busy is None:
            return
        look = self._finder.look(loop.found, self._clock)
        if look is not None and loop.times.current is busy:
            busy.looks.append(look)
            loop.learn(look.mine)
        self._judge(loop)

    def _judge(self, loop: ObservedLoop) -> None:
        while loop.judged:
            busy = loop.judged.popleft()
            made, why = stall(busy, loop.files, loop.found.base, loop.name, self._to_unix)
            if made is not None:
                self._board.add(made)
            else:
                self._board.drop(why)

    def _holding(self, loop: ObservedLoop) -> Stall | None:
        """Return what holds a loop right now, if it has been seen."""
        busy = loop.times.current
        if busy is None or self._clock() - busy.started < max(1.0, self._threshold):
            return None
        return loop.holding(busy, self._clock(), self._to_unix)

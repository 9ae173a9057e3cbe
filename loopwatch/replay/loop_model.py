"""The model of a loop: one server, a queue of ready callbacks, polls between ticks.

As asyncio and uvloop do it: a tick runs what was ready as it began, in the order in which it became
ready. What its steps schedule is for the next tick. What comes from outside is found by the poll,
which waits only if nothing is ready: first sockets, then timers that are due. On uvloop the poll
runs what it finds at once, and what that schedules still belongs to the same tick; timers that have
become due meanwhile belong to it, too.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from loopwatch.core.breath import breathe
from loopwatch.replay.worker_model import WaitingWorkers, WorkingWorkers

EARLY = 0.0005  # s that a timer of libuv comes too early, on average: it counts whole milliseconds


@dataclass(slots=True)
class Node:
    """A step to replay."""

    took: float  # s on the loop
    soon: list[int] = field(default_factory=list)  # ready at its end
    later: list[tuple[float, int]] = field(default_factory=list)  # s after its end, step
    work: float = 0.0  # s that a thread takes over, between its beginning and its end
    timer: bool = False
    result: bool = False  # of a thread, which puts it in line itself: before what a poll finds
    since: float = -inf  # clock, s: what a poll finds for it was not there before


@dataclass(slots=True)
class Place:
    """A place that a step asks for, and another one gives back: of a semaphore, a pool, a lock."""

    pool: int
    waiter: int | None  # the step that runs once it is granted, if it had to be waited for


@dataclass(slots=True)
class Pool:
    """The places of one semaphore, pool or lock, and who waits for one, in order."""

    free: int
    line: deque[int] = field(default_factory=deque)  # steps that asked


class LoopModel:
    """Replays nodes. `ended` has the moments at which they ended, clock, s.

    Args:
        nodes: the steps.
        roots: when (clock, s) the steps are ready that no other one makes ready.
        workers: the threads that take over the `work` of nodes.
        poll_runs: whether the poll runs at once what it finds, as on uvloop.
        pools: places that steps ask for (`asks`) and give back (`gives`: step to pool).
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        roots: Sequence[tuple[float, int]],
        *,
        workers: WaitingWorkers | WorkingWorkers | None = None,
        poll_runs: bool = False,
        pools: Sequence[int] = (),
        asks: Mapping[int, Place] | None = None,
        gives: Mapping[int, int] | None = None,
    ) -> None:
        self.nodes = nodes
        self.coming: list[tuple[float, int]] = []
        self.timers: list[tuple[float, int]] = []
        self.results: list[tuple[float, int]] = []
        for when, node in roots:
            self.push(when, node)
        self.workers = workers or WaitingWorkers()
        self.poll_runs, self.early = poll_runs, EARLY if poll_runs else 0.0
        self.pools = [Pool(free) for free in pools]
        self.asks, self.gives = asks or {}, gives or {}
        self.ready: deque[int] = deque()
        self.now = min((when for when, _ in roots), default=0.0)
        self.ended = [inf] * len(nodes)
        self.back: set[int] = set()  # nodes whose work is done, and that have to end

    def run(self) -> None:
        """Replay everything that ever becomes ready."""
        while self.poll():
            for _ in range(len(self.ready)):
                self.step(self.ready.popleft())
            breathe()

    def poll(self) -> bool:
        """Wait until something is ready; return False if nothing ever is."""
        slept = not self.ready
        if slept:
            heaps = self.coming, self.timers, self.results
            until = min(heap[0][0] if heap else inf for heap in heaps)
            now, done = self.workers.idle_until(self.now, until)
            if now == inf:
                return False
            slept = now > self.now
            self.now = max(self.now, now)
            self.put_back(done)
        if slept:
            self.now, done = self.workers.take_turn(self.now)
            self.put_back(done)
        self.take(self.results, self.now)
        self.take(self.coming, self.now)
        self.take(self.timers, self.now + self.early)
        return True

    def take(self, heap: list[tuple[float, int]], until: float) -> None:
        """Put in line what a poll finds; or run it, where the poll does so."""
        found = []
        while heap and heap[0][0] <= until:
            found.append(heappop(heap)[1])
        for node in found:
            if self.poll_runs:
                self.step(node)
            else:
                self.ready.append(node)

    def push(self, when: float, node: int) -> None:
        one = self.nodes[node]
        heap = self.timers if one.timer else self.results if one.result else self.coming
        heappush(heap, (max(when, one.since), node))

    def put_back(self, done: list[int]) -> None:
        for node in done:
            self.push(self.now, node)

    def step(self, index: int) -> None:
        node = self.nodes[index]
        if index in self.back:
            self.back.discard(index)
            self.end(index)
            return
        self.now, done = self.workers.run(self.now, node.took)
        self.put_back(done)
        if not node.work:
            self.end(index)
            return
        self.back.add(index)
        when = self.workers.submit(index, node.work, self.now)
        if when < inf:
            self.push(when, index)

    def end(self, index: int) -> None:
        """End a node: what waits for its end is ready, or will be."""
        self.ended[index] = self.now
        pool = self.gives.get(index)
        if pool is not None:
            self.give(self.pools[pool])
        place = self.asks.get(index)
        if place is not None and not self.ask(index, self.pools[place.pool]):
            self.ready.extend(self.nodes[index].soon)
            return
        self.go_on(index, place)

    def ask(self, index: int, pool: Pool) -> bool:
        """Take a place, or stand in line; return whether there was one."""
        if pool.free <= 0:
            pool.line.append(index)
            return False
        pool.free -= 1
        return True

    def give(self, pool: Pool) -> None:
        """Give a place back, to the first in line if there is one."""
        if not pool.line:
            pool.free += 1
            return
        index = pool.line.popleft()
        place = self.asks[index]
        if place.waiter is not None:
            self.ready.append(place.waiter)
        self.schedule(index)

    def go_on(self, index: int, place: Place | None) -> None:
        self.ready.extend(self.nodes[index].soon)
        if place is not None and place.waiter is not None:
            self.ready.append(place.waiter)
        self.schedule(index)

    def schedule(self, index: int) -> None:
        """Begin the waits that begin with a node's end, or with its place."""
        for after, child in self.nodes[index].later:
            self.push(self.now + after, child)

"""Threads that take over steps of the loop: how long each one's work takes there.

A thread that waits (a socket, a lock, a sleep) leaves the GIL alone. One that works in Python has
it. A loop that has slept in its poll then asks for it, and gets it after the switch interval (5 ms
unless set), once for each of the threads that work. A poll that does not sleep gives the GIL up
for too short a time for anybody to take it. A step longer than the interval has to give it up as
well, each time that the interval is over. The threads share the time that is left to them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from heapq import heapreplace
from math import inf

UNBOUNDED = 1 << 10  # threads, where nobody has said how many


class WaitingWorkers:
    """Threads whose work needs no GIL."""

    def __init__(self, threads: int = UNBOUNDED) -> None:
        self.free = [0.0] * threads

    def submit(self, node: int, seconds: float, now: float) -> float:
        """Take over work of a node; return when it will be done."""
        done = max(now, self.free[0]) + seconds
        heapreplace(self.free, done)
        return done

    def idle_until(self, now: float, until: float) -> tuple[float, list[int]]:
        """Return when the loop's poll ends, and what was done by then."""
        return until, []

    def take_turn(self, now: float) -> tuple[float, list[int]]:
        """Return when the loop has the GIL again after its poll."""
        return now, []

    def run(self, now: float, seconds: float) -> tuple[float, list[int]]:
        """Return when a step of the loop ends."""
        return now + seconds, []


@dataclass(slots=True)
class Job:
    node: int
    left: float  # s of work


@dataclass(slots=True)
class WorkingWorkers:
    """Threads that work with the GIL, or wait for it."""

    threads: int = UNBOUNDED
    interval: float = 0.005  # s
    running: list[Job] = field(default_factory=list)
    waiting: deque[Job] = field(default_factory=deque)

    def submit(self, node: int, seconds: float, now: float) -> float:
        """Take over work of a node; when it is done, the other methods tell: return infinity."""
        where = self.running if len(self.running) < self.threads else self.waiting
        where.append(Job(node, seconds))
        return inf

    def idle_until(self, now: float, until: float) -> tuple[float, list[int]]:
        while self.running and now < until:
            first = min(self.running, key=lambda job: job.left)
            whole = first.left * len(self.running)
            if now + whole <= until:
                now += whole
                self.work(first.left)
                return now, self.finished()
            self.work((until - now) / len(self.running))
            break
        return until, []

    def take_turn(self, now: float) -> tuple[float, list[int]]:
        if not self.running:
            return now, []
        took = sum(min(self.interval, job.left) for job in self.running)
        for job in self.running:
            job.left -= min(self.interval, job.left)
        return now + took, self.finished()

    def run(self, now: float, seconds: float) -> tuple[float, list[int]]:
        done: list[int] = []
        while seconds > self.interval and self.running:
            now, more = self.take_turn(now + self.interval)
            seconds -= self.interval
            done += more
        return now + seconds, done

    def work(self, seconds: float) -> None:
        for job in self.running:
            job.left -= seconds

    def finished(self) -> list[int]:
        """Return the nodes whose work is done; the next ones begin."""
        done = [job.node for job in self.running if job.left <= 1e-9]
        self.running = [job for job in self.running if job.left > 1e-9]
        while self.waiting and len(self.running) < self.threads:
            self.running.append(self.waiting.popleft())
        return done

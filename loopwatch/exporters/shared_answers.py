"""Answers made on one thread, off the loop: one for all who ask the same at once.

Making an answer takes the interpreter's lock from the loop for a while. So its CPU time comes from
a budget. While that is used up, whoever asks gets the answer that was made last; who asks something
new waits, with a bound on how many may wait and for how long.
"""

from __future__ import annotations

import math
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from loopwatch.core.breath import begin_to_pause
from loopwatch.core.fork import on_fork
from loopwatch.core.gil_turns import FOR_ANSWERS, want_turns
from loopwatch.core.own_thread import OwnThread

WAITING = 32  # askers that wait for the answers of one thread, beyond which it is busy
PATIENCE = 30.0  # s that one asker waits
SAVED = 0.1  # CPU s that can be saved up
KEPT = 16  # answers kept, each to a question of its own
OLDEST = 15.0  # s for which an answer is kept
LINGER = 5.0  # s without a question after which the thread ends


class BusyError(Exception):
    """There is no answer now; ask again in `retry_after` s."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("too many questions at once, or the last answer takes too long")
        self.retry_after = max(1, math.ceil(retry_after))


class Outcome(NamedTuple):
    """What came of making an answer."""

    value: Any
    error: Exception | None = None

    def result(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.value


Make = Callable[[], Any]
Tell = Callable[[Outcome], object]


class Budget:
    """CPU time that may be used: a share of all time, and a little that was saved up.

    It may be overdrawn once, and is even again after `longest` seconds at most.
    """

    def __init__(self, share: float, longest: float) -> None:
        self._share, self._longest = share, longest
        self._left, self._at = SAVED, time.monotonic()

    def spend(self, seconds: float) -> None:
        now = time.monotonic()
        saved = min(SAVED, self._left + (now - self._at) * self._share)
        self._left, self._at = max(saved - seconds, -self._longest * self._share), now

    def due_in(self) -> float:
        """Return the seconds until something may be spent, 0.0 for now."""
        return max(0.0, -self._left / self._share - (time.monotonic() - self._at))


class Job:
    """One answer to make, and who waits for it."""

    def __init__(self, question: Hashable, make: Make) -> None:
        self.question, self.make = question, make
        self.tells: list[Tell] = []


class SharedAnswers:
    """Makes answers on a daemon thread, which exists while there are questions.

    Args:
        name: the thread's.
        share: of the time of one core that making answers may take.
        longest: s after an answer, at most, until the next one is made.
        waiting: askers that may wait at once.
    """

    def __init__(self, name: str, share: float, longest: float, waiting: int = WAITING) -> None:
        self._name, self._share, self._longest, self._most = name, share, longest, waiting
        self._begin()
        on_fork(self._begin)

    def _begin(self) -> None:
        """In a forked child nobody waits, and there is no thread."""
        self._changed = threading.Condition(threading.Lock())
        self._jobs: OrderedDict[Hashable, Job] = OrderedDict()
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._waiting = 0
        self._running = False
        self._budget = Budget(self._share, self._longest)

    def kept(self, question: Hashable) -> Any:
        """Return the answer that was made last, None if there is to be a new one."""
        with self._changed:
            made_at, value = self._kept.get(question, (-math.inf, None))
            fresh = time.monotonic() - made_at < OLDEST and self._budget.due_in() > 0.0
            return value if fresh else None

    def join(self, question: Hashable, make: Make, tell: Tell) -> Callable[[], None]:
        """Have `tell` called with what came of `make`, on the thread; return what undoes this.

        Raises:
            BusyError: too many wait.
        """
        with self._changed:
            if self._waiting >= self._most:
                raise BusyError(self._budget.due_in())
            self._run()
            job = self._jobs.setdefault(question, Job(question, make))
            job.tells.append(tell)
            self._waiting += 1
            want_turns(FOR_ANSWERS)
            self._changed.notify()
        return lambda: self._leave(job, tell)

    def answer(self, question: Hashable, make: Make) -> Any:
        """Return the answer that was kept, or wait for the next one, on a thread that may.

        Raises:
            BusyError: too many wait, or it takes longer than `PATIENCE`.
            Exception: whatever `make` raised.
        """
        known = self.kept(question)
        if known is not None:
            return known
        outcomes = queue.SimpleQueue[Outcome]()
        leave = self.join(question, make, outcomes.put)
        try:
            return outcomes.get(timeout=PATIENCE).result()
        except queue.Empty:
            raise BusyError(PATIENCE) from None
        finally:
            leave()

    def _leave(self, job: Job, tell: Tell) -> None:
        with self._changed:
            if tell not in job.tells:
                return
            job.tells.remove(tell)
            self._waiting -= 1
            if not job.tells and self._jobs.get(job.question) is job:
                del self._jobs[job.question]

    def _run(self) -> None:
        if self._running:
            return
        try:
            OwnThread(self._work, self._name).start()
        except RuntimeError:
            raise BusyError(LINGER) from None
        self._running = True

    def _work(self) -> None:
        begin_to_pause()
        while (job := self._next()) is not None:
            began = time.thread_time()
            want_turns(FOR_ANSWERS)
            outcome = made(job.make)
            for tell in self._settle(job, outcome, time.thread_time() - began):
                tell(outcome)

    def _next(self) -> Job | None:
        """Return what to make next, once that may be; None if there has been nothing for long."""
        with self._changed:
            until = time.monotonic() + LINGER
            while True:
                now, due = time.monotonic(), self._budget.due_in()
                if self._jobs and not due:
                    return self._jobs.popitem(last=False)[1]
                if not self._jobs and now >= until:
                    self._running = False
                    return None
                self._changed.wait(due if self._jobs else until - now)

    def _settle(self, job: Job, outcome: Outcome, seconds: float) -> list[Tell]:
        """Pay for an answer and keep it; return whom to tell."""
        with self._changed:
            self._budget.spend(seconds)
            if outcome.error is None and getattr(outcome.value, "keep", True):
                self._kept[job.question] = time.monotonic(), outcome.value
                self._kept.move_to_end(job.question)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            tells, job.tells = job.tells, []
            self._waiting -= len(tells)
            return tells


def made(make: Make) -> Outcome:
    try:
        return Outcome(make())
    except Exception as error:
        return Outcome(None, error)
    except BaseException as error:  # to end the thread would end nothing else
        return Outcome(None, RuntimeError(f"no answer: {error!r}"))

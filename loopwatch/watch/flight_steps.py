"""Entries of a flight recorder's ring become steps and polls that cover the loop's time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from loopwatch.core.recording import Kind, RecordedPoll, RecordedStep, Wake
from loopwatch.loop.python_recorder import MOST, POLL, REQUEST_STEP, TASK_STEP

UNDER_WAY = "a step in progress"
LEAST = 1e-7  # s: a shorter hole between two entries is none

KINDS: dict[int, Kind] = {REQUEST_STEP: "request", TASK_STEP: "task"}


class Steps:
    """What is made of the entries, given in order. `began` has when each request began."""

    def __init__(self, names: Sequence[str], began: Mapping[int, float]) -> None:
        self._names, self._began = names, began
        self._own: dict[int, int] = {}  # the request's own task, by the request
        self.steps: list[RecordedStep] = []
        self.polls: list[RecordedPoll] = []
        self.first = self._upto = 0.0
        self._turn = -1

    def begin(self, at: float) -> None:
        """Begin at a moment, since when every entry is there; 0.0: where the first one does."""
        self.first = self._upto = at

    def end(self, until: float, waits: bool) -> None:
        """Add what is in progress: a poll if the loop `waits`, else a step."""
        while self.steps and self.steps[-1].started >= until:
            self.steps.pop()  # it has ended since
        if not self._upto or self._upto >= until:
            return
        if waits:
            self.polls.append(RecordedPoll(self._upto, until))
        else:
            self._append(self._upto, until, "callback", "", 0, 0, UNDER_WAY, 0.0, 0.0, -1)

    def add(self, entry: tuple[Any, ...]) -> None:
        started, ended = entry[:2]
        request, task, name, kind, part, turn, pushes = entry[-7:]
        if not self._upto:
            self.first = self._upto = started
        if started - self._upto >= LEAST:
            self._append(self._upto, started, "gap", "io", 0, 0, "", 0.0, 0.0, -1)
        started, ended = max(started, self._upto), max(ended, self._upto)
        if kind == POLL:
            self.polls.append(RecordedPoll(started, ended))
            self._note_poll(entry)
        else:
            if turn != self._turn and not part and self._turn >= 0:
                self._turned(started)
            wake, made, due, by = self._origin(entry, pushes) if not part else ("", 0.0, 0.0, -1)
            owned = self._kind(kind, request, task, started, ended)
            task = 0 if owned == "request" else task
            text = self._names[name] if owned != "request" else ""
            self._append(started, ended, owned, wake, request, task, text, made, due, by)
        self._turn = turn if not part else self._turn
        self._upto = ended

    def _turned(self, at: float) -> None:
        """A tick has begun without an entry of its poll, which did not wait."""
        self.polls.append(RecordedPoll(at, at))

    def _append(self, *fields: Any) -> None:
        self.steps.append(RecordedStep(*fields))

    def _kind(self, kind: int, request: int, task: int, started: float, ended: float) -> Kind:
        if kind == TASK_STEP and request and started <= self._began.get(request, 0.0) <= ended:
            self._own[request] = task  # it began in this task's step
        own = kind == TASK_STEP and self._own.get(request) == task
        return "request" if own else KINDS.get(kind, "callback")

    def _note_poll(self, entry: tuple[Any, ...]) -> None:
        raise NotImplementedError

    def _origin(self, entry: tuple[Any, ...], pushes: int) -> tuple[Wake, float, float, int]:
        """Return wake, when it was made, when due, and by which step."""
        raise NotImplementedError


class InLineSteps(Steps):
    """Of a loop with one queue of handles. `offset` is that of its own clock, s."""

    def __init__(self, names: Sequence[str], began: Mapping[int, float], offset: float) -> None:
        super().__init__(names, began)
        self._offset = offset
        self._base: int | None = None
        self._firsts: list[int] = []  # number of the first handle that each has appended
        self._lasts: list[int] = []
        self._by: list[int] = []  # index of the step; -1: within a poll
        self._latest: dict[tuple[int, int], int] = {}  # index of each task's latest step

    def _number(self, place: int) -> int:
        """Return the number of a handle, of which the ring has 32 bits."""
        if self._base is None:
            self._base = place
        away = (place - self._base) & MOST
        return away if away <= MOST // 2 else away - MOST - 1

    def _note(self, first: int, last: int, by: int) -> None:
        if last > first:
            self._firsts.append(first)
            self._lasts.append(last)
            self._by.append(by)

    def _note_poll(self, entry: tuple[Any, ...]) -> None:
        self._note(self._number(entry[2]), self._number(entry[3]), -1)

    def _append(self, *fields: Any) -> None:
        super()._append(*fields)
        step = self.steps[-1]
        if step.kind in ("task", "request"):
            self._note_task(step)

    def _note_task(self, step: RecordedStep) -> None:
        """If a timer has woken a task, the task's step before that has set it: a handle of asyncio
        does not say when it was made."""
        key = step.request if step.kind == "request" else 0, step.task
        woken_by = self.steps[step.by] if step.by >= 0 else step
        if woken_by.wake == "timer" and woken_by.by < 0:
            self.steps[step.by] = woken_by._replace(by=self._latest.get(key, -1))
        self._latest[key] = len(self.steps) - 1

    def _origin(self, entry: tuple[Any, ...], pushes: int) -> tuple[Wake, float, float, int]:
        pushed, position, due = self._number(entry[3]), self._number(entry[2]), entry[4]
        self._note(pushed, pushed + pushes, len(self.steps))
        if due:
            return "timer", 0.0, due - self._offset, -1
        at = bisect_right(self._firsts, position) - 1
        if at < 0:
            return ("io" if position >= 0 else ""), 0.0, 0.0, -1
        if position >= self._lasts[at]:
            return "io", 0.0, 0.0, -1
        by = self._by[at]
        return ("thread" if by < 0 else "soon"), 0.0, 0.0, by


class TimedSteps(Steps):
    """Of a loop whose handles know when they were scheduled."""

    def __init__(self, names: Sequence[str], began: Mapping[int, float]) -> None:
        super().__init__(names, began)
        self._starts: list[float] = []

    def _append(self, *fields: Any) -> None:
        super()._append(*fields)
        self._starts.append(fields[0])

    def _note_poll(self, entry: tuple[Any, ...]) -> None:
        """Steps are found by time alone."""

    def _origin(self, entry: tuple[Any, ...], pushes: int) -> tuple[Wake, float, float, int]:
        made, due = entry[2:4]
        at = bisect_right(self._starts, made) - 1 if made else -1
        by = at if at >= 0 and made <= self.steps[at].ended else -1
        if due:
            return "timer", made, due, by
        if by >= 0:
            return "soon", made, 0.0, by
        return ("thread" if at >= 0 else ""), made, 0.0, -1

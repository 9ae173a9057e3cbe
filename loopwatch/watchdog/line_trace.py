"""The line trace of one thread: the line it is on, and its long stretches on single lines.

The methods run in the traced thread, called by a monitoring callback: frame 2 is the app's.
"""

from __future__ import annotations

import sys
from collections import deque
from types import CodeType, FrameType
from typing import NamedTuple

from loopwatch.loop.loop_state import clock

SHARE = 0.8  # of a slow step that a line must have taken to be its culprit
SHORT = 0.001  # s: shorter stretches are not kept
SLACK = 0.005  # s that a stretch may begin before its step, or end after it
SPANS = 256  # long stretches kept
EVENTS = 200_000  # of a trace without a catch; about 0.1 s of the thread's time
ARMED_FOR = 3600.0  # s of a trace without a catch; EVENTS bounds the cost, this only forgets
REACH = 16  # frames searched for the traced caller of a frame that ends


class Pinned(NamedTuple):
    """The line that held the loop."""

    code: CodeType
    line: int
    seconds: float  # spent on it within the step


class Span(NamedTuple):
    """A long stretch on one line. Times are clock, s."""

    code: CodeType
    line: int
    began: float
    ended: float


class LineTrace:
    """The code that is traced on one thread, and the line it is on."""

    __slots__ = ("code", "codes", "deadline", "explored", "left", "line", "roots", "since", "spans")

    def __init__(self) -> None:
        self.roots: list[CodeType] = []  # the suspects
        self.codes: dict[int, CodeType] = {}  # by id: hashing a code object reads all of it
        self.explored: set[int] = set()  # code objects and modules' globals, by id
        self.spans: deque[Span] = deque(maxlen=SPANS)
        self.code: CodeType | None = None  # running now; None: no traced code runs
        self.line = 0
        self.since = clock()
        self.renew()

    def renew(self) -> None:
        self.left, self.deadline = EVENTS, clock() + ARMED_FOR

    def over(self, now: float) -> bool:
        return self.left <= 0 or now >= self.deadline

    def on_line(self, code: CodeType, line: int) -> None:
        now = clock()
        if now - self.since >= SHORT:
            self._keep(now, code, sys._getframe(2))
        self.code, self.line, self.since = code, line, now
        self.left -= 1

    def on_start(self, code: CodeType, frame: FrameType) -> None:
        """A function begins or resumes; if it resumes within a line, no LINE event follows."""
        now = clock()
        if now - self.since >= SHORT:
            self._keep(now, None, frame.f_back)
        self.code, self.line, self.since = code, frame.f_lineno, now
        self.left -= 1

    def on_leave(self, code: CodeType) -> None:
        """A function ends or is suspended; its traced caller goes on, if there is one."""
        now = clock()
        frame: FrameType | None = sys._getframe(2)
        if now - self.since >= SHORT:
            self._keep(now, code, frame)
        self.code, self.since = None, now
        self.left -= 1
        for _ in range(REACH):
            frame = frame.f_back if frame is not None else None
            if frame is not None and id(frame.f_code) in self.codes:
                self.code, self.line = frame.f_code, frame.f_lineno
                return

    def on_call(self, code: CodeType, watched: bool) -> None:
        """A call begins; if it would run own code untraced, its time counts for no line."""
        now = clock()
        if now - self.since >= SHORT:
            self._keep(now, code, sys._getframe(2))
        if self.code is not code:
            self.line = sys._getframe(2).f_lineno
        self.code, self.since = code if watched else None, now
        self.left -= 1

    def _keep(self, now: float, code: CodeType | None, frame: FrameType | None) -> None:
        """Keep the stretch that ends with an event of `code`, in a frame called by `frame`.

        An exception leaves a frame without an event. So the stretch counts only if its code is
        that of the event, or is on the stack on the same line.
        """
        owner = self.code
        while owner is not code and frame is not None:
            if frame.f_code is owner and frame.f_lineno == self.line:
                code = owner
            frame = frame.f_back
        if owner is not None and owner is code:
            self.spans.append(Span(owner, self.line, self.since, now))

    def pinned(self, started: float, ended: float) -> Pinned | None:
        """Return the line that took `SHARE` of the time between two moments (clock, s), or None."""
        lines: dict[tuple[int, int], Pinned] = {}
        for code, line, began, end in tuple(self.spans):
            if began >= started - SLACK and end <= ended + SLACK:
                so_far = lines.get((id(code), line), Pinned(code, line, 0.0)).seconds
                lines[id(code), line] = Pinned(code, line, so_far + end - began)
        most = max(lines.values(), key=lambda pinned: pinned.seconds, default=None)
        return most if most is not None and most.seconds >= SHARE * (ended - started) else None

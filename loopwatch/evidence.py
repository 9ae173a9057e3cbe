"""What a probe hands over about one slow callback, before anyone has explained it."""

from __future__ import annotations

from contextvars import Context
from dataclasses import dataclass, field
from types import CodeType
from typing import NamedTuple

from loopwatch.request import Request


class Spot(NamedTuple):
    """One frame as the watchdog saw it: numbers only, the frame itself is let go."""

    code: CodeType
    instruction: int  # offset in bytes, for the source position of the call
    line: int
    module: str


@dataclass(slots=True)
class Sample:
    """One photograph of the loop thread, taken while one step was running."""

    at: float  # clock, s
    late: bool  # the watchdog was kept waiting: C code may have held the GIL until now
    spots: tuple[Spot, ...]  # innermost first, this step's frames only
    cpu: float  # CPU seconds of the loop thread so far
    context: Context | None = None  # a copy of the running context
    coroutine: str | None = None  # the running task's own
    root: object = None  # the step's outermost frame: tells two callbacks of one tick apart


@dataclass(slots=True)
class Slow:
    """A step that held the loop for at least the threshold."""

    started: float  # clock, s
    duration: float  # s
    thread: str
    request: Request | None = None
    coroutine: str | None = None
    context: Context | None = None  # as it was after the step; a sample's is better
    cpu: float | None = None  # CPU seconds of the loop thread at its end
    samples: list[Sample] = field(default_factory=list)

    @property
    def ended(self) -> float:
        return self.started + self.duration

"""The evidence of one slow callback, before it is explained."""

from __future__ import annotations

from contextvars import Context
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, NamedTuple

from loopwatch.core.holds import Hold
from loopwatch.core.request import Request


class Spot(NamedTuple):
    """One frame as the watchdog saw it: without the frame itself, which is released."""

    code: CodeType
    instruction: int  # offset in bytes, for the source position of the call
    line: int
    module: str

    @classmethod
    def of(cls, frame: FrameType) -> Spot:
        """Return where a frame stands."""
        module = frame.f_globals.get("__name__") or "?"
        return cls(frame.f_code, frame.f_lasti, frame.f_lineno or 0, module)


class ThreadPicture(NamedTuple):
    """Another thread that used the CPU during the stall."""

    name: str
    cpu: float  # s, during the stall or a little longer
    spots: tuple[Spot, ...]  # innermost first
    function: str | None = None  # that a pool's thread was given, or a thread's target
    request: Request | None = None  # in whose context it works
    asker: tuple[Spot, ...] = ()  # of the coroutine that waits for it, innermost first
    code: CodeType | None = None  # of that function, if it is Python


class OutsideFrame(NamedTuple):
    """One frame as the outside process saw it."""

    function: str  # qualified name, without the module
    file: str  # as in the code object
    line: int


class OutsideSample(NamedTuple):
    """The stack of a thread, read from outside at some moment from `at` to `until` (clock, s).

    The watchdog had not come back by `until`. The thread is a loop's, or it has the GIL.
    """

    at: float
    until: float
    thread: int  # native id
    holds_gil: bool
    frames: tuple[OutsideFrame, ...]  # innermost first
    mine: bool = True  # the thread is the loop's own
    name: str = ""  # of the thread


class ThreadWait(NamedTuple):
    """What a thread waits for, and who could end that."""

    kind: str  # lock, future, thread
    holder: str = ""  # the thread that has the lock, works on the future, or is to end
    spots: tuple[Spot, ...] = ()  # where the holder stands, innermost first
    certain: bool = True
    itself: str = ""  # why it can never come: `loop`, `task` or `thread`, see `explain/blocker.py`
    then: ThreadWait | None = None  # what the holder waits for


@dataclass(slots=True)
class Sample:
    """One stack sample of the loop thread, taken while one step ran."""

    at: float  # clock, s
    late: bool  # the watchdog could not look earlier: C code may have kept the GIL until now
    spots: tuple[Spot, ...]  # innermost first, this step's frames only
    cpu: float  # CPU seconds of the loop thread so far
    context: Context | None = None  # a copy of the running context
    coroutine: str | None = None  # the running task's own
    threads: tuple[ThreadPicture, ...] = ()  # other threads, if they were busy; most CPU first
    sure: bool = False  # late, but the place is certain
    wait: ThreadWait | None = None  # what the loop's thread waited for, if it is known
    parked: bool = False  # in a system call that is certainly not the wait for the GIL
    doubtful: bool = False  # another thread of ours had the GIL before the watchdog
    free: bool | None = None  # nobody had the GIL as the watchdog asked for it; None: not timed
    kept: bool = False  # late: it was in such a call as the watchdog asked for the GIL, and had it


@dataclass(slots=True)
class Usage:
    """Where the time of a slow step went, in s; None where the system does not report it.

    The watchdog reads these at its wakes around the step, so each may include a little time from
    before and after it. None is longer than the step, except `others`.
    """

    cpu: float  # of the loop's thread
    others: float = 0.0  # CPU of all other threads together
    queued: float | None = None  # ready, but no CPU was free
    throttled: float | None = None  # kept off the CPU by a quota
    gil_wait: float | None = None  # waiting for the GIL, at most
    frozen: float = 0.0  # the watchdog could not run, for another reason than the GIL
    kept: float = 0.0  # the watchdog waited for the GIL, longer than Python code keeps it
    watched: float = 0.0  # from the watchdog's first planned look to the step's end
    gc: float = 0.0  # in garbage collections
    collector: ThreadPicture | None = None  # the other thread on which the longest of them ran


@dataclass(frozen=True, slots=True)
class Part:
    """The steps of one kind in a tick of many."""

    coroutine: str | None  # the task's own, or the callback's name
    endpoint: Any  # of the request that owned them
    count: int | None
    seconds: float
    code: CodeType | None = None
    request: Request | None = None  # the first that owned one of them


@dataclass(slots=True)
class Slow:
    """A step that held the loop for at least the threshold; or a whole tick, if it has `parts`;
    or the loop's return from the poll."""

    started: float  # clock, s
    duration: float  # s
    thread: str
    threshold: float = 0.1  # s
    thread_id: int = 0
    request: Request | None = None
    coroutine: str | None = None
    context: Context | None = None  # from after the step; a sample's context is better
    cpu: float | None = None  # CPU seconds of the loop thread at its end
    code: CodeType | None = None  # of the task's coroutine or the callback
    parts: tuple[Part, ...] = ()  # most seconds first
    samples: list[Sample] = field(default_factory=list)
    outside: list[OutsideSample] = field(default_factory=list)
    pinned: tuple[CodeType, int] | None = None  # the line that a line trace has caught
    usage: Usage | None = None
    hold: Hold | None = None  # has the requests that waited for it
    unseen: bool = False  # no stack sample was taken, since the CPU budget was spent

    @property
    def ended(self) -> float:
        return self.started + self.duration

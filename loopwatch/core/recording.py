"""What a flight recorder has recorded of one loop: plain data, made when somebody asks for it.

All moments are seconds of `time.perf_counter` of the recording process; `unix` is what to add to
get Unix time. A recording reaches back as far as `since`. What began before is not in it, so a
step's `by` may be unknown, and so may the request of an early step.

Steps are in order, and do not overlap. With the polls they cover the loop's time: on asyncio a step
begins where the one before it ended, or where the poll returned; on uvloop the time between two
steps is a step of kind `gap`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["request", "task", "callback", "gap"]
Wake = Literal["soon", "timer", "io", "thread", ""]


class RecordedStep(NamedTuple):
    """One step of a loop."""

    started: float  # clock, s
    ended: float
    kind: Kind
    """`request`: of the request's own task, as the server calls the app; `task`: of any other task;
    `callback`: of none; `gap`: what ran between two steps. On uvloop these are callbacks of the
    loop itself, such as a transport's, which nobody can tell apart; else loopwatch's own work."""
    wake: Wake
    """What put it in line: `soon` a step, by `call_soon`; `timer`; `io` a socket that the poll
    found ready; `thread` another thread, by `call_soon_threadsafe`, while the loop was in its poll;
    empty if not known. The end of uvloop's poll is known to some µs only: what another thread has
    put in line just then may seem to come from the gap that follows."""
    request: int  # serial number of the request that owns it; 0: none
    task: int  # the same number for all steps of one task; 0: none, or the request's own
    name: str  # the coroutine's or the callback's; empty for `request` and `gap`
    made: float  # clock, s: when it was scheduled; 0.0: not known (asyncio, where `by` says it)
    due: float  # clock, s: when a timer was due; 0.0: it was none
    by: int
    """Index in `Recording.steps` of the step that scheduled it; -1: not known, or none. Of a timer
    of asyncio: the last step, before that, of the task that the timer has woken."""


class RecordedPoll(NamedTuple):
    """One poll of a loop, which ends a tick and begins the next one."""

    started: float  # clock, s
    ended: float  # the same as `started` if it did not wait


class RecordedRequest(NamedTuple):
    """One request; its four parts add up to its latency."""

    serial: int  # as in `RecordedStep.request`
    method: str
    route: str
    arrived: float  # clock, s: when its bytes were in the socket
    started: float  # when the app was called
    responded: float  # when its response was complete; 0.0: it was not
    ended: float  # when the app returned; 0.0: it is in flight
    running: float  # s in its own steps until it responded
    stalled: float  # s ready to run, while others held the loop
    pooled: float  # s waiting for a worker thread; a share of what is `waiting`

    @property
    def finished(self) -> float:
        """When its latency ended, clock, s: `responded`, or `ended` without a response."""
        return self.responded or self.ended

    @property
    def queued(self) -> float:
        """Seconds in the socket before the app was called."""
        return self.started - self.arrived

    @property
    def latency(self) -> float:
        """Seconds from its arrival until it was answered; 0.0 if it is in flight."""
        return max(0.0, self.finished - self.arrived)

    @property
    def waiting(self) -> float:
        """Seconds in none of the other three parts."""
        return max(0.0, self.latency - self.queued - self.running - self.stalled)


class RecordedWait(NamedTuple):
    """A request that waited for a hold of the loop that was not its own: one victim."""

    started: float  # of the hold, clock, s
    ended: float
    culprit: int  # serial number of the request whose step it was; 0: none
    request: int  # the victim
    seconds: float  # that it waited; where that is not known, the expectation
    queued: bool  # in its socket


class RecordedPause(NamedTuple):
    """One long pause of the garbage collector."""

    started: float  # clock, s
    ended: float


class Recording(NamedTuple):
    """The last seconds of one loop. Times are clock, s."""

    loop: str  # `asyncio`, `uvloop` or another kind
    thread: str
    native_id: int  # of the thread, as the system numbers it
    unix: float  # what to add to a moment to get Unix time
    since: float  # nothing before is in it
    until: float  # when it was read
    steps: tuple[RecordedStep, ...]
    polls: tuple[RecordedPoll, ...]
    requests: tuple[RecordedRequest, ...]  # in order of their ends, those in flight last
    waits: tuple[RecordedWait, ...]
    pauses: tuple[RecordedPause, ...]
    cut: bool  # the ring had no room for all that was asked for, so `since` is later

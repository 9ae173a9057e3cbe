"""The flight recorder of one loop as its watch reads it: rings of bytes become a `Recording`.

Where a handle came from is not noted as it is scheduled, which would cost too much, but found here.
An asyncio loop appends its handles to one queue and takes them in order. So the number of a handle
says within which step it was appended: the step notes the queue's length as it begins and ends. On
other loops a handle has the time at which it was scheduled.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from types import CodeType
from typing import Any

from loopwatch.core.breath import breathe
from loopwatch.core.names import callable_name, code_name
from loopwatch.core.record_types import NONE, OTHER
from loopwatch.core.recording import RecordedPause, RecordedRequest, RecordedWait, Recording
from loopwatch.core.request import Request, clock, unix_time
from loopwatch.core.safe_text import encodable, label
from loopwatch.ledger.request_table import RequestTable, known_row
from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.python_recorder import IN_LINE, NAMES, OF_REQUEST, TIMED
from loopwatch.loop.step_timing import Recorder
from loopwatch.watch.flight_steps import InLineSteps, Steps, TimedSteps
from loopwatch.watch.in_flight import requests_in_flight
from loopwatch.watchdog.gc_pauses import long_pauses

SPAN = 30.0  # s that a recording reaches back, at most
CHUNK = 2048  # entries copied at once: 100 KB, and some µs
WAITS = 10_000  # victims remembered: the latest


class Flight:
    """What is recorded of one loop. Made on its thread, read on any."""

    def __init__(self, state: LoopState, table: RequestTable, kind: str) -> None:
        self._kind, self._table = kind, table
        self._state: LoopState | None = state
        self._recorder = state.recorder = table.recorder = Recorder()
        self._waits: deque[RecordedWait] = deque(maxlen=WAITS)
        state.victim_search.noted = self._waits
        self._began, self._landed = state.installed, math.inf
        self._offset = state.loop.time() - clock()
        self._names: list[str] = []
        self._seen = 0  # requests that `slowest` has looked at
        self._thread = state.thread_name, state.native_id

    def land(self) -> None:
        """Its loop is watched no more: keep nothing of it but what was recorded."""
        if self._state is not None:
            self._thread = self._state.thread_name, self._state.native_id
        self._state, self._landed = None, clock()

    def reading(self, seconds: float = SPAN) -> Recording:
        """Return the last `seconds`, as far as they were recorded."""
        until = min(clock(), self._landed)
        state = self._state
        waits = state is not None and state.position(until)[2] is None
        thread = (state.thread_name, state.native_id) if state is not None else self._thread
        asked = max(self._began, until - seconds)
        entries, whole = self._entries(asked)
        requests = self._requests(asked)
        steps = self._steps({r.serial: r.started for r in requests})
        steps.begin(asked if asked == self._began and whole else 0.0)
        for entry in entries:
            steps.add(entry)
            breathe()
        steps.end(until, waits)
        return Recording(
            loop=label(self._kind),
            thread=encodable(thread[0]),
            native_id=thread[1],
            unix=unix_time(0.0),
            since=asked if whole else max(asked, steps.first),
            until=until,
            steps=tuple(steps.steps),
            polls=tuple(steps.polls),
            requests=tuple(requests),
            waits=tuple(wait for wait in [*self._waits] if wait.ended >= asked),
            pauses=tuple(RecordedPause(*p) for p in long_pauses() if p[1] >= asked),
            cut=not whole,
        )

    def slowest(self) -> float:
        """Return the latency, s, of the slowest request that ended since this was last called."""
        first, self._seen = self._seen, self._recorder.requests_count
        ended = OF_REQUEST.iter_unpack(self._recorder.ended(first, self._seen))
        return max(((done or over) - arrived for arrived, _, done, over, *_ in ended), default=0.0)

    def _steps(self, began: dict[int, float]) -> Steps:
        if self._recorder.line is not None:
            return InLineSteps(self.names(), began, self._offset)
        return TimedSteps(self.names(), began)

    def _entries(self, since: float) -> tuple[Iterable[tuple[Any, ...]], bool]:
        """Return what was recorded since then, and whether that is all there was."""
        form = TIMED if self._recorder.line is None else IN_LINE
        found, whole = latest(self._recorder.entries, self._recorder.count, form, 1, since)
        return found, whole

    def _requests(self, since: float) -> list[RecordedRequest]:
        """Return the requests that ended since then, then those in flight."""
        recorder, labels = self._recorder, self._table.labels
        ended, _ = latest(recorder.ended, recorder.requests_count, OF_REQUEST, 3, since)
        found = []
        for *moments, serial, row in ended:
            route, method = labels[row]
            found.append(RecordedRequest(serial, method, route, *moments))
            breathe()
        return found + [self._in_flight(request) for request in self._flying()]

    def _flying(self) -> list[Request]:
        if self._state is None or self._state.loop.is_closed():
            return []
        return sorted(requests_in_flight(self._state.loop), key=lambda each: each.started)

    def _in_flight(self, request: Request) -> RecordedRequest:
        row = getattr(request, "row", None) or known_row(self._table.rows, request)
        method = row.method if row is not None else NONE
        route = (row.route or NONE) if row is not None else NONE
        return RecordedRequest(
            *(request.serial, method, route),
            *(request.started - request.queued, request.started, request.responded, 0.0),
            running=request.taken + request.seconds + sum(request.times),
            stalled=request.stalled,
            pooled=request.pooled,
        )

    def names(self) -> list[str]:
        """Return the names of what ran, by number; each is made only once."""
        for thing in self._recorder.things[len(self._names) :]:
            self._names.append(label(name_of(thing)))
            breathe()
        return ["", *self._names, *[OTHER] * (NAMES - 1 - len(self._names))]


def name_of(thing: Any) -> str:
    """Return the name of a code object, a type, or a function of a type's."""
    try:
        if isinstance(thing, CodeType):
            return code_name(thing)
        if isinstance(thing, tuple):
            return f"{callable_name(thing[0])}.{thing[1]}"
        return callable_name(thing)
    except Exception:
        return OTHER


def latest(
    read: Callable[[int, int], bytes], count: int, form: Struct, at: int, since: float
) -> tuple[Iterator[tuple[Any, ...]], bool]:
    """Return the entries of a ring whose number `at` is not before `since`, oldest first, and
    whether these are all that there ever were."""
    chunks: list[bytes] = []
    last, whole = count, True
    while last > 0:
        first = max(0, last - CHUNK)
        chunk = read(first, last)
        whole = len(chunk) == (last - first) * form.size
        chunks.append(chunk)
        breathe()
        if not whole or not chunk or form.unpack_from(chunk)[at] < since:
            break
        last = first
    entries = (entry for chunk in reversed(chunks) for entry in form.iter_unpack(chunk))
    if not whole and chunks and chunks[-1]:
        whole = form.unpack_from(chunks[-1])[at] < since
    return (entry for entry in entries if entry[at] >= since), whole

"""The Python version of `native/recorder.c` and `native/recorded_step.c`: a loop's flight recorder.

Its rings have the same bytes, so one reader reads both (`watch/recorded.py`). Two things are less
exact than in C. A request's own steps are those of the server's task, found by when it began. And a
`call_soon` of uvloop does not note the time, so who scheduled a callback there is not known.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sized
from struct import Struct
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any

from loopwatch.core.names import coroutine_code
from loopwatch.core.task_context import task_coroutine
from loopwatch.loop.busy_ticks import task_of

ENTRIES = 131072  # steps and polls
ENDED = 32768  # requests that have ended
NAMES = 1024  # kinds of callbacks that are told apart, with the two first ones
REQUEST_STEP, TASK_STEP, CALLBACK_STEP, POLL = range(4)  # the kinds of entries

IMMUTABLE = 1 << 8  # flag of a type that cannot be changed: of C's

IN_LINE = Struct("=ddIIdIIHBBHH")  # with the handle's place in the loop's queue
TIMED = Struct("=ddddIIHBBHH")  # with the time at which it was scheduled
OF_REQUEST = Struct("=dddddddII")


class Recorder:
    """The latest steps, polls and ended requests of one loop; only the loop's thread writes."""

    count: int  # steps and polls so far; the ring has the latest
    requests_count: int  # requests that have ended so far
    line: Sized | None  # the loop's queue of ready handles

    def __init__(self) -> None:
        self._entries = bytearray(ENTRIES * IN_LINE.size)
        self._requests = bytearray(ENDED * OF_REQUEST.size)
        self.count = self.requests_count = 0
        self.line = None
        self._left = self._pushed = self._position = 0
        self._names: dict[Any, int] = {}
        self._things: list[Any] = []

    @property
    def things(self) -> tuple[Any, ...]:
        """What is told apart: code objects, types, and (type, text)."""
        return tuple(self._things)

    def follow(self, line: Any) -> None:
        """Follow the loop's own queue of ready handles from now on, if it is one."""
        if type(line) is deque:
            self.line, self._left = line, len(line)

    def place(self) -> None:
        """Note the place of a handle that was taken from the queue, and whose step begins."""
        if self.line is not None:
            self._look(1)
            self._position = self._pushed - self._left - 1

    def _look(self, taken: int) -> None:
        left = len(self.line)  # type: ignore[arg-type]
        self._pushed += max(0, left + taken - self._left)
        self._left = left

    def step(
        self, state: Any, callback: Any, handle: Any, request: Any, began: float, now: float
    ) -> None:
        """Record a step that has just ended; of uvloop's, only a timer has a handle."""
        kind, task, name = self._known(callback)
        serial = 0 if request is None else request.serial
        owner = serial & MOST, task, name, kind, 0, state.turns & 0xFFFF
        if self.line is None:
            made, due = getattr(handle, "_made", 0.0), getattr(handle, "_due", 0.0)
            self._put(TIMED, began, now, made, due, *owner, 0)
            return
        before = self._pushed
        self._look(0)
        pushes, due = min(self._pushed - before, 0xFFFF), getattr(handle, "_when", 0.0)
        place = self._position & MOST, before & MOST
        self._put(IN_LINE, began, now, *place, due, *owner, pushes)

    def _put(self, form: Struct, *fields: Any) -> None:
        form.pack_into(self._entries, self.count % ENTRIES * form.size, *fields)
        self.count += 1

    def add_step(self, started: float, ended: float, request: Any) -> None:
        """Record a part of a step that is a request's own, or nobody's (None)."""
        serial, kind = (0, CALLBACK_STEP) if request is None else (request.serial, REQUEST_STEP)
        form, place = (TIMED, (0.0,)) if self.line is None else (IN_LINE, (0, 0))
        self._put(form, started, ended, *place, 0.0, serial & MOST, 0, 0, kind, 1, 0, 0)

    def poll(self, state: Any, started: float, ended: float) -> None:
        """Record a poll; what is in line by now was appended by other threads."""
        turn, first = state.turns & 0xFFFF, self._pushed
        if self.line is None:
            self._put(TIMED, started, ended, 0.0, 0.0, 0, 0, 0, POLL, 0, turn, 0)
            return
        self._look(0)
        places = first & MOST, self._pushed & MOST
        self._put(IN_LINE, started, ended, *places, 0.0, 0, 0, 0, POLL, 0, turn, 0)

    def add_request(self, row: Any, request: Any) -> None:
        """Record a request that has ended."""
        OF_REQUEST.pack_into(
            self._requests,
            self.requests_count % ENDED * OF_REQUEST.size,
            *(request.started - request.queued, request.started, request.responded),
            *(request.ended, request.settled, request.stalled, request.pooled),
            *(request.serial & MOST, row.number),
        )
        self.requests_count += 1

    def entries(self, first: int, last: int) -> bytes:
        """Return the entries with these numbers, the last one excluded; those that are gone by now
        are left out at the beginning."""
        return ring_span(self._entries, IN_LINE.size, ENTRIES, self.count, first, last)

    def ended(self, first: int, last: int) -> bytes:
        """Return the same for the requests that have ended."""
        return ring_span(self._requests, OF_REQUEST.size, ENDED, self.requests_count, first, last)

    def _known(self, callback: Any) -> tuple[int, int, int]:
        """Return kind, task and name of what a callback runs."""
        if callback is None:
            return CALLBACK_STEP, 0, 0
        task = task_of(callback)
        if task is None:
            return CALLBACK_STEP, 0, self._name(*of_callback(callback))
        coroutine = task_coroutine(task)
        code = coroutine_code(coroutine)
        seen = task if coroutine is None else coroutine
        known = of_type(type(seen)) if code is None else (id(code), code)
        return TASK_STEP, id(task) >> 4 & MOST, self._name(*known)

    def _name(self, key: Any, thing: Any) -> int:
        """Return a name from 1 on; the last one is that of all others. The thing is kept, so that
        nothing else gets its id."""
        known = self._names.get(key)
        if known is None:
            if len(self._things) >= NAMES - 1:
                return NAMES - 1
            self._things.append(thing)
            known = self._names[key] = len(self._things)
        return known


MOST = 0xFFFFFFFF


def ring_span(ring: bytearray, size: int, room: int, count: int, first: int, last: int) -> bytes:
    last = min(last, count)
    first = min(max(first, count - room, 0), last)
    begin, end = first % room * size, last % room * size
    if last - first and end <= begin:
        return bytes(ring[begin:]) + bytes(ring[:end])
    return bytes(ring[begin:end])


def of_callback(callback: Any) -> tuple[Any, Any]:
    """Return what is told apart of a callback that runs no task: its key, and what is kept."""
    kind = type(callback)
    function = callback.__func__ if kind is MethodType else callback
    if type(function) is FunctionType:
        return id(function.__code__), function.__code__
    if kind is BuiltinFunctionType:
        owner = type(callback.__self__)
        if owner not in (ModuleType, NoneType):
            owner = kept_type(owner)
            return (id(owner), callback.__name__), (owner, callback.__name__)
    return of_type(kind)


def of_type(kind: Any) -> tuple[int, Any]:
    """Return the same of an object that is called or awaited, by its type. No class of the app's is
    kept, but the code of its `__call__`, or a type of C's that it derives from."""
    kept = kept_type(kind)
    if kept is not kind and type(kind) is type:
        call = getattr(kind, "__call__", None)  # noqa: B004
        if type(call) is FunctionType:
            kept = call.__code__
    return id(kept), kept


def kept_type(kind: Any) -> Any:
    while not kind.__flags__ & IMMUTABLE and kind.__base__ is not None:
        kind = kind.__base__
    return kind

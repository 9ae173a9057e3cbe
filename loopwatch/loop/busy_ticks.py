"""The steps of a tick of many callbacks, by kind.

While ticks are short, only steps of at least `LONG` are noted. Shorter ones are noted once the tick
is `OLD`, or from the start of a busy tick (`limit` of the loop state then sends every step the slow
way). So if a tick began with few ready callbacks of less than a millisecond each, those first ones
are not noted.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Iterator
from types import CodeType
from typing import Any

from loopwatch.core.evidence import Part
from loopwatch.core.names import attribute, callable_name, code_name, coroutine_code, coroutine_name
from loopwatch.core.request import Request
from loopwatch.core.task_context import task_coroutine

KINDS = 128  # noted in one tick; steps of further kinds are only counted, if the tick was slow
ASYNCIO = os.path.dirname(asyncio.__file__) + os.sep
OLD = 0.02  # s of a tick from which short steps are noted too


class BusyTick:
    """The steps of the tick in progress, by what ran; written by the loop's thread only."""

    def __init__(self) -> None:
        self._noted: dict[Any, Noted] = {}
        self._left_out = 0  # steps of this tick
        self.lost = 0  # steps of slow ticks that their parts lack
        self.behind = 0.0  # s of this tick in requests that had waited for a hold just before it

    def add(self, handle: Any, request: Request | None, took: float) -> None:
        """Note one step that took `took` seconds. `handle` is None for a gap between two steps, and
        for the step of an eager request, of which only the request is known."""
        endpoint, code = endpoint_of(request), handle_code(handle)
        noted = self._noted.get((id(code), id(endpoint)))
        if noted is None:
            noted = self._note(code, endpoint, handle_name(handle), request)
        if noted is not None:
            noted.count += 1
            noted.seconds += took

    def _note(
        self, code: Any, endpoint: Any, name: str | None, request: Request | None
    ) -> Noted | None:
        if len(self._noted) >= KINDS:
            self._left_out += 1
            return None
        key = id(code), id(endpoint)  # both objects are kept, so their ids stay unique
        return self._noted.setdefault(key, Noted(name, code, endpoint, request))

    def is_aftermath(self, took: float) -> bool:
        """Return whether a tick of `took` s mostly worked off what had waited for a hold: requests,
        and the loop's own callbacks that read them."""
        reading = sum(n.seconds for n in self._noted.values() if n.request is None and n.is_loops())
        return self.behind > 0.0 and self.behind + reading >= took / 2

    def clear(self) -> None:
        self.behind = 0.0
        if self._noted:
            self._noted.clear()
            self._left_out = 0

    def parts(self, notes: Iterable[tuple[Any, Any, Any, float]] = ()) -> tuple[Part, ...]:
        """Return the parts of a slow tick, most seconds first. `notes` are further steps of it:
        code, endpoint, request, seconds."""
        for code, endpoint, request, took in notes:
            noted = self._noted.get((id(code), id(endpoint)))
            if noted is None:
                noted = self._note(code, endpoint, name_of(code), request)
            if noted is not None:
                noted.count += 1
                noted.seconds += took
        self.lost, self._left_out = self.lost + self._left_out, 0
        return tuple(sorted(self._parts(), key=lambda part: -part.seconds))

    def _parts(self) -> Iterator[Part]:
        for noted in self._noted.values():
            code = noted.code if isinstance(noted.code, CodeType) else None
            yield Part(noted.name, noted.endpoint, noted.count, noted.seconds, code, noted.request)


class Noted:
    """The steps of one kind."""

    __slots__ = ("code", "count", "endpoint", "name", "request", "seconds")

    def __init__(self, name: str | None, code: Any, endpoint: Any, request: Any) -> None:
        self.name, self.code, self.endpoint, self.request = name, code, endpoint, request
        self.count, self.seconds = 0, 0.0

    def is_loops(self) -> bool:
        """Return whether it is a callback of the loop itself, or of its transports."""
        code = self.code
        if isinstance(code, CodeType):
            return code.co_filename.startswith(ASYNCIO)
        return getattr(code, "__module__", "").startswith(("asyncio", "uvloop", "_asyncio"))


def name_of(code: Any) -> str:
    """Return the name of a result of `handle_code`."""
    return code_name(code) if isinstance(code, CodeType) else callable_name(code)


def endpoint_of(request: Request | None) -> Any:
    if request is None:
        return None
    scope = request.scope
    return scope.get("endpoint") if scope is not None else request.row.endpoint


def running_task(handle: Any) -> Any:
    """Return the task whose step a handle runs, None for a plain callback."""
    return task_of(attribute(handle, "_callback"))


def task_of(callback: Any) -> Any:
    """Return the task whose step a callback runs, None for a plain callback.

    A callback may be any object, so reading its attribute may run code of the app, which may fail.
    """
    try:
        task = getattr(callback, "__self__", None)
        return task if isinstance(task, asyncio.Task) else None
    except Exception:
        return None


def handle_code(handle: Any) -> Any:
    """Return what all handles of one kind share: a code object, else a type."""
    task = running_task(handle)
    if task is not None:
        coroutine = task_coroutine(task)
        return coroutine_code(coroutine) or type(coroutine)
    callback = getattr(handle, "_callback", None)
    callback = attribute(callback, "func", callback)  # a partial
    callback = attribute(callback, "__func__", callback)  # a method
    return attribute(callback, "__code__") or type(callback)


def handle_name(handle: Any) -> str | None:
    """Return the name of what a handle ran: a task's coroutine, or the callback itself."""
    task = running_task(handle)
    if task is not None:
        return coroutine_name(task_coroutine(task))
    callback = getattr(handle, "_callback", None)
    return callable_name(callback) if callback is not None else None

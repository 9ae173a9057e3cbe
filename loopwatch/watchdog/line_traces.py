"""The line traces: from the second offence on, they find the line of an operator that kept the GIL.

Rule: only suspected code is traced, only on the suspect's own thread, and only after a first
offence. A line is named only if it alone took most of the slow step.

Theory (PEP 669, 3.12+): LINE and the other *local* events are set on single code objects. They call
us as a line, a call, a suspension or an end begins. The time between two events of one thread
belongs to the line that runs after the first of them, so time is exclusive and the innermost line
wins. Nothing is counted while a coroutine is suspended. Called functions are traced from the CALL
on, before they run. What operators call without a CALL (`__eq__`, properties) is looked up among
the classes that the module knows. Not seen: own code that a library calls, if the library got it
neither by name nor as the first argument; then the line of the call is named.

Safety: the watchdog's thread removes events, never a callback, and no callback waits for a lock.
`DISABLE` is never returned: a disabled line would give its time to the line before it, and
`restart_events` affects all tools. Tool id 2 is not used: cProfile fails if it is taken. If our id
has come to be another tool's, its events and callbacks are left alone.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from threading import get_ident
from types import CodeType, FunctionType
from typing import Any

from loopwatch.core.guard import log_once, say
from loopwatch.watchdog.callees import NATIVE, WITHIN, codes_of, uncalled
from loopwatch.watchdog.line_trace import EVENTS, LineTrace, Pinned

CODES = 128  # code objects traced on one thread
CLASSES = 256  # classes of a module that are searched for what operators call
FRUITLESS = 3  # line traces without a catch after which a code object is not traced any more
REMEMBERED = 256  # code objects whose traces without a catch are counted
FOREIGN = 1024  # code objects remembered as not the user's own
TOOL_IDS = (4, 3)  # 0, 1, 2 and 5 are for a debugger, coverage, a profiler, an optimiser
NAME = "loopwatch"
PASSED = {FunctionType, *WITHIN}  # first arguments that are traced: map(f, ...) calls f
HERE = "loopwatch.watchdog.line_traces"

monitoring: Any = getattr(sys, "monitoring", None)


class LineTraces:
    """Traces the lines of suspects; one per process. `own` says whether code is the user's own.

    `suspect` and `find` are for the thread that explains stalls, one at a time; `tend` is for the
    watchdog's thread, `stop` for any thread.
    """

    def __init__(self, own: Callable[[CodeType], bool]) -> None:
        self.own = own
        self.tool: int | None = None  # the id taken while anything is traced
        self._lock = threading.RLock()
        self._traces: dict[int, LineTrace] = {}  # by thread
        self._fruitless: dict[int, tuple[CodeType, int]] = {}
        self._foreign: dict[int, CodeType] = {}
        self._strays = 0  # events of threads without a trace that run the same code
        self._told = False
        self._callbacks = self._make_callbacks() if monitoring is not None else {}
        self._events = sum(self._callbacks)

    def _make_callbacks(self) -> dict[int, Callable[..., None]]:
        event = monitoring.events
        return {
            event.LINE: self._line,
            event.CALL: self._call,
            event.PY_START: self._start,
            event.PY_RESUME: self._start,
            event.PY_RETURN: self._leave,
            event.PY_YIELD: self._leave,
        }

    def suspect(self, codes: Iterable[CodeType], thread_id: int) -> None:
        """Trace own code on a thread from now on, until a bound is reached."""
        roots = [c for c in codes if self._fruitless.get(id(c), (c, 0))[1] < FRUITLESS]
        with self._lock:
            if not roots or not self._take_tool():
                return
            trace = self._traces.setdefault(thread_id, LineTrace())
            for code in roots:
                if id(code) not in trace.codes and self._arm(code, trace):
                    trace.roots.append(code)

    def find(self, started: float, ended: float, thread_id: int) -> Pinned | None:
        """Return the line that held a thread between two moments (clock, s); None if not seen.

        A trace with a catch goes on with fresh bounds, so that the next offence is seen too.
        """
        trace = self._traces.get(thread_id)
        pinned = trace.pinned(started, ended) if trace is not None else None
        if trace is not None and pinned is not None:
            trace.renew()
            self._strays = 0
            for code in trace.roots:
                self._fruitless.pop(id(code), None)
        return pinned

    def tend(self, now: float) -> None:
        """End traces that have reached a bound; called at every look of the watchdog."""
        for thread_id, trace in tuple(self._traces.items()):
            if trace.over(now) or self._strays >= EVENTS:
                for code in trace.roots:
                    self._count_fruitless(code)
                self._end(thread_id)

    def stop(self) -> None:
        """End all traces; `suspect` may begin new ones."""
        for thread_id in tuple(self._traces):
            self._end(thread_id)

    def abandon(self) -> None:
        """`stop` in a forked child, where another thread may have held the lock."""
        self._lock = threading.RLock()
        self.stop()

    def _count_fruitless(self, code: CodeType) -> None:
        count = self._fruitless.pop(id(code), (code, 0))[1]
        if len(self._fruitless) >= REMEMBERED:
            del self._fruitless[next(iter(self._fruitless))]
        self._fruitless[id(code)] = code, count + 1

    def _take_tool(self) -> bool:
        """Return whether we have a tool id; take one if we have none yet."""
        if self.tool is not None and not self._has_tool():
            self._forget()
        if self.tool is None and supported():
            self.tool = next((i for i in TOOL_IDS if taken(i)), None)
            if self.tool is not None:
                for event, callback in self._callbacks.items():
                    monitoring.register_callback(self.tool, event, callback)
            elif not self._told:
                self._told = True
                say(
                    logging.INFO,
                    "no free sys.monitoring tool id: lines of operators cannot be pinned",
                )
        return self.tool is not None

    def _has_tool(self) -> bool:
        """Return whether the tool id is still ours: anybody can free it, and take it."""
        if self.tool is None:
            return False
        if monitoring.get_tool(self.tool) is None:
            monitoring.use_tool_id(self.tool, NAME)  # what we have set there may still be there
        return bool(monitoring.get_tool(self.tool) == NAME)

    def _forget(self) -> None:
        """Trace nothing, and touch nothing: the tool id is another tool's, or nobody's."""
        self._traces.clear()
        self._foreign.clear()
        self.tool, self._strays = None, 0

    def _arm(self, code: CodeType, trace: LineTrace) -> bool:
        """Trace a code object, and the functions, lambdas and comprehensions written in it."""
        if len(trace.codes) >= CODES or not self._has_tool():
            return False
        trace.codes[id(code)] = code
        monitoring.set_local_events(self.tool, code, self._events)
        for inner in code.co_consts:
            if isinstance(inner, CodeType) and id(inner) not in trace.codes:
                self._arm(inner, trace)
        return True

    def _end(self, thread_id: int) -> None:
        with self._lock:
            if not self._has_tool():
                self._forget()
                return
            trace = self._traces.pop(thread_id, LineTrace())
            others = {i for other in self._traces.values() for i in other.codes}
            for code in trace.codes.values():
                if id(code) not in others:
                    monitoring.set_local_events(self.tool, code, 0)
            if not self._traces and self.tool is not None:
                for event in self._callbacks:
                    monitoring.register_callback(self.tool, event, None)
                monitoring.free_tool_id(self.tool)
                self._forget()

    # The callbacks run in the traced thread: an exception in one would reach the app.

    def _line(self, code: CodeType, line: int) -> None:
        trace = self._traces.get(get_ident())
        if trace is None:
            self._strays += 1
        else:
            try:
                trace.on_line(code, line)
            except Exception:
                log_once(HERE)

    def _start(self, code: CodeType, offset: int) -> None:
        trace = self._traces.get(get_ident())
        if trace is None:
            self._strays += 1
        else:
            try:
                frame = sys._getframe(1)
                if id(code) not in trace.explored:
                    self._explore(trace, code, frame.f_globals)
                trace.on_start(code, frame)
            except Exception:
                log_once(HERE)

    def _leave(self, code: CodeType, offset: int, value: object) -> None:
        trace = self._traces.get(get_ident())
        if trace is None:
            self._strays += 1
        else:
            try:
                trace.on_leave(code)
            except Exception:
                log_once(HERE)

    def _call(self, code: CodeType, offset: int, called: object, argument: object) -> None:
        trace = self._traces.get(get_ident())
        if trace is None:
            self._strays += 1
        else:
            try:
                watched = type(called) in NATIVE or self._follow(trace, called)
                if type(argument) in PASSED:
                    watched = self._follow(trace, argument) and watched
                trace.on_call(code, watched)
            except Exception:
                log_once(HERE)

    def _follow(self, trace: LineTrace, target: object) -> bool:
        """Trace what may be called next; False if own code would run untraced."""
        unwatched = [code for code in codes_of(target) if not self._watch(code, trace)]
        return not unwatched

    def _watch(self, code: CodeType, trace: LineTrace) -> bool:
        if id(code) in trace.codes or id(code) in self._foreign:
            return True
        if not self.own(code):
            if len(self._foreign) >= FOREIGN:
                self._foreign.clear()
            self._foreign[id(code)] = code
            return True
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return trace in self._traces.values() and self._arm(code, trace)
        finally:
            self._lock.release()

    def _explore(self, trace: LineTrace, code: CodeType, names: dict[str, Any]) -> None:
        """Trace what may run without a CALL: functions named here, and operators of classes.

        Other code may get these functions and call them; before 3.12.3 `f(*args)` was no CALL.
        """
        trace.explored.add(id(code))
        for name in code.co_names:
            self._follow(trace, names.get(name))
        if id(names) not in trace.explored:
            trace.explored.add(id(names))
            classes = [v for v in tuple(names.values()) if issubclass(type(v), type)]
            for function in (f for known in classes[:CLASSES] for f in uncalled(known)):
                self._follow(trace, function)


def supported() -> bool:
    """Return whether lines can be traced: it needs Python 3.12+ with a GIL."""
    gil: Callable[[], bool] | None = getattr(sys, "_is_gil_enabled", None)
    return monitoring is not None and (gil is None or gil())


def taken(tool: int) -> bool:
    """Take a tool id; False if another tool has it, or left events set."""
    try:
        monitoring.use_tool_id(tool, NAME)
    except ValueError:
        return False
    if monitoring.get_events(tool):
        monitoring.free_tool_id(tool)
        return False
    return True

"""Line traces begin beside other tools, change nothing the code does, and leave nothing behind."""

import os
import sys
import threading
import time
from types import CodeType
from typing import Any

import pytest

from loopwatch.core import guard
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog import line_traces as lines
from loopwatch.watchdog.line_traces import LineTraces

from .offences import (
    armed,
    assert_nothing_left,
    elsewhere,
    monitoring,
    needs_monitoring,
    once_more,
    second_offence,
)
from .offences import watch as watch
from .operators import assigned, counted, marked, own, power, returned, through_exception, varied


@needs_monitoring
def test_nothing_is_left_after_stop(watch: LineTraces) -> None:
    assert second_offence(watch, returned) is not None
    assert watch.tool is not None
    assert {returned.__code__, power.__code__} <= set(armed(watch.tool))
    watch.stop()
    assert_nothing_left()
    watch.stop()
    assert second_offence(watch, returned) is not None  # and it may begin anew


@needs_monitoring
def test_steps_aside_when_no_tool_id_is_free(
    watch: LineTraces, caplog: pytest.LogCaptureFixture
) -> None:
    """Others' ids are never taken: a debugger's, coverage's, a profiler's, an optimiser's."""
    caplog.set_level("INFO", guard.logger.name)
    for tool in lines.TOOL_IDS:
        monitoring.use_tool_id(tool, "other")
    try:
        assert second_offence(watch, assigned) is None
        assert second_offence(watch, assigned) is None
        assert len(caplog.records) == 1
        assert [monitoring.get_tool(tool) for tool in lines.TOOL_IDS] == ["other", "other"]
    finally:
        for tool in lines.TOOL_IDS:
            monitoring.free_tool_id(tool)
    assert {0, 1, 2, 5}.isdisjoint(lines.TOOL_IDS)
    assert second_offence(watch, assigned) is not None


@needs_monitoring
def test_beside_a_coverage_tool(watch: LineTraces) -> None:
    """Another tool's events on the same code keep coming, and stay when we go."""
    events, seen = monitoring.events, []
    tool = next(i for i in range(6) if monitoring.get_tool(i) is None and i not in lines.TOOL_IDS)
    monitoring.use_tool_id(tool, "other")
    monitoring.register_callback(tool, events.LINE, lambda code, line: seen.append(line))
    monitoring.set_local_events(tool, assigned.__code__, events.LINE)
    try:
        assert second_offence(watch, assigned) is not None
        watch.stop()
        with_us = len(seen)
        assigned()
        assert marked("assigned") in seen[:with_us]
        assert len(seen) == 2 * with_us
        assert monitoring.get_local_events(tool, assigned.__code__) == events.LINE
    finally:
        monitoring.set_local_events(tool, assigned.__code__, 0)
        monitoring.register_callback(tool, events.LINE, None)
        monitoring.free_tool_id(tool)


@needs_monitoring
def test_beside_a_tracer(watch: LineTraces) -> None:
    before, seen = sys.gettrace(), []

    def trace(frame: Any, event: str, argument: Any) -> Any:
        seen.append((frame.f_code.co_name, event))
        return trace

    elsewhere(watch.suspect, [assigned.__code__], threading.get_ident())
    started = clock()
    sys.settrace(trace)
    try:
        assigned()
    finally:
        sys.settrace(before)
    pinned = elsewhere(watch.find, started, clock(), threading.get_ident())
    assert pinned is not None
    assert pinned.line == marked("assigned")
    assert ("assigned", "line") in seen
    assert not any(name in ("_line", "on_line") for name, _ in seen)


@needs_monitoring
def test_an_error_of_ours_never_reaches_the_app(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(code: CodeType) -> bool:
        raise RuntimeError("ours")

    monkeypatch.setattr(guard, "_told", {})
    watch = LineTraces(broken)
    second_offence(watch, returned)
    watch.stop()
    assert_nothing_left()
    assert len([r for r in caplog.records if r.levelname == "ERROR"]) == 1


@needs_monitoring
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_free_of_it(watch: LineTraces) -> None:
    """Even if another thread held the lock when the process forked."""
    elsewhere(watch.suspect, [assigned.__code__], threading.get_ident())
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with watch._lock:
            held.set()
            release.wait(10.0)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10.0)
    child = os.fork()
    if not child:
        try:
            watch.abandon()
            assert_nothing_left()
            assigned()
            os._exit(0)
        finally:
            os._exit(1)
    release.set()
    holder.join()
    assert os.waitpid(child, 0)[1] == 0
    assert once_more(watch, assigned) is not None


@needs_monitoring
def test_arming_while_the_code_runs_changes_nothing_it_does(watch: LineTraces) -> None:
    """From another thread, in a tight loop, in the middle of lines, generators and exceptions."""
    here, ended, rounds = threading.get_ident(), threading.Event(), [0]
    codes = [varied.__code__, counted.__code__, through_exception.__code__]

    def toggle() -> None:
        while not ended.is_set():
            watch.suspect(codes, here)
            time.sleep(0.0001)
            watch.stop()
            rounds[0] += 1

    expected, interval = varied(5), sys.getswitchinterval()
    toggler = threading.Thread(target=toggle)
    sys.setswitchinterval(1e-5)
    toggler.start()
    try:
        until = clock() + 1.0
        while clock() < until:
            assert varied(5) == expected
    finally:
        ended.set()
        toggler.join()
        sys.setswitchinterval(interval)
    assert rounds[0] > 10
    assert_nothing_left()


def test_without_monitoring_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11, and builds without a GIL."""
    monkeypatch.setattr(lines, "monitoring", None)
    watch = LineTraces(own)
    assert second_offence(watch, assigned) is None
    watch.tend(clock())
    watch.stop()
    watch.abandon()
    assert watch.tool is None

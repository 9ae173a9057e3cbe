"""Functions are suspected, run once more, and asked for their line.

A step is one of the loop's thread; the watch is called from another, as the watchdog does.
"""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import CodeType
from typing import Any

import pytest

from loopwatch.loop.loop_state import clock
from loopwatch.watchdog import line_traces as lines
from loopwatch.watchdog.line_trace import Pinned
from loopwatch.watchdog.line_traces import LineTraces, supported

from . import operators
from .operators import own

monitoring: Any = getattr(sys, "monitoring", None)
needs_monitoring = pytest.mark.skipif(not supported(), reason="sys.monitoring is new in 3.12")


def elsewhere(function: Callable[..., Any], *args: Any) -> Any:
    """Call a function in another thread, as the watchdog would."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()


def second_offence(watch: LineTraces, function: Callable[[], Any]) -> Pinned | None:
    """Suspect a function, run it, and ask for the line."""
    elsewhere(watch.suspect, [function.__code__], threading.get_ident())
    return once_more(watch, function)


def once_more(watch: LineTraces, function: Callable[[], Any]) -> Pinned | None:
    started = clock()
    function()
    pinned: Pinned | None = elsewhere(watch.find, started, clock(), threading.get_ident())
    return pinned


@pytest.fixture
def watch() -> Iterator[LineTraces]:
    watch = LineTraces(own)
    yield watch
    watch.stop()
    assert watch.tool is None


def armed(tool: int) -> list[CodeType]:
    """Return the functions of `operators` that have events set."""
    codes = [f.__code__ for f in vars(operators).values() if hasattr(f, "__code__")]
    return [code for code in codes if monitoring.get_local_events(tool, code)]


def assert_nothing_left() -> None:
    for tool in lines.TOOL_IDS:
        assert monitoring.get_tool(tool) is None
        monitoring.use_tool_id(tool, "inspector")
        assert armed(tool) == []
        for event in (monitoring.events.LINE, monitoring.events.CALL, monitoring.events.PY_START):
            assert monitoring.register_callback(tool, event, None) is None
        monitoring.free_tool_id(tool)

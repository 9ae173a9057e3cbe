"""What line traces may cost is bounded: by events, by time, and by functions."""

import threading
from typing import Any

import pytest

from loopwatch.loop.loop_state import clock
from loopwatch.watchdog import line_trace as trace
from loopwatch.watchdog import line_traces as lines
from loopwatch.watchdog.line_traces import CODES, FRUITLESS, LineTraces

from . import operators
from .offences import assert_nothing_left, elsewhere, needs_monitoring, once_more, second_offence
from .offences import watch as watch
from .operators import N, assigned, busy, returned


@needs_monitoring
def test_one_thread_s_end_leaves_the_other_s(watch: LineTraces) -> None:
    here = threading.get_ident()
    elsewhere(watch.suspect, [returned.__code__], here + 1)
    assert second_offence(watch, returned) is not None
    watch._traces[here + 1].deadline = 0.0
    elsewhere(watch.tend, clock())
    assert once_more(watch, returned) is not None


@needs_monitoring
def test_events_are_bounded(watch: LineTraces, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of events, all is removed; after `FRUITLESS` times the function is left alone."""
    monkeypatch.setattr(trace, "EVENTS", 1000)
    for _ in range(FRUITLESS):
        elsewhere(watch.suspect, [busy.__code__], threading.get_ident())
        assert watch.tool is not None
        busy()
        elsewhere(watch.tend, clock())
        assert watch.tool is None
    assert_nothing_left()
    elsewhere(watch.suspect, [busy.__code__], threading.get_ident())
    assert watch.tool is None


@needs_monitoring
def test_events_of_other_threads_are_bounded_too(
    watch: LineTraces, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are not looked at, but they cost."""
    monkeypatch.setattr(lines, "EVENTS", 1000)
    elsewhere(watch.suspect, [busy.__code__], threading.get_ident())
    elsewhere(busy)
    elsewhere(watch.tend, clock())
    assert_nothing_left()


@needs_monitoring
def test_a_catch_renews_the_bounds(watch: LineTraces) -> None:
    assert second_offence(watch, assigned) is not None
    suspect = watch._traces[threading.get_ident()]
    suspect.left, suspect.deadline = 100, clock() + 60.0
    assert once_more(watch, assigned) is not None
    assert suspect.left == trace.EVENTS
    assert suspect.deadline > clock() + 60.0


@needs_monitoring
def test_time_is_bounded(watch: LineTraces) -> None:
    elsewhere(watch.suspect, [assigned.__code__], threading.get_ident())
    elsewhere(watch.tend, clock())
    assert watch.tool is not None
    elsewhere(watch.tend, clock() + trace.ARMED_FOR)
    assert_nothing_left()


@needs_monitoring
def test_watched_code_is_bounded(watch: LineTraces) -> None:
    """A function for which there was no room has its time told to nobody, not to its caller."""
    names: dict[str, Any] = {}
    called = "\n".join(f"def f{i}(n):\n    return 3**n" for i in range(CODES + 8))
    calls = "\n".join(f"    f{i}(1)" for i in range(CODES + 7))
    source = f"{called}\ndef main():\n{calls}\n    f{CODES + 7}({N})\n"
    exec(compile(source, operators.__file__, "exec"), names)
    assert second_offence(watch, names["main"]) is None
    assert len(watch._traces[threading.get_ident()].codes) == CODES

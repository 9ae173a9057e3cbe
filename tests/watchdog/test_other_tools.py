"""Line traces beside other tools: profilers, debuggers, tracers, and who takes a tool id."""

import bdb
import cProfile
import io
import pstats
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loopwatch.loop.loop_state import clock
from loopwatch.watchdog import line_traces as lines
from loopwatch.watchdog.line_traces import LineTraces
from tests.calm import in_calm
from tests.conftest import run_script

from .offences import assert_nothing_left, elsewhere, monitoring, needs_monitoring
from .operators import assigned, marked, own

pytestmark = needs_monitoring


@pytest.fixture
def traces() -> Iterator[LineTraces]:
    made = LineTraces(own)
    yield made
    made.stop()


def suspect(traces: LineTraces) -> None:
    """Trace a function on this thread, as the delivery thread does."""
    elsewhere(traces.suspect, [assigned.__code__], threading.get_ident())


def free() -> list[int]:
    return [tool for tool in lines.TOOL_IDS if monitoring.get_tool(tool) is None]


@in_calm
def test_beside_c_profile_which_sees_none_of_it(traces: LineTraces) -> None:
    """It has a tool id of its own, and counts the function as often as it ran."""
    suspect(traces)
    profile, started = cProfile.Profile(), clock()
    profile.runcall(assigned)
    pinned = elsewhere(traces.find, started, clock(), threading.get_ident())
    assert pinned is not None
    assert pinned.line == marked("assigned")
    written = io.StringIO()
    pstats.Stats(profile, stream=written).print_stats()
    text = written.getvalue()
    assert "(assigned)" in text
    assert not any(name in text for name in ("(_line)", "(on_line)", "(_call)", "(_leave)"))


def test_c_profile_may_begin_and_end_while_lines_are_traced(traces: LineTraces) -> None:
    profile = cProfile.Profile()
    suspect(traces)
    profile.enable()
    profile.disable()
    assigned()
    assert traces.tool is not None
    profile.enable()
    traces.stop()
    assigned()
    profile.disable()
    assert any("assigned" in str(entry.code) for entry in profile.getstats())
    assert_nothing_left()


class Debugger(bdb.Bdb):
    """Stops at each line of one function."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def user_line(self, frame: Any) -> None:
        if frame.f_code is assigned.__code__:
            self.seen.append(frame.f_lineno)
        self.set_step()


@in_calm
def test_beside_a_debugger(traces: LineTraces) -> None:
    before, debugger = sys.gettrace(), Debugger()
    suspect(traces)
    started = clock()
    try:
        debugger.runcall(assigned)
    finally:
        sys.settrace(before)
    pinned = elsewhere(traces.find, started, clock(), threading.get_ident())
    assert pinned is not None
    assert pinned.line == marked("assigned")
    assert marked("assigned") in debugger.seen


def taking(tool: int) -> list[Any]:
    """Take an id that is ours away, as a tool does that asks nobody; return what it is told."""
    seen: list[Any] = []
    monitoring.free_tool_id(tool)
    monitoring.use_tool_id(tool, "theirs")
    monitoring.register_callback(tool, monitoring.events.LINE, lambda *event: seen.append(event))
    monitoring.set_local_events(tool, assigned.__code__, monitoring.events.LINE)
    return seen


def giving_back(tool: int) -> None:
    monitoring.set_local_events(tool, assigned.__code__, 0)
    for event in ("LINE", "CALL", "PY_START", "PY_RESUME", "PY_RETURN", "PY_YIELD"):
        monitoring.register_callback(tool, getattr(monitoring.events, event), None)
    monitoring.free_tool_id(tool)


@pytest.mark.parametrize(
    "end",
    [
        lambda traces: traces.stop(),
        lambda traces: elsewhere(traces.tend, float("inf")),
        suspect,
    ],
    ids=["stop", "bound", "suspect"],
)
def test_an_id_that_another_tool_took_is_that_tool_s(
    traces: LineTraces, end: Callable[[LineTraces], None]
) -> None:
    """Its callbacks and events stay; we begin anew with another id."""
    suspect(traces)
    taken = traces.tool
    assert taken is not None
    seen = taking(taken)
    try:
        end(traces)
        assert traces.tool != taken
        assert monitoring.get_tool(taken) == "theirs"
        assert monitoring.get_local_events(taken, assigned.__code__) == monitoring.events.LINE
        assigned()
        assert seen
        suspect(traces)
        assert traces.tool in lines.TOOL_IDS
        assert traces.tool != taken
    finally:
        giving_back(taken)
    traces.stop()
    assert_nothing_left()


def test_an_id_that_was_freed_is_cleaned_up(traces: LineTraces) -> None:
    suspect(traces)
    assert traces.tool is not None
    monitoring.free_tool_id(traces.tool)
    traces.stop()
    assert_nothing_left()
    assert free() == list(lines.TOOL_IDS)
    suspect(traces)
    assert traces.tool is not None


TOOLS = """
    import asyncio, bdb, sys
    from loopwatch import Watch

    def power(n):
        x = 3**n
        y = 1
        return x is y

    async def main():
        for n in range(3):
            await asyncio.sleep(0.05)
            power(1_500_000)

    library = '''
    def tracing(frame, event, argument):
        sum(range(20))
        return tracing

    def told(*arguments):
        sum(range(20))
    '''
    exec(compile(library, bdb.__file__, "exec"))

    def monitored():
        events = sys.monitoring.events
        sys.monitoring.use_tool_id(1, "a tool")
        sys.monitoring.register_callback(1, events.LINE, told)
        sys.monitoring.register_callback(1, events.PY_RETURN, told)
        sys.monitoring.set_events(1, events.LINE | events.PY_RETURN)

    tools = {
        "trace": lambda: sys.settrace(tracing),
        "profile": lambda: sys.setprofile(tracing),
        "monitoring": monitored,
    }
    tools[sys.argv[1]]()
    with Watch(registry=None, log=False, otel=False, slow_callback_duration=0.02) as watch:
        asyncio.run(main())
    sys.settrace(None)
    sys.setprofile(None)
    right = power.__code__.co_firstlineno + 1
    for stall in watch.stalls:
        site = stall.site
        if site.exact and site.function == "__main__.power" and site.line != right:
            print(site.line - right)
"""


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["trace", "profile", "monitoring"])
def test_a_tool_that_is_told_of_each_line_makes_no_other_line_certain(tool: str) -> None:
    """The watchdog comes in within the tool's function, of a line after the operator's."""
    assert run_script(TOOLS, tool) == ""

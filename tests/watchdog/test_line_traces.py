"""The line watch: operators that keep the GIL are pinned to their line, and nothing stays behind.

`step` is one step of a loop's thread; the watch is called from another, as the watchdog does.
"""

import asyncio
import contextlib
import functools
import inspect
import os
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import CodeType
from typing import Any

import pytest

from loopwatch.core import guard
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog import line_trace as trace
from loopwatch.watchdog import line_traces as lines
from loopwatch.watchdog.callees import codes_of
from loopwatch.watchdog.line_trace import Pinned
from loopwatch.watchdog.line_traces import CODES, FRUITLESS, LineTraces, supported
from tests.calm import in_calm
from tests.conftest import run_on

monitoring: Any = getattr(sys, "monitoring", None)
needs_monitoring = pytest.mark.skipif(not supported(), reason="sys.monitoring is new in 3.12")

N = 300_000  # 3**N takes some 20 ms and keeps the GIL
BIG = [*range(1000)] * 2000  # Python 3.14 looks through 400,000 in a millisecond


def own(code: CodeType) -> bool:
    return code.co_filename == __file__


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


def marked(name: str) -> int:
    """Return the number of the line of this file that ends with a mark."""
    source = inspect.getsource(sys.modules[__name__]).splitlines()
    return next(i for i, line in enumerate(source, 1) if line.endswith(f"# @{name}"))


@pytest.fixture
def watch() -> Iterator[LineTraces]:
    watch = LineTraces(own)
    yield watch
    watch.stop()
    assert watch.tool is None


def assigned() -> int:
    before = 1
    x = 3**N  # @assigned
    return before + (x is None)


def returned() -> Any:
    return power(N)


def power(n: int) -> Any:
    n += 0
    return 3**n  # @returned


def compared() -> int:
    if -1 in BIG or -2 in BIG:  # @compared
        return 1
    return 0


def comprehended() -> list[int]:
    return [3**n for n in (N, 1)]  # @comprehended


def generated() -> Any:
    return any(
        3**n == 0  # @generated
        for n in (N, 1)
    )


def by_lambda() -> list[int]:
    return sorted([N, 1], key=lambda n: 3**n)  # @by_lambda


def looped() -> None:
    n = 2
    while n:
        3**N  # @looped
        n -= 1


def nested() -> Any:
    def inside() -> Any:
        x = 3**N  # @nested
        return x & 1

    return inside()


def over_lines() -> dict[str, int]:
    return {
        "a": 1,
        "b": 3**N,  # @over_lines
        "c": len("c"),
    }


def raised() -> None:
    with contextlib.suppress(ValueError):
        refused()


def refused() -> None:
    if -1 in BIG or -2 in BIG:  # @raised
        return
    raise ValueError


def four_deep() -> Any:
    return three_deep()


def three_deep() -> Any:
    for _ in range(2):
        pass
    return Thing().two_deep()


class Thing:
    def __init__(self, n: int = 0) -> None:
        self.power = 3**n  # @constructed

    def two_deep(self) -> Any:
        return power_deep(n=N)

    def __contains__(self, n: int) -> Any:
        return 3**n == 0  # @contained

    def __call__(self, n: int) -> Any:
        return 3**n  # @thing_called

    @property
    def heavy(self) -> Any:
        return 3**N  # @property_read


def power_deep(n: int) -> Any:
    return 3**n  # @four_deep


def constructed() -> None:
    Thing(N)


def contained() -> Any:
    thing = Thing()
    return N in thing


def thing_called() -> Any:
    thing = Thing()
    return thing(N)


def property_read() -> Any:
    return Thing().heavy


def starred() -> Any:
    args = (N,)
    return power_of_star(*args)


def power_of_star(n: int) -> Any:
    return 3**n  # @starred


def in_partial() -> Any:
    return functools.partial(power_of_partial, N)()


def power_of_partial(n: int) -> Any:
    return 3**n  # @in_partial


def mapped() -> list[int]:
    return list(map(power_of_map, [N]))


def power_of_map(n: int) -> Any:
    return 3**n  # @mapped


def iterated() -> int:
    count = 0
    for _ in yielding():
        count += 1
    return count


def yielding() -> Iterator[int]:
    yield 1
    3**N  # @iterated
    yield 2


FUNCTIONS: list[Callable[[], Any]] = [
    *(assigned, returned, compared, comprehended, generated, by_lambda, looped, nested),
    *(over_lines, raised, four_deep, constructed, contained, thing_called, property_read),
    *(starred, in_partial, mapped, iterated),
]


@needs_monitoring
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
@in_calm
def test_the_line_of_an_operator_is_pinned(function: Callable[[], Any], watch: LineTraces) -> None:
    pinned = second_offence(watch, function)
    assert pinned is not None
    assert pinned.line == marked(function.__name__)
    assert pinned.seconds > 0.005
    again = once_more(watch, function)
    assert again is not None
    assert again[:2] == pinned[:2]


async def awaited() -> Any:
    await asyncio.sleep(0)
    x = 3 ** (await later(N))  # @awaited
    await asyncio.sleep(0)
    return x & 1


async def later(n: int) -> int:
    await asyncio.sleep(0)
    return n


async def awaited_deep() -> None:
    await asyncio.sleep(0)
    await deep()


async def deep() -> None:
    await asyncio.sleep(0)
    3 ** len("x" * N)  # @awaited_deep
    await asyncio.sleep(0)


class Steps:
    """Drives a coroutine and keeps its longest step."""

    def __init__(self, coroutine: Any) -> None:
        self.coroutine = coroutine
        self.longest = (0.0, 0.0, 0.0)

    def __await__(self) -> Generator[Any, None, None]:
        while True:
            started = clock()
            try:
                waited = self.coroutine.send(None)
            except StopIteration:
                waited = self
            self.longest = max(self.longest, (clock() - started, started, clock()))
            if waited is self:
                return
            yield waited


@needs_monitoring
@pytest.mark.parametrize("function", [awaited, awaited_deep], ids=lambda f: f.__name__)
def test_suspension_is_not_time_on_a_line(function: Any, loop: str, watch: LineTraces) -> None:
    """The coroutine's own steps count, and others run in between."""

    async def main() -> tuple[Pinned | None, list[float], float]:
        here = threading.get_ident()
        await asyncio.to_thread(watch.suspect, [function.__code__], here)
        steps = Steps(function())
        await asyncio.gather(drive(steps), *(asyncio.sleep(0.1) for _ in range(3)))
        longest, started, ended = steps.longest
        pinned = await asyncio.to_thread(watch.find, started, ended, here)
        return pinned, [s.ended - s.began for s in watch._traces[here].spans], longest

    async def drive(steps: Steps) -> None:
        await steps

    pinned, spans, longest = run_on(loop, main())
    assert pinned is not None
    assert pinned.line == marked(function.__name__)
    assert max(spans) <= longest


@needs_monitoring
def test_a_step_held_by_others_is_nobody_s(watch: LineTraces) -> None:
    """Only the operator's own share counts, within that step alone."""
    assert second_offence(watch, assigned) is not None
    here, started = threading.get_ident(), clock()
    assigned()
    time.sleep(clock() - started)
    assert elsewhere(watch.find, started, clock(), here) is None
    started = clock()
    time.sleep(0.01)
    assert elsewhere(watch.find, started, clock(), here) is None
    assert elsewhere(watch.find, 0.0, clock(), here) is None
    assert elsewhere(watch.find, started, clock(), here + 1) is None


def through_exception() -> None:
    step_that_raises()


def step_that_raises() -> None:
    raise ValueError


@needs_monitoring
def test_time_after_an_exception_is_not_its_line_s(watch: LineTraces) -> None:
    """The frame left without an event; what its catcher does then is not its doing."""
    here = threading.get_ident()
    elsewhere(watch.suspect, [step_that_raises.__code__, power.__code__], here)
    started = clock()
    with pytest.raises(ValueError):  # noqa: PT011
        through_exception()
    time.sleep(0.05)
    power(1)
    assert elsewhere(watch.find, started, clock(), here) is None


@needs_monitoring
def test_other_threads_are_not_watched(watch: LineTraces) -> None:
    here = threading.get_ident()
    elsewhere(watch.suspect, [assigned.__code__], here)
    started = clock()
    elsewhere(assigned)
    assert watch.find(started, clock(), here) is None
    assert watch._traces[here].left == trace.EVENTS


def armed(tool: int) -> list[CodeType]:
    """Return the functions of this file that have events set."""
    codes = [f.__code__ for f in vars(sys.modules[__name__]).values() if hasattr(f, "__code__")]
    return [code for code in codes if monitoring.get_local_events(tool, code)]


def assert_nothing_left() -> None:
    for tool in lines.TOOL_IDS:
        assert monitoring.get_tool(tool) is None
        monitoring.use_tool_id(tool, "inspector")
        assert armed(tool) == []
        for event in (monitoring.events.LINE, monitoring.events.CALL, monitoring.events.PY_START):
            assert monitoring.register_callback(tool, event, None) is None
        monitoring.free_tool_id(tool)


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
def test_one_thread_s_end_leaves_the_other_s(watch: LineTraces) -> None:
    here = threading.get_ident()
    elsewhere(watch.suspect, [returned.__code__], here + 1)
    assert second_offence(watch, returned) is not None
    watch._traces[here + 1].deadline = 0.0
    elsewhere(watch.tend, clock())
    assert once_more(watch, returned) is not None


def busy() -> int:
    total = 0
    for n in range(2000):
        total += n
    return total


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
    exec(compile(source, __file__, "exec"), names)
    assert second_offence(watch, names["main"]) is None
    assert len(watch._traces[threading.get_ident()].codes) == CODES


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


def varied(n: int) -> int:
    total = sum(i for i in range(n)) + sum(counted(n))
    for _ in counted(3):
        total += 1
    try:
        through_exception()
    except ValueError:
        total += 1
    generator = counted(2)
    next(generator)
    with pytest.raises(KeyError):
        generator.throw(KeyError)
    return total + (2 in Thing())


def counted(n: int) -> Generator[int, None, None]:
    for i in range(n):
        yield i * 2
    yield from range(2)


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


@functools.lru_cache
def cached() -> None: ...


@functools.wraps(power)
def wrapped() -> None: ...


class Silent:
    def __getattr__(self, name: str) -> Any:
        raise AssertionError("the object's own code ran")


@pytest.mark.parametrize(
    ("target", "names"),
    [
        (power, ["power"]),
        (Thing().two_deep, ["two_deep"]),
        (Thing, ["__init__"]),
        (Thing(), ["__call__"]),
        (functools.partial(functools.partial(power, 1)), ["power"]),
        (cached, ["cached"]),
        (wrapped, ["wrapped", "power"]),
        (staticmethod(power), ["power"]),
        (len, []),
        ("".join, []),
        (int, []),
        (None, []),
        (Silent(), []),
    ],
    ids=repr,
)
def test_what_a_call_runs_is_known(target: object, names: list[str]) -> None:
    assert [code.co_name for code in codes_of(target)] == names

"""Step timing, by both twins: the same results, nothing left behind, an app that feels nothing."""

import asyncio
import contextlib
import gc
import sys
import traceback
import types
from collections import deque
from collections.abc import Coroutine, Generator, Iterator
from contextvars import Context
from typing import Any

import pytest

from loopwatch import guard
from loopwatch.probe import python_steps
from loopwatch.probe.pulse import CROWD, LONG, Pulse
from loopwatch.request import REQUEST, Request, begin
from loopwatch.speedups import ABI, speedups

from ..conftest import run_script, spin_for

TWINS = {"python": python_steps, "compiled": speedups}


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> Any:
    """The three functions of one twin."""
    found = TWINS[request.param]
    if found is None:
        pytest.skip("the compiled twin was not built: no compiler, or no GIL")
    return found


class Told:
    """What the slow ways told of a pulse."""

    def __init__(self, loop: Any = None, threshold: float = 0.1) -> None:
        self.long: list[tuple[Any, float]] = []
        self.many: list[Request] = []
        self.ticks: list[float] = []
        self.pulse = Pulse(
            loop, threshold, self.add_long, self.many.append, self.ticks.append, self.row
        )
        self.steps, self.seconds = 0, 0.0

    def add_long(self, task: Any, took: float) -> None:
        self.long.append((task, took))

    def row(self, task: Any) -> Any:
        return self


def new_request() -> Request:
    """Return a request in a context of its own."""
    return Context().run(begin, object(), {"type": "http"})


@types.coroutine
def suspend(value: Any) -> Generator[Any, Any, Any]:
    return (yield value)


def drive(twin: Any, app: Coroutine[Any, Any, None]) -> tuple[Told, Request, Any]:
    """Return an iterator that drives `app`, as `await` would have it."""
    told, request = Told(), new_request()
    driven = twin.drive(told.pulse, request, app)
    return told, request, driven.__await__() if hasattr(driven, "__await__") else driven


def test_what_is_sent_and_thrown_reaches_the_app_as_it_came(twin: Any) -> None:
    seen: list[Any] = []

    async def app() -> None:
        seen.append(await suspend("first"))
        try:
            await suspend("second")
        except KeyError as error:
            seen.extend((error, error.__context__))
        await suspend("third")

    told, request, driven = drive(twin, app())
    thrown = KeyError("x")
    assert next(driven) == "first"
    assert told.pulse.turn is None
    assert driven.send("answer") == "second"
    assert driven.throw(thrown) == "third"
    with pytest.raises(StopIteration) as end:
        next(driven)
    assert end.value.value is None
    assert seen == ["answer", thrown, None]
    assert seen[1] is thrown
    assert request.steps + len(request.times) == 4
    with pytest.raises(StopIteration):
        next(driven)


def test_the_turn_is_the_requests_while_it_runs(twin: Any) -> None:
    turns: list[Any] = []

    async def app() -> None:
        turns.append(told.pulse.turn)
        await suspend(None)
        turns.append(told.pulse.turn)

    told, request, driven = drive(twin, app())
    assert list(driven) == [None]
    assert turns == [request, request]
    assert told.pulse.turn is None


def test_what_the_app_raises_comes_out_with_its_own_context(twin: Any) -> None:
    async def app() -> None:
        await suspend(None)
        try:
            raise KeyError("inner")
        except KeyError:
            raise ValueError("outer")  # noqa: B904

    told, request, driven = drive(twin, app())
    next(driven)
    with pytest.raises(ValueError, match="outer") as met:
        next(driven)
    assert type(met.value.__context__) is KeyError
    assert met.value.__context__.__context__ is None
    frames = [frame.name for frame in traceback.extract_tb(met.value.__traceback__)]
    assert frames[-1] == "app"
    assert len(frames) <= 3  # the test, at most one of ours, the app
    assert request.steps + len(request.times) == 2
    assert told.pulse.turn is None


def test_cancellation_and_close_end_the_app(twin: Any) -> None:
    ended: list[type[BaseException]] = []

    async def app() -> None:
        try:
            await suspend(None)
        except BaseException as error:
            ended.append(type(error))
            raise

    for end in (asyncio.CancelledError, GeneratorExit):
        _, _, driven = drive(twin, app())
        next(driven)
        with pytest.raises(end):
            driven.throw(end())
    _, _, driven = drive(twin, app())
    next(driven)
    driven.close()
    driven.close()
    assert ended == [asyncio.CancelledError, GeneratorExit, GeneratorExit]


def test_an_app_that_ignores_its_close_is_told_so(twin: Any) -> None:
    async def app() -> None:
        try:
            await suspend(None)
        except GeneratorExit:
            await suspend(None)

    _, _, driven = drive(twin, app())
    next(driven)
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        driven.close()


def test_a_long_driven_step_goes_the_slow_way_once(twin: Any) -> None:
    async def app() -> None:
        spin_for(0.002)
        await suspend(None)

    told, request, driven = drive(twin, app())
    assert list(driven) == [None]
    assert request.times[0] >= 0.002
    assert len(told.ticks) == len(request.times)
    assert told.pulse.filed == pytest.approx(sum(request.times))


class Handle(asyncio.Handle):
    """A handle that is run by hand."""


@pytest.fixture
def loop_at_rest() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def run_steps(twin: Any, told: Told, *handles: asyncio.Handle) -> None:
    original: Any = asyncio.Handle._run
    run = twin.timed_run(original, {told.pulse.loop: told.pulse}, False)
    holder = type("Holder", (asyncio.Handle,), {"_run": run})
    for handle in handles:
        holder._run(handle)  # type: ignore[attr-defined]


def test_short_steps_are_counted_with_their_owner(
    twin: Any, loop_at_rest: asyncio.AbstractEventLoop
) -> None:
    told, context = Told(loop_at_rest), Context()
    told.pulse.limit = 10.0
    request = context.run(begin, object(), {"type": "http"})
    mine = Handle(int, (), loop_at_rest, context)
    nobodys = Handle([].clear, (), loop_at_rest, Context())
    run_steps(twin, told, mine, nobodys, mine)
    assert request.steps == 2
    assert not request.times
    assert told.pulse.other_steps == 1
    assert 0 < request.seconds + told.pulse.other_seconds < 1
    told.pulse.loop = "another"
    run_steps(twin, told, mine)
    assert request.steps == 2


def test_a_limit_of_zero_files_every_step_once(
    twin: Any, loop_at_rest: asyncio.AbstractEventLoop
) -> None:
    told, context = Told(loop_at_rest), Context()
    told.pulse.limit = 0.0
    request = context.run(begin, object(), {"type": "http"})
    mine = Handle(int, (), loop_at_rest, context)
    nobodys = Handle(int, (), loop_at_rest, Context())
    run_steps(twin, told, mine, nobodys, mine)
    assert (request.steps, len(request.times)) == (0, 2)
    assert len(told.long) == 1
    assert told.pulse.other_steps == 0


def test_an_eager_request_shares_the_step_it_began_in(
    twin: Any, loop_at_rest: asyncio.AbstractEventLoop
) -> None:
    told = Told(loop_at_rest)
    request = new_request()
    told.pulse.entered, told.pulse.eager = request, True
    original: Any = asyncio.Handle._run
    run = twin.timed_run(original, {loop_at_rest: told.pulse}, True)
    run(Handle(int, (), loop_at_rest, Context()))
    assert getattr(told.pulse, "entered") is None  # noqa: B009
    assert len(request.times) == 1
    assert len(told.long) == 1


def test_polls_are_idle_time_unless_they_do_not_wait(twin: Any) -> None:
    told, ready = Told(), deque[int]()
    pulse = told.pulse
    timed = twin.timed_select(pulse, lambda timeout: spin_for(0.002) and timeout, ready)
    assert timed(0) == 0
    assert pulse.idle == 0.0
    assert timed(0.5) == 0.5
    assert timed(None) is None
    assert timed(timeout=0) == 0
    assert 0.004 <= pulse.idle < 1
    assert pulse.polling is False
    pulse.mark = pulse.tick + 0.5
    timed(0)
    assert told.ticks == [0.5]
    assert pulse.tick == pulse.mark


def test_a_crowd_sends_every_step_the_slow_way(twin: Any) -> None:
    told = Told()
    ready = deque(range(CROWD))
    timed = twin.timed_select(told.pulse, lambda timeout: [], ready)
    timed(0)
    assert told.pulse.limit == LONG
    ready.append(0)
    timed(0)
    assert told.pulse.limit == 0.0
    assert twin.timed_select(told.pulse, lambda timeout: [], None)(0) == []


def test_a_poll_that_raises_is_over(twin: Any) -> None:
    """A KeyboardInterrupt: what comes next must not look like one long step."""

    def select(timeout: Any) -> Any:
        spin_for(0.01)
        raise KeyboardInterrupt

    pulse = Told().pulse
    before = pulse.mark
    with pytest.raises(KeyboardInterrupt):
        twin.timed_select(pulse, select, None)(1)
    assert pulse.polling is False
    assert pulse.mark - before >= 0.01


def test_ten_thousand_requests_leave_nothing_behind(twin: Any) -> None:
    """No objects, no references to what they share, no memory blocks."""
    shared = object()

    async def app() -> None:
        assert await suspend(shared) is shared
        with contextlib.suppress(KeyError):
            await suspend(shared)

    told = Told()
    told.pulse.limit = 10.0

    def one() -> None:
        driven = twin.drive(told.pulse, new_request(), app())
        iterator: Any = driven.__await__() if hasattr(driven, "__await__") else driven
        iterator.send(None)
        iterator.send(shared)
        with pytest.raises(StopIteration):
            iterator.throw(KeyError())
        unfinished = twin.drive(told.pulse, new_request(), app())
        next(iter(unfinished))

    def count(times: int) -> tuple[int, int]:
        for _ in range(times):
            one()
        gc.collect()
        return sys.getallocatedblocks(), sys.getrefcount(shared)

    count(2000)
    blocks, references = count(100)
    after, references_after = count(10_000)
    assert references_after == references
    assert after - blocks < 500


def test_timed_steps_leave_nothing_behind(
    twin: Any, loop_at_rest: asyncio.AbstractEventLoop
) -> None:
    told, context = Told(loop_at_rest), Context()
    request = context.run(begin, object(), {"type": "http"})
    told.pulse.limit = 10.0
    handles = [
        Handle([].clear, (), loop_at_rest, context),
        Handle([].clear, (), loop_at_rest, Context()),
    ]
    watched = (request, context, *handles, told.pulse, loop_at_rest)
    run_steps(twin, told, *handles * 100)
    gc.collect()
    before = [sys.getrefcount(each) for each in watched]
    run_steps(twin, told, *handles * 10_000)
    gc.collect()
    assert [sys.getrefcount(each) for each in watched] == before


@pytest.mark.skipif(speedups is None, reason="the compiled twin was not built")
def test_the_compiled_twin_refuses_what_it_cannot_time() -> None:
    assert speedups is not None
    assert speedups.ABI == ABI
    for wrong in ((), (1, 2, 3), (Told().pulse, new_request(), iter(()))):
        with pytest.raises(TypeError):
            speedups.drive(*wrong)
    with pytest.raises(TypeError):
        speedups.begin(1)
    with pytest.raises(TypeError):
        speedups.timed_run(print, {1: 2}, False)
    with pytest.raises(TypeError):
        speedups.timed_select(1, 2, 3)


def test_without_the_compiled_twin_everything_works() -> None:
    """As where there is no compiler: a whole request, counted in Python."""
    printed = run_script("""
        import sys
        sys.modules["loopwatch._speedups"] = None
        import asyncio
        from loopwatch import LoopWatchMiddleware
        from loopwatch.probe.steps import COMPILED
        from tests.asgi import visit
        from tests.conftest import private_watch
        from tests.test_middleware import routed

        watch = private_watch()

        async def main():
            for _ in range(3):
                await visit(LoopWatchMiddleware(routed("/one"), watch=watch))

        asyncio.run(main())
        (row,) = watch.snapshot().requests
        print(COMPILED, row.route, row.latency.count)
        watch.stop()
    """)
    assert printed.split() == ["False", "/one", "3"]


def test_the_variable_is_the_one_that_everybody_asks(twin: Any) -> None:
    context = Context()
    request = context.run(begin, "door", "scope")
    assert context[REQUEST] is request
    assert (request.door, request.scope, request.outer) == ("door", "scope", None)
    inner = context.run(begin, "door", "scope")
    assert inner.outer is request
    inner.scope = None
    assert context.run(begin, "door", "scope").outer is None
    assert not guard._told & {"loopwatch.probe.long_steps"}

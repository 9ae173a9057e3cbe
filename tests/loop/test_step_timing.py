"""Step timing, by both twins: the same results, nothing left behind, an app that feels nothing."""

import asyncio
import gc
import sys
from collections import deque
from collections.abc import Iterator
from contextvars import Context
from typing import Any

import pytest

from loopwatch.core import guard
from loopwatch.core.request import REQUEST, Request, begin
from loopwatch.core.speedups import ABI, speedups
from loopwatch.loop import python_steps
from loopwatch.loop.loop_state import BUSY_TICK, LONG, LoopState, clock
from tests.conftest import run_script, spin_for

TWINS = {"python": None if speedups else python_steps, "compiled": speedups}


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> Any:
    """The three functions of one twin."""
    found = TWINS[request.param]
    if found is None:
        pytest.skip("the other twin is in use; test_twin tries both")
    return found


class Told:
    """What the slow ways told of a loop state."""

    def __init__(self, loop: Any = None, threshold: float = 0.1) -> None:
        self.long: list[tuple[Any, float]] = []
        self.many: list[Request] = []
        self.state = LoopState(loop, threshold, self.add_long, self.many.append, self.row)
        self.steps, self.seconds = 0, 0.0

    def add_long(self, task: Any, took: float) -> None:
        self.long.append((task, took))

    def row(self, task: Any) -> Any:
        return self


def new_request() -> Request:
    """Return a request in a context of its own."""
    return Context().run(begin, object(), {"type": "http"})


class Handle(asyncio.Handle):
    """A handle that is run by hand."""


@pytest.fixture
def loop_at_rest() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def run_steps(twin: Any, told: Told, *handles: asyncio.Handle) -> None:
    original: Any = asyncio.Handle._run
    run = twin.timed_run(original, {told.state.loop: told.state}, False)
    holder = type("Holder", (asyncio.Handle,), {"_run": run})
    for handle in handles:
        holder._run(handle)  # type: ignore[attr-defined]


def test_short_steps_are_counted_with_their_owner(
    twin: Any, loop_at_rest: asyncio.AbstractEventLoop
) -> None:
    told, context = Told(loop_at_rest), Context()
    told.state.limit, told.state.tick = 10.0, clock() + 1000.0
    request = context.run(begin, object(), {"type": "http"})
    mine = Handle(int, (), loop_at_rest, context)
    nobodys = Handle([].clear, (), loop_at_rest, Context())
    run_steps(twin, told, mine, nobodys, mine)
    assert request.steps == 2
    assert not request.times
    assert told.state.other_steps == 1
    assert 0 < request.seconds + told.state.other_seconds < 1
    told.state.loop = "another"
    run_steps(twin, told, mine)
    assert request.steps == 2


def test_a_limit_of_zero_files_every_step_once(
    twin: Any, loop_at_rest: asyncio.AbstractEventLoop
) -> None:
    told, context = Told(loop_at_rest), Context()
    told.state.limit = 0.0
    request = context.run(begin, object(), {"type": "http"})
    mine = Handle(int, (), loop_at_rest, context)
    nobodys = Handle(int, (), loop_at_rest, Context())
    run_steps(twin, told, mine, nobodys, mine)
    assert (request.steps, len(request.times)) == (0, 2)
    assert len(told.long) == 1
    assert told.state.other_steps == 0


def test_an_eager_request_shares_the_step_it_began_in(
    twin: Any, loop_at_rest: asyncio.AbstractEventLoop
) -> None:
    told = Told(loop_at_rest)
    request = new_request()
    told.state.entered, told.state.eager = request, True
    original: Any = asyncio.Handle._run
    run = twin.timed_run(original, {loop_at_rest: told.state}, True)
    run(Handle(int, (), loop_at_rest, Context()))
    assert getattr(told.state, "entered") is None  # noqa: B009
    assert len(request.times) == 1
    assert len(told.long) == 1


def test_polls_are_idle_time_unless_they_do_not_wait(twin: Any) -> None:
    told, ready = Told(), deque[int]()
    state = told.state
    timed = twin.timed_select(state, lambda timeout: spin_for(0.002) and timeout, ready)
    assert timed(0) == 0
    assert state.idle == 0.0
    assert timed(0.5) == 0.5
    assert timed(None) is None
    assert timed(timeout=0) == 0
    assert 0.004 <= state.idle < 1
    assert state.polling is False
    before = [*state.tick_counts]
    state.mark = state.tick + 0.5
    timed(0)
    assert state.tick_sums[8] == 0.5
    assert sum(state.tick_counts) == sum(before) + 1
    assert state.tick == state.mark


def test_a_busy_tick_sends_every_step_the_slow_way(twin: Any) -> None:
    told = Told()
    ready = deque(range(BUSY_TICK))
    timed = twin.timed_select(told.state, lambda timeout: [], ready)
    timed(0)
    assert told.state.limit == LONG
    ready.append(0)
    timed(0)
    assert told.state.limit == 0.0
    assert twin.timed_select(told.state, lambda timeout: [], None)(0) == []


def test_a_poll_that_raises_is_over(twin: Any) -> None:
    """A KeyboardInterrupt: what comes next must not look like one long step."""

    def select(timeout: Any) -> Any:
        spin_for(0.01)
        raise KeyboardInterrupt

    state = Told().state
    before = state.mark
    with pytest.raises(KeyboardInterrupt):
        twin.timed_select(state, select, None)(1)
    assert state.polling is False
    assert state.mark - before >= 0.01


def test_timed_steps_leave_nothing_behind(
    twin: Any, loop_at_rest: asyncio.AbstractEventLoop
) -> None:
    told, context = Told(loop_at_rest), Context()
    request = context.run(begin, object(), {"type": "http"})
    told.state.limit, told.state.tick = 10.0, clock() + 1000.0
    handles = [
        Handle([].clear, (), loop_at_rest, context),
        Handle([].clear, (), loop_at_rest, Context()),
    ]
    watched = (request, context, *handles, told.state, loop_at_rest)
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
    with pytest.raises(TypeError):
        speedups.begin(1)
    with pytest.raises(TypeError):
        speedups.timed_run(print, {1: 2}, False)
    with pytest.raises(TypeError):
        speedups.timed_select(1, 2, 3)
    with pytest.raises(ValueError, match="the callback stands at"):
        speedups.timed_soon(Told().state, print, 2)
    with pytest.raises(ValueError, match="a clock's step"):
        speedups.set_clock_step(-1.0)
    with pytest.raises(AttributeError):
        Told().state.running = 1


def test_without_the_compiled_twin_everything_works() -> None:
    """As where there is no compiler: a whole request, counted in Python."""
    printed = run_script("""
        import sys
        sys.modules["loopwatch._speedups"] = None
        import asyncio
        from loopwatch import LoopWatchMiddleware
        from loopwatch.loop.step_timing import COMPILED
        from tests.asgi import visit
        from tests.conftest import private_watch
        from tests.web.requests import routed

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


def test_the_variable_is_the_one_that_everybody_asks(
    twin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "_told", {})
    context = Context()
    request = context.run(begin, "door", "scope")
    assert context[REQUEST] is request
    assert (request.door, request.scope, request.outer) == ("door", "scope", None)
    inner = context.run(begin, "door", "scope")
    assert inner.outer is request
    inner.scope = None
    assert context.run(begin, "door", "scope").outer is None
    assert not guard._told

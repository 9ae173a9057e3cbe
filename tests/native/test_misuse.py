"""The compiled twin, used as nobody should: it raises, in clear words, and never crashes."""

import asyncio
import sys
import threading
import time
from contextvars import Context
from typing import Any

import pytest

from loopwatch.core.request import begin
from loopwatch.ledger.request_row import RequestRow
from loopwatch.ledger.step_table import StepRow
from loopwatch.loop.libuv import Libuv

from .made import a_request, a_state, answered, speedups

if speedups is None:
    pytest.skip("the compiled twin was not built", allow_module_level=True)


def a_row() -> Any:
    return RequestRow("route", "GET", None, StepRow("any"), lambda *_: None)


# ---------------------------------------------------------------- the `send` of an app


def test_the_send_of_an_app_refuses_in_pythons_words() -> None:
    ours = answered()
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        ours()
    with pytest.raises(TypeError):
        ours(1, 2, 3)
    with pytest.raises(TypeError):
        ours(no_such_name=1)
    with pytest.raises(AttributeError):
        ours.anything = 1
    with pytest.raises(AttributeError):
        _ = ours.anything
    assert ours.__name__ == "send"


def test_answering_wants_a_state_and_a_request() -> None:
    for wrong in ((), (None,) * 6, (a_state(), None, None, None, None, None)):
        with pytest.raises(TypeError, match="answering takes a state, a request"):
            speedups.answering(*wrong)


# ---------------------------------------------------------------- numbers


def test_counters_that_guard_memory_cannot_be_written() -> None:
    row = a_row()
    with pytest.raises(AttributeError):
        row.finished = 7
    with pytest.raises(AttributeError):
        row.counts = ()
    assert row.recent() == b""
    with pytest.raises(AttributeError):
        a_state().running = 1
    with pytest.raises(AttributeError):
        a_request().times = ()


def test_numbers_are_numbers() -> None:
    state = a_state()
    for name in ("mark", "limit", "threshold", "other_steps", "turns", "ready", "polling"):
        with pytest.raises(TypeError):
            setattr(state, name, "text")
        with pytest.raises(TypeError):
            delattr(state, name)
    for wrong in (state.position, state.count_tick, state.fall_behind):
        with pytest.raises(TypeError):
            wrong("text")
    for odd in (float("nan"), float("inf"), -1.0):
        state.count_tick(odd)
        state.limit = odd
        state.mark = state.tick = odd
        speedups.timed_select(state, lambda timeout: [], None)(0)


def test_a_tick_needs_something_to_call() -> None:
    state = a_state()
    poll = speedups.timed_select(state, lambda timeout: [], None)
    state.limit, state.turns = -1.0, 1
    state.mark = state.tick + 10.0
    state.long_tick = None
    assert poll(0) == []
    state.mark, state.long_tick = state.tick + 10.0, 5
    with pytest.raises(TypeError, match="not callable"):
        poll(0)


def test_requests_go_to_rows() -> None:
    row, request = a_row(), a_request()
    for wrong in ((None, request), (row, None), (row, row), (request, request)):
        with pytest.raises(TypeError):
            speedups.add_request(*wrong, 1.0, 0.0)
    with pytest.raises(TypeError):
        speedups.add_to_known({}, row, 1.0, 0.0)
    with pytest.raises(TypeError):
        speedups.add_to_known([], request, 1.0, 0.0)
    with pytest.raises(TypeError):
        speedups.add_to_known({}, request, "now", 0.0)
    with pytest.raises(TypeError):
        request.take_steps(row)
    row.steps = "steps"
    with pytest.raises(TypeError, match="steps must be a StepRow"):
        speedups.add_request(row, request, 1.0, 0.0)
    del row.steps
    with pytest.raises(TypeError, match="steps must be a StepRow"):
        speedups.add_request(row, request, 1.0, 0.0)


def test_a_scope_that_ends_may_take_the_rows_steps() -> None:
    row, request = a_row(), a_request()

    class Ending:
        def __del__(self) -> None:
            del row.steps

    request.scope = Ending()
    speedups.add_request(row, request, request.started + 1.0, 0.5)
    assert row.finished == 1
    assert not hasattr(row, "steps")


def test_a_long_chain_of_requests_ends() -> None:
    context = Context()
    for _ in range(300_000):
        context.run(begin, None, {})
    del context


# ---------------------------------------------------------------- loops


def test_a_loops_pulse_is_a_state() -> None:
    loop = asyncio.new_event_loop()
    states: dict[Any, Any] = {loop: a_state(), 5: a_state()}
    run = speedups.timed_run(asyncio.Handle._run, states, False)
    ran: list[int] = []
    handle = asyncio.Handle(ran.append, (1,), loop)
    for odd in (7, None, "state"):
        states[loop] = odd
        run(handle)
    assert ran == [1, 1, 1]
    for wrong in ((), (1, 2)):
        with pytest.raises((TypeError, AttributeError)):
            run(*wrong)
    loop.close()


def test_steps_are_timed_between_a_state_and_a_method() -> None:
    soon = speedups.timed_soon(a_state(), lambda *given: given, 0)
    assert soon() == ()
    assert soon("no callable") == ("no callable",)
    with pytest.raises(TypeError):
        speedups.timed_soon(None, print, 0)
    with pytest.raises(TypeError):
        speedups.timed_run(print, [], False)
    with pytest.raises(TypeError):
        type(soon)()


def test_a_poll_takes_addresses() -> None:
    state, ten = a_state(), tuple(range(1, 11))
    for wrong in ((1, 1), (63, 200), (200, 1 << 40), (-1, 200)):
        with pytest.raises(ValueError, match="and the handles' sizes"):
            speedups.LibuvPoll(state, 1, ten, *wrong)
    with pytest.raises(ValueError, match="and the handles' sizes"):
        speedups.LibuvPoll(state, 1, ten[:-1], 200, 200)
    with pytest.raises(ValueError, match="must not be 0"):
        speedups.LibuvPoll(state, 0, ten, 200, 200)
    with pytest.raises(ValueError, match="must not be 0"):
        speedups.LibuvPoll(state, 1, (0,) * 10, 200, 200)
    with pytest.raises(OverflowError):
        speedups.LibuvPoll(state, 1 << 80, ten, 200, 200)
    with pytest.raises(TypeError):
        speedups.LibuvPoll(state, 1, ("text",) * 10, 200, 200)
    with pytest.raises(TypeError):
        speedups.LibuvPoll(None, 1, ten, 200, 200)


def test_a_state_has_one_poll() -> None:
    uvloop = pytest.importorskip("uvloop")
    loop, state = uvloop.new_event_loop(), a_state()
    libuv = Libuv(loop)
    poll = libuv.open(state)
    with pytest.raises(ValueError, match="has a poll already"):
        libuv.open(state)
    poll.close()
    again = libuv.open(state)
    poll.close()
    poll.detach()
    loop.call_soon(loop.stop)
    loop.run_forever()
    again.close()
    loop.close()


@pytest.mark.parametrize("name", ["running_context", "running_frame"])
def test_a_context_and_a_frame_are_of_a_thread(name: str) -> None:
    running = getattr(speedups, name)
    for wrong in (None, "thread", 1.5):
        with pytest.raises(TypeError):
            running(wrong)
    for wrong in (-1, 1 << 80):
        with pytest.raises(OverflowError):
            running(wrong)
    assert running(0) is None
    assert running(12345) is None


def test_a_thread_s_frame_is_that_which_python_knows() -> None:
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    asked, deadline = thread.ident or 0, time.monotonic() + 5.0
    try:
        while speedups.running_frame(asked) is not sys._current_frames()[asked]:
            assert time.monotonic() < deadline  # it has stopped to wait by then
        assert speedups.running_frame(threading.get_ident()) is sys._getframe()
    finally:
        over.set()
        thread.join()
    assert speedups.running_frame(asked) is None

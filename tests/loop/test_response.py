"""The `send` an app gets, by both twins: it sees the response end, and is seen by nobody."""

import asyncio
import collections
import gc
import inspect
import sys
import time
import types
from collections.abc import Callable
from contextvars import Context
from enum import StrEnum
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware
from loopwatch.core.request import REQUEST, Request, begin, clock
from loopwatch.core.speedups import speedups
from loopwatch.loop.loop_state import LoopState
from loopwatch.loop.response import answering as python_answering
from loopwatch.loop.response import used
from tests.asgi import Receive, Send, http_scope, visit
from tests.calm import in_calm
from tests.conftest import TOLERANCE, MakeWatch, run_on, spin_for

TWINS: dict[str, Any] = {
    "python": python_answering,
    "compiled": speedups and speedups.answering,
}

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
BODY: dict[str, Any] = {"type": "http.response.body", "body": b"x"}
MORE = {**BODY, "more_body": True}


@pytest.fixture(params=TWINS)
def answering(request: pytest.FixtureRequest) -> Callable[..., Any]:
    found = TWINS[request.param]
    if found is None:
        pytest.skip("the compiled twin was not built: no compiler, or no GIL")
    function: Callable[..., Any] = found
    return function


def nothing(*arguments: Any) -> None: ...


def a_state() -> LoopState:
    return LoopState(None, 0.1, nothing, nothing, nothing)


def a_request() -> Request:
    return Context().run(begin, None, http_scope())


def in_its_context(request: Request, function: Callable[..., Any], *arguments: Any) -> Any:
    context = Context()
    context.run(REQUEST.set, request)
    return context.run(function, *arguments)


class Server:
    """What a server's `send` was called with."""

    def __init__(self) -> None:
        self.called: list[Any] = []

    def send(self, *arguments: Any, **named: Any) -> Any:
        self.called.append((*arguments, *named.items()))
        return "sending"

    async def asend(self, message: Any) -> None:
        self.called.append(message)


def no_start(request: Request, message: Any) -> Any:
    raise AssertionError("it must not be asked")


def an_answer(
    answering: Callable[..., Any], start: Any = None
) -> tuple[Any, Request, list[Any], LoopState]:
    """Return an answer, its request, and what reached the server."""
    server, request, state = Server(), a_request(), a_state()
    made = answering(state, request, None, server.send, start, no_start)
    return made, request, server.called, state


def test_the_response_is_complete_with_its_last_body(answering: Callable[..., Any]) -> None:
    send, request, called, _ = an_answer(answering)
    for message in (START, MORE, {**BODY, "more_body": True}):
        assert send(message) == "sending"
        assert request.responded == 0.0
    before = clock()
    assert send({**BODY, "more_body": False}) == "sending"
    assert before <= request.responded <= clock()
    first = request.responded, request.settled
    send(BODY)
    send({"type": "http.response.trailers", "headers": [], "more_trailers": False})
    assert (request.responded, request.settled) == first
    assert [message["type"] for (message,) in called].count("http.response.body") == 4


def test_messages_reach_the_server_as_the_very_objects_they_were(
    answering: Callable[..., Any],
) -> None:
    send, _, called, _ = an_answer(answering)
    messages: list[dict[str, Any]] = [
        dict(START),
        dict(MORE),
        dict(BODY),
        {"type": "websocket.send"},
        {},
    ]
    copies = [dict(message) for message in messages]
    for message in messages:
        send(message)
    assert messages == copies
    assert all(got is sent for (got,), sent in zip(called, messages, strict=True))


class Kind(StrEnum):
    BODY = "http.response.body"


class Unlike:
    """Cannot be compared."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth of this is ambiguous")


@pytest.mark.parametrize(
    "message",
    [
        None,
        1,
        "http.response.body",
        [],
        types.MappingProxyType(BODY),
        collections.UserDict(BODY),
        collections.OrderedDict(BODY),
        {},
        {"type": None},
        {"type": b"http.response.body"},
        {"type": 7},
        {"type": ["http.response.body"]},
        {"type": Unlike()},
        {1: 2, "body": b""},
    ],
    ids=repr,
)
def test_strange_messages_are_the_server_s_business(
    answering: Callable[..., Any], message: Any
) -> None:
    send, request, called, _ = an_answer(answering, no_start)
    assert send(message) == "sending"
    assert called[0][0] is message
    assert request.responded == 0.0


def test_a_type_may_be_a_text_s_subclass(answering: Callable[..., Any]) -> None:
    """As of apps that keep the names of messages in an enum."""
    send, request, _, _ = an_answer(answering)
    send({"type": Kind.BODY, "body": b""})
    assert request.responded > 0


@pytest.mark.parametrize(
    ("arguments", "named"),
    [((), {}), ((BODY, 1), {}), ((), {"message": BODY}), ((BODY,), {"more": 1})],
)
def test_wrong_arguments_are_the_server_s_to_refuse(
    answering: Callable[..., Any], arguments: Any, named: Any
) -> None:
    send, request, called, _ = an_answer(answering)
    send(*arguments, **named)
    assert called == [(*arguments, *named.items())]
    assert request.responded == 0.0
    strict = answering(a_state(), request, None, Server().asend, None, no_start)
    if named != {"message": BODY}:
        with pytest.raises(TypeError, match="asend"):
            strict(*arguments, **named)


def test_what_send_raises_reaches_the_app(answering: Callable[..., Any]) -> None:
    def send(message: Any) -> Any:
        raise error

    for error in (OSError("closed"), asyncio.CancelledError(), KeyboardInterrupt()):
        request = a_request()
        wrapped = answering(a_state(), request, None, send, None, no_start)
        with pytest.raises(type(error)) as met:
            wrapped(BODY)
        assert met.value is error
        assert met.value.__context__ is None
        assert request.responded > 0


def test_whatever_is_asked_of_it_is_asked_of_the_server_s(answering: Callable[..., Any]) -> None:
    server, request = Server(), a_request()
    wrapped = answering(a_state(), request, None, server.asend, None, no_start)
    assert wrapped.__self__ is server
    assert wrapped.__func__ is Server.asend
    assert wrapped.__name__ == "asend"
    assert not hasattr(wrapped, "no_such_thing")
    assert callable(wrapped)


def test_it_looks_like_the_coroutine_function_it_stands_for(
    answering: Callable[..., Any],
) -> None:
    """Frameworks ask, to decide whether to await or to call in a thread."""

    async def send(message: Any) -> None: ...

    def plain(message: Any) -> None: ...

    for stands_for in (send, Server().asend, plain, Server().send):
        wrapped = answering(a_state(), a_request(), None, stands_for, None, no_start)
        expected = inspect.iscoroutinefunction(stands_for)
        assert inspect.iscoroutinefunction(wrapped) == expected


def test_the_first_message_may_be_added_to(answering: Callable[..., Any]) -> None:
    asked: list[Any] = []

    def start(request: Request, message: Any) -> Any:
        asked.append((request, message))
        return {**message, "headers": [(b"x", b"y")]}

    send, request, called, _ = an_answer(answering, start)
    mine = dict(START)
    for message in (mine, MORE, BODY):
        send(message)
    assert asked == [(request, mine)]
    assert asked[0][1] is mine
    assert mine == START
    assert called[0][0]["headers"] == [(b"x", b"y")]
    send(dict(START))  # too late, and none of ours
    assert len(asked) == 1


def test_only_a_request_that_may_have_waited_is_asked_about(
    answering: Callable[..., Any],
) -> None:
    asked: list[Any] = []
    state, request = a_state(), a_request()
    for behind, expected in ((request.started, 0), (request.started + 0.001, 1)):
        state.behind = behind
        answering(state, request, "receive", Server().send, None, lambda *them: asked.append(them))
        assert len(asked) == expected
    assert asked == [(request, "receive")]


def test_what_a_request_has_used_is_taken_as_it_responds(answering: Callable[..., Any]) -> None:
    """Of its row, of its short and long steps, and of the step in progress if that is its own."""
    for owner, running in ((None, 0.5), (a_request(), 0.0)):
        send, request, _, state = an_answer(answering)
        now = clock()
        state.mark, request.started = now - 0.5, now - 10
        request.taken, request.seconds = 1.0, 2.0
        request.add_long_step(4.0)
        request.add_long_step(8.0)
        whose = owner or request
        expected = in_its_context(whose, used, state, request, now)
        assert expected == pytest.approx(15.0 + running)
        in_its_context(whose, send, BODY)
        assert request.settled == pytest.approx(expected, abs=0.1)
        assert request.settled >= expected


def test_a_request_that_began_in_this_step_has_used_it_from_then_on(
    answering: Callable[..., Any],
) -> None:
    send, request, _, state = an_answer(answering)
    now = clock()
    state.mark, request.started = now - 10, now - 0.25
    in_its_context(request, send, BODY)
    assert request.settled == pytest.approx(0.25, abs=0.1)


def test_ten_thousand_answers_leave_nothing_behind(answering: Callable[..., Any]) -> None:
    state, server, message = a_state(), Server(), dict(BODY)
    shared = (state, message, START)

    def start(request: Request, message: Any) -> Any:
        return message

    def many(times: int) -> tuple[int, list[int]]:
        for _ in range(times):
            send = answering(state, a_request(), None, server.send, start, no_start)
            send(START)
            send(message)
            hasattr(send, "nothing")
            server.called.clear()
            cycle = [send]
            cycle.append(cycle)
        del send, cycle
        gc.collect()
        return sys.getallocatedblocks(), [sys.getrefcount(each) for each in shared]

    many(2000)
    blocks, references = many(100)
    after, references_after = many(10_000)
    assert references_after == references
    assert after - blocks < 500


@pytest.mark.skipif(speedups is None, reason="the compiled twin was not built")
def test_the_compiled_twin_refuses_what_it_does_not_know() -> None:
    assert speedups is not None
    for wrong in ((), (1, 2, 3, 4, 5, 6), (a_state(), 2, 3, 4, 5, 6), (a_state(), a_request())):
        with pytest.raises(TypeError, match="answering takes"):
            speedups.answering(*wrong)


# In an app.


@in_calm
def test_latency_ends_with_the_last_body_and_the_rest_is_background(
    loop: str, make_watch: MakeWatch
) -> None:
    watch = make_watch()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        scope["path_template"] = "/stream"
        await send(dict(START))
        for _ in range(2):
            await asyncio.sleep(0.03)
            await send(dict(MORE))
        spin_for(0.02)
        await send(dict(BODY))
        spin_for(0.04)
        await asyncio.sleep(0.1)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.01)
        await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        await asyncio.sleep(0)

    run_on(loop, main())
    (reading,) = watch.snapshot().requests
    assert reading.latency.sum == pytest.approx(0.08, abs=TOLERANCE)
    assert reading.running == pytest.approx(0.02, abs=TOLERANCE)
    assert reading.background == pytest.approx(0.04, abs=TOLERANCE)


@pytest.mark.parametrize("end", [None, RuntimeError("x"), asyncio.CancelledError()], ids=repr)
def test_without_a_body_latency_ends_with_the_app(
    loop: str, make_watch: MakeWatch, end: BaseException | None
) -> None:
    watch = make_watch()

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await send(dict(START))
        await asyncio.sleep(0.02)
        if end is not None:
            raise end

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.01)
        task = asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        (met,) = await asyncio.gather(task, return_exceptions=True)
        assert met is end or type(met) in (list, type(end))
        await asyncio.sleep(0)

    run_on(loop, main())
    (reading,) = watch.snapshot().requests
    assert reading.latency.count == 1
    assert reading.latency.sum >= 0.018  # uvloop's timers are early by up to 1 ms
    assert reading.background == pytest.approx(0.0, abs=1e-9)


def test_a_response_sent_by_somebody_else_s_task_is_not_counted_twice(
    loop: str, make_watch: MakeWatch
) -> None:
    """A writer of the app's own, begun before any request: its steps are no request's."""
    watch = make_watch()
    queue: Any = None

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        done = asyncio.Event()
        await queue.put((send, done))
        await done.wait()

    async def write() -> None:
        while True:
            send, done = await queue.get()
            time.sleep(0.03)
            await send(dict(START))
            await send(dict(BODY))
            done.set()

    async def main() -> None:
        nonlocal queue
        queue = asyncio.Queue()
        watch.start()
        await asyncio.sleep(0.01)
        writer = asyncio.ensure_future(write())
        for _ in range(3):
            await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        writer.cancel()

    run_on(loop, main())
    (reading,) = watch.snapshot().requests
    assert reading.background >= 0
    assert reading.running < 0.03

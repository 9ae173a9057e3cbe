"""The `send` an app gets, by both twins: it sees the response end, and is seen by nobody."""

import asyncio
import collections
import gc
import inspect
import sys
import types
from collections.abc import Callable
from contextvars import Context
from enum import StrEnum
from typing import Any

import pytest

from loopwatch.core.request import REQUEST, Request, clock
from loopwatch.core.speedups import speedups
from loopwatch.loop.response import used
from tests.loop.answers import BODY, MORE, START, Server, a_request, a_state, an_answer, no_start
from tests.loop.answers import answering as answering


def in_its_context(request: Request, function: Callable[..., Any], *arguments: Any) -> Any:
    context = Context()
    context.run(REQUEST.set, request)
    return context.run(function, *arguments)


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

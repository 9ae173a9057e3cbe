"""Which message ends a response, by both twins: bodies from files and trailers as well as bytes."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware
from loopwatch.core.request import clock
from tests.asgi import Receive, Send, visit
from tests.conftest import MakeWatch, run_on

from .answers import BODY, MORE, START, an_answer, no_start
from .answers import answering as answering

PATH = {"type": "http.response.pathsend", "path": "/srv/film.mp4"}
ZERO_COPY = {"type": "http.response.zerocopysend", "file": 7}
TRAILERS = {"type": "http.response.trailers", "headers": []}
ANNOUNCED = {**START, "trailers": True}


def more(message: dict[str, Any], key: str = "more_body", value: object = True) -> dict[str, Any]:
    return {**message, key: value}


class Kind(StrEnum):
    PATH = "http.response.pathsend"


ENDS: dict[str, list[dict[str, Any]]] = {  # the last message ends the response, none before it
    "a path": [START, PATH],
    "a path in an enum": [START, more(PATH, "type", Kind.PATH)],
    "a path after bytes": [START, MORE, PATH],
    "a file": [START, ZERO_COPY],
    "a file in parts": [START, more(ZERO_COPY), more(ZERO_COPY), more(ZERO_COPY, value=False)],
    "bytes after a file": [START, more(ZERO_COPY), BODY],
    "trailers": [ANNOUNCED, BODY, TRAILERS],
    "trailers in parts": [
        ANNOUNCED,
        MORE,
        BODY,
        more(TRAILERS, "more_trailers"),
        more(TRAILERS, "more_trailers", value=False),
    ],
    "trailers after a path": [ANNOUNCED, PATH, TRAILERS],
    "trailers after a file": [ANNOUNCED, ZERO_COPY, TRAILERS],
    "trailers that are denied": [more(START, "trailers", value=False), BODY],
}


@pytest.mark.parametrize("messages", ENDS.values(), ids=ENDS)
def test_the_last_message_ends_a_response(
    answering: Callable[..., Any], messages: list[dict[str, Any]]
) -> None:
    send, request, called, _ = an_answer(answering)
    for message in messages[:-1]:
        send(message)
        assert request.responded == 0.0
    before = clock()
    send(messages[-1])
    assert before <= request.responded <= clock()
    first = request.responded, request.settled
    for later in (BODY, PATH, ZERO_COPY, TRAILERS):
        send(later)
    assert (request.responded, request.settled) == first
    assert all(got is sent for (got,), sent in zip(called, messages, strict=False))


@pytest.mark.parametrize(
    "kind",
    [
        *("http.response.push", "http.response.early_hint", "http.response.debug"),
        *("http.response.pathsends", "http.response.trailers", "http.disconnect"),
        *("websocket.send", "websocket.close", "lifespan.startup.complete", ""),
    ],
)
def test_no_other_message_ends_one(answering: Callable[..., Any], kind: str) -> None:
    send, request, called, _ = an_answer(answering)
    send(START)
    send({"type": kind})
    assert request.responded == 0.0
    assert called[1] == ({"type": kind},)


def test_one_answer_s_trailers_are_no_other_s(answering: Callable[..., Any]) -> None:
    """The compiled twin uses its objects again."""
    for _ in range(100):
        send, request, _, _ = an_answer(answering)
        send(ANNOUNCED)
        del send
        send, request, _, _ = an_answer(answering)
        send(BODY)
        assert request.responded > 0


def test_a_start_that_is_added_to_may_announce_trailers(answering: Callable[..., Any]) -> None:
    send, request, called, _ = an_answer(answering, lambda request, message: dict(message))
    for message in (ANNOUNCED, BODY):
        send(message)
        assert request.responded == 0.0
    send(TRAILERS)
    assert request.responded > 0
    assert [message for (message,) in called] == [ANNOUNCED, BODY, TRAILERS]


class Unsure:
    def __bool__(self) -> bool:
        raise ValueError("who knows")


@pytest.mark.parametrize(
    "messages",
    [
        [more(BODY, value=Unsure())],
        [more(ZERO_COPY, value=Unsure())],
        [more(START, "trailers", Unsure())],
        [ANNOUNCED, more(TRAILERS, "more_trailers", Unsure())],
    ],
    ids=lambda messages: str(messages[-1]["type"]),
)
def test_what_a_message_s_truth_raises_reaches_the_app(
    answering: Callable[..., Any], messages: list[dict[str, Any]]
) -> None:
    send, request, called, _ = an_answer(answering, no_start if len(messages) == 1 else None)
    for message in messages[:-1]:
        send(message)
    with pytest.raises(ValueError, match="who knows"):
        send(messages[-1])
    assert request.responded == 0.0
    assert len(called) == len(messages) - 1


@pytest.mark.parametrize("messages", ENDS.values(), ids=ENDS)
def test_latency_ends_there_and_a_background_task_is_not_part_of_it(
    loop: str, make_watch: MakeWatch, messages: list[dict[str, Any]]
) -> None:
    watch, moments = make_watch(), []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(dict(message))
        moments.append(clock())
        await asyncio.sleep(0.02)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0)
        moments.append(clock())
        await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))
        await asyncio.sleep(0)

    run_on(loop, main())
    (reading,) = watch.snapshot().requests
    assert reading.latency.count == 1
    assert reading.latency.sum <= moments[1] - moments[0]

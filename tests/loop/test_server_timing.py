"""The header Server-Timing: off unless asked for, valid, and no app is broken by it."""

import asyncio
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from loopwatch import LoopWatchMiddleware
from loopwatch.core import guard
from loopwatch.loop.server_timing import value
from tests.asgi import App, Message, Receive, Send, visit
from tests.calm import in_calm
from tests.conftest import TOLERANCE, MakeWatch, run_on

TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
METRIC = re.compile(rf"({TOKEN});dur=(\d+\.\d+)")
PARTS = ["queued", "running", "stalled", "waiting"]


def app_with(headers: Any) -> App:
    """Return an app that gives these headers; without the key if they are `...`."""

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        message = {"type": "http.response.start", "status": 200, "headers": headers}
        if headers is ...:
            del message["headers"]
        await send(message)
        await send({"type": "http.response.body", "body": b""})

    return app


def headers_of(loop: str, app: App, watch: Any) -> list[Any]:
    async def main() -> list[Message]:
        watch.start()
        await asyncio.sleep(0)
        return await asyncio.ensure_future(visit(LoopWatchMiddleware(app, watch=watch)))

    start, body = run_on(loop, main())
    assert body == {"type": "http.response.body", "body": b""}
    assert start["status"] == 200
    headers = start.get("headers", [])
    return [*headers]


def times(headers: list[Any]) -> dict[str, float]:
    """Return seconds by part, of a header that keeps the syntax of W3C."""
    (text,) = (v.decode("ascii") for name, v in headers if name == b"server-timing")
    found = [METRIC.fullmatch(metric) for metric in text.split(", ")]
    return {m[1]: float(m[2]) / 1e3 for m in found if m is not None}


def test_the_value_is_in_milliseconds() -> None:
    assert value(0.1234567, 0.0, 2.0, 1e-7) == (
        b"queued;dur=123.457, running;dur=0.000, stalled;dur=2000.000, waiting;dur=0.000"
    )


def test_unasked_nothing_is_added(loop: str, make_watch: MakeWatch) -> None:
    assert headers_of(loop, app_with([(b"a", b"b")]), make_watch()) == [(b"a", b"b")]
    assert headers_of(loop, app_with(...), make_watch()) == []


def an_iterator() -> Iterator[tuple[bytes, bytes]]:
    yield (b"a", b"b")


@pytest.mark.parametrize(
    "make",
    [
        lambda: [(b"a", b"b")],
        lambda: ((b"a", b"b"),),
        lambda: [[b"a", b"b"]],
        lambda: {b"a": b"b"}.items(),
        an_iterator,
    ],
    ids=["list", "tuple", "pairs as lists", "view", "iterator"],
)
def test_it_is_added_to_what_the_app_gave(loop: str, make_watch: MakeWatch, make: Any) -> None:
    headers = headers_of(loop, app_with(make()), make_watch(server_timing=True))
    assert [tuple(pair) for pair in headers[:-1]] == [(b"a", b"b")]
    assert list(times(headers)) == PARTS


def test_an_app_without_headers_has_this_one(loop: str, make_watch: MakeWatch) -> None:
    headers = headers_of(loop, app_with(...), make_watch(server_timing=True))
    assert list(times(headers)) == PARTS
    assert len(headers) == 1


def test_the_app_s_own_message_stays_as_it_is(loop: str, make_watch: MakeWatch) -> None:
    own = [(b"server-timing", b"db;dur=5")]
    headers = headers_of(loop, app_with(own), make_watch(server_timing=True))
    assert own == [(b"server-timing", b"db;dur=5")]
    assert headers[0] == own[0]
    assert [name for name, _ in headers] == [b"server-timing"] * 2


@pytest.mark.parametrize("headers", [7, None])
def test_headers_that_are_none_are_the_server_s_to_refuse(
    loop: str, make_watch: MakeWatch, headers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    async def keep(message: Any) -> None:
        sent.append(message)

    async def main() -> None:
        app = LoopWatchMiddleware(app_with(headers), watch=make_watch(server_timing=True))
        await app({"type": "http", "method": "GET", "path": "/"}, None, keep)  # type: ignore[arg-type]

    monkeypatch.setattr(guard, "_told", {})
    run_on(loop, main())
    [told] = guard._told
    assert "loopwatch.loop.server_timing" in str(told)
    assert sent[0]["headers"] is headers


@in_calm
def test_the_parts_are_those_until_the_response_begins(loop: str, make_watch: MakeWatch) -> None:
    watch, began = make_watch(server_timing=True), asyncio.Event()

    async def good(request: Any) -> PlainTextResponse:
        started = time.perf_counter()
        time.sleep(0.02)
        began.set()
        await asyncio.sleep(0.1)
        return PlainTextResponse(f"{time.perf_counter() - started}")

    async def bad(request: Any) -> PlainTextResponse:
        time.sleep(0.2)
        return PlainTextResponse("")

    starlette = Starlette(routes=[Route("/good", good), Route("/bad", bad)])
    app = LoopWatchMiddleware(starlette, watch=watch)

    async def main() -> list[Message]:
        watch.start()
        await asyncio.sleep(0.01)
        visited = asyncio.ensure_future(visit(app, "/good"))
        await began.wait()
        await asyncio.ensure_future(visit(app, "/bad"))
        return await visited

    start, body = run_on(loop, main())
    found, took = times(start["headers"]), float(body["body"])
    assert sum(found.values()) == pytest.approx(took, abs=TOLERANCE)
    assert found["running"] == pytest.approx(0.02, abs=TOLERANCE)
    assert found["queued"] == 0.0
    assert found["stalled"] == pytest.approx(0.1, abs=0.015)
    assert found["stalled"] + found["waiting"] == pytest.approx(0.2, abs=0.015)
    assert any(name == b"content-length" for name, _ in start["headers"])

"""Spans of an app with the real SDK, inside instrumentation and outside: a stall's, a victim's."""

import asyncio
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware

from ..asgi import App, Receive, Send, answer, visit
from ..calm import in_calm
from ..conftest import MakeWatch, block_for, run_on, until
from .exported_spans import Traced, identity, linked
from .exported_spans import traced as traced


def traced_app(traced: Traced, app: App) -> App:
    """Return an app as instrumentation wraps it: one span, whatever the app does."""

    async def wrapped(scope: Any, receive: Receive, send: Send) -> None:
        with traced.tracer.start_as_current_span(scope["path"]):
            await app(scope, receive, send)

    return wrapped


async def blocks_or_sleeps(scope: Any, receive: Receive, send: Send) -> None:
    scope["path_template"] = scope["path"]
    if scope["path"] == "/bad":
        block_for(0.2)
    else:
        await asyncio.sleep(0.1)
    await answer(send)


async def good_beside_bad(watch: Any, app: App) -> None:
    """Begin a request that waits for another one's stall, and end both."""
    watch.start()
    await asyncio.sleep(0.05)
    good = asyncio.ensure_future(visit(app, "/good"))
    await asyncio.sleep(0.02)
    await asyncio.ensure_future(visit(app, "/bad"))
    await good


def stall_once(loop: str, watch: Any, app: App) -> None:
    async def main() -> None:
        await good_beside_bad(watch, app)
        await until(lambda: bool(watch.stalls) and watch.stalls[-1].victims > 0)
        await asyncio.sleep(0.1)

    run_on(loop, main())
    watch.stop()


@in_calm
def test_inside_instrumentation_both_spans_are_linked(
    loop: str, make_watch: MakeWatch, traced: Traced
) -> None:
    watch = make_watch(otel=True)
    traced.exported.clear()
    stall_once(loop, watch, traced_app(traced, LoopWatchMiddleware(blocks_or_sleeps, watch=watch)))
    stall, good, bad = (traced.one(name) for name in ("loopwatch.stall", "/good", "/bad"))
    assert linked(stall) == [identity(good)]
    assert linked(good) == [identity(stall)]
    assert linked(bad) == []
    assert stall.parent is not None
    assert stall.parent.span_id == identity(bad)
    assert stall.attributes is not None
    assert good.attributes is not None
    parts = [good.attributes[f"loopwatch.request.{p}"] for p in ("queued", "running", "stalled")]
    assert parts[0] == 0.0
    assert parts[2] == pytest.approx(stall.attributes["loopwatch.lost_request_seconds"], abs=1e-6)
    assert not bad.attributes


@in_calm
def test_outside_instrumentation_both_spans_are_linked_as_well(
    loop: str, make_watch: MakeWatch, traced: Traced
) -> None:
    """As the response is complete the span is still there, if it took 0.1 s at least."""
    watch = make_watch(otel=True)
    traced.exported.clear()
    stall_once(loop, watch, LoopWatchMiddleware(traced_app(traced, blocks_or_sleeps), watch=watch))
    stall, good, bad = (traced.one(name) for name in ("loopwatch.stall", "/good", "/bad"))
    assert linked(stall) == [identity(good)]
    assert linked(good) == [identity(stall)]
    assert not bad.attributes
    assert good.attributes is not None
    assert 0.0 < float(str(good.attributes["loopwatch.request.stalled"])) < 0.3


def test_a_stall_that_is_allowed_is_told_nobody_though_its_span_was_begun(
    loop: str, make_watch: MakeWatch, traced: Traced
) -> None:
    watch = make_watch(otel=True, allow=("*.block_for",))
    app = traced_app(traced, LoopWatchMiddleware(blocks_or_sleeps, watch=watch))

    async def main() -> None:
        await good_beside_bad(watch, app)
        await until(lambda: bool(watch.snapshot().allowed))

    run_on(loop, main())
    watch.stop()
    assert len(traced.named("/good")) == 1
    assert traced.named("loopwatch.stall") == []

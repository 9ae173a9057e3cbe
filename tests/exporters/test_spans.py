"""Spans with the real SDK: a stall and who waited for it refer to each other, as far as can be."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from loopwatch import LoopWatchMiddleware, Site, Stall
from loopwatch.core.holds import Hold
from loopwatch.core.recent import RecentRequest
from loopwatch.core.request import clock
from loopwatch.exporters import spans
from loopwatch.exporters.spans import LINKS, StallSpans

from ..asgi import App, Receive, Send, answer, visit
from ..calm import in_calm
from ..conftest import MakeWatch, block_for, run_on, until

TIMES = RecentRequest(
    route="/good",
    method="GET",
    started_at=1.0,
    latency=1.5,
    queued=0.125,
    running=0.25,
    stalled=0.5,
    waiting=0.625,
)


class Traced:
    """A provider of the SDK's, and what it has exported."""

    def __init__(self, **options: Any) -> None:
        self.exported = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exported))
        self.tracer = self.provider.get_tracer("app")

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exported.get_finished_spans() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span


@pytest.fixture
def traced(monkeypatch: pytest.MonkeyPatch) -> Iterator[Traced]:
    made = Traced()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made.provider)
    yield made
    made.provider.shutdown()


def a_stall(**more: Any) -> Stall:
    values: dict[str, Any] = {
        "started_at": 1_800_000_000.0,
        "duration": 0.5,
        "cause": "blocking_call",
        "route": "/bad",
        "site": Site("shop.load", "/app/shop.py", 17, "time.sleep(1)"),
        "thread": "MainThread",
        "victims": 1,
        "lost_request_seconds": 0.25,
    }
    return Stall(**values | more)


def a_hold(context: Any = None) -> Hold:
    return Hold(clock() - 1.0, clock() - 0.5, None, lambda _: True, context)


def linked(span: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in span.links]


def identity(span: ReadableSpan) -> int:
    assert span.context is not None
    number: int = span.context.span_id
    return number


def test_a_stall_and_its_victim_refer_to_each_other(traced: Traced) -> None:
    exporter = StallSpans()
    with traced.tracer.start_as_current_span("culprit") as culprit:
        hold = a_hold(copy_context())
    with traced.tracer.start_as_current_span("victim"):
        exporter.waited(lambda: TIMES, [hold])
    exporter.stalled_by(a_stall(), hold)
    stall, victim = traced.one("loopwatch.stall"), traced.one("victim")
    assert linked(stall) == [identity(victim)]
    assert linked(victim) == [identity(stall)]
    assert stall.parent is not None
    assert stall.parent.span_id == culprit.get_span_context().span_id
    assert victim.attributes == {
        "loopwatch.request.queued": 0.125,
        "loopwatch.request.running": 0.25,
        "loopwatch.request.stalled": 0.5,
        "loopwatch.request.waiting": 0.625,
    }
    assert stall.attributes is not None
    assert stall.attributes["loopwatch.victims"] == 1
    assert stall.attributes["loopwatch.lost_request_seconds"] == 0.25
    assert stall.attributes["code.function.name"] == "shop.load"
    assert stall.attributes["http.route"] == "/bad"


def test_a_span_that_was_begun_early_is_back_dated(traced: Traced) -> None:
    hold = a_hold()
    began = time.time() - (clock() - hold.started)
    with traced.tracer.start_as_current_span("victim"):
        StallSpans().waited(lambda: TIMES, [hold])
    StallSpans().stalled_by(a_stall(started_at=began), hold)
    span = traced.one("loopwatch.stall")
    assert span.start_time is not None
    assert span.end_time is not None
    assert span.start_time / 1e9 == pytest.approx(began, abs=0.001)
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(0.5, abs=0.001)


def test_who_ends_after_the_stall_was_told_refers_to_it(traced: Traced) -> None:
    exporter, hold = StallSpans(), a_hold()
    exporter.stalled_by(a_stall(), hold)
    with traced.tracer.start_as_current_span("victim"):
        exporter.waited(lambda: TIMES, [hold])
    stall = traced.one("loopwatch.stall")
    assert linked(traced.one("victim")) == [identity(stall)]
    assert linked(stall) == []


def test_a_stall_without_victims_is_one_span_with_its_parent(traced: Traced) -> None:
    exporter, parent = StallSpans(), {"trace_id": "a" * 32, "span_id": "b" * 16}
    exporter.stalled(a_stall())
    exporter.stalled_by(a_stall(trace_sampled=True, **parent), a_hold())
    exporter.stalled_by(a_stall(trace_sampled=False, **parent), a_hold())
    alone, child = traced.named("loopwatch.stall")  # the third is of a trace nobody keeps
    assert alone.parent is None
    assert child.parent is not None
    assert child.parent.span_id == int("b" * 16, 16)


def test_links_are_bounded_on_both_sides(traced: Traced) -> None:
    exporter, many = StallSpans(), [a_hold() for _ in range(LINKS + 5)]
    for number in range(LINKS + 5):
        with traced.tracer.start_as_current_span(f"victim{number}"):
            exporter.waited(lambda: TIMES, many if number == 0 else many[:1])
    for hold in many:
        exporter.stalled_by(a_stall(), hold)
    assert len(linked(traced.one("victim0"))) == LINKS
    stalls = traced.named("loopwatch.stall")
    assert len(stalls) == LINKS + 5
    assert max(len(linked(stall)) for stall in stalls) == LINKS


def test_a_victim_that_is_not_sampled_costs_no_span(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = Traced(sampler=ALWAYS_OFF)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: quiet.provider)
    hold = a_hold()
    with quiet.tracer.start_as_current_span("victim"):
        StallSpans().waited(lambda: TIMES, [hold])
    assert hold.link is None
    StallSpans().stalled_by(a_stall(), hold)
    assert quiet.exported.get_finished_spans() == ()


def test_without_a_span_or_an_sdk_nothing_happens() -> None:
    exporter, hold = StallSpans(), a_hold()
    exporter.waited(lambda: TIMES, [hold])
    assert hold.link is None
    exporter.stalled_by(a_stall(), hold)
    exporter.stalled(a_stall())
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_a_stall_told_a_second_time_is_a_span_of_its_own(traced: Traced) -> None:
    """By another watch's instrument: the first one's span has ended."""
    hold = a_hold()
    for _ in range(2):
        StallSpans().stalled_by(a_stall(), hold)
    assert len(traced.named("loopwatch.stall")) == 2


def test_a_stall_that_is_told_as_its_span_begins_has_one_span(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told on another thread than the one where a victim ends."""
    hold, start = a_hold(), spans.start_span
    teller = threading.Thread(target=StallSpans().stalled_by, args=(a_stall(), hold))

    def start_while_it_is_told(*arguments: Any) -> Any:
        if threading.current_thread() is not teller:
            teller.start()
            teller.join(0.2)
        return start(*arguments)

    monkeypatch.setattr(spans, "start_span", start_while_it_is_told)
    with traced.tracer.start_as_current_span("victim"):
        StallSpans().waited(lambda: TIMES, [hold])
    teller.join()
    assert linked(traced.one("victim")) == [identity(traced.one("loopwatch.stall"))]


def test_what_goes_wrong_in_a_victim_s_span_is_no_matter_of_the_app(
    traced: Traced, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(hold: Hold, victim: Any) -> Any:
        raise KeyError("x")

    told: list[Any] = []
    monkeypatch.setattr(spans, "link", broken)
    monkeypatch.setattr("loopwatch.core.guard.log_once", told.append)
    with traced.tracer.start_as_current_span("victim"):
        StallSpans().waited(lambda: TIMES, [a_hold()])
    assert told


# In an app.


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

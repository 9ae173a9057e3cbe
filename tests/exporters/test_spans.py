"""Spans with the real SDK: a stall and who waited for it refer to each other, as far as can be."""

import threading
import time
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from loopwatch.core.holds import Hold
from loopwatch.core.recent import RecentRequest
from loopwatch.core.request import clock
from loopwatch.exporters import spans
from loopwatch.exporters.spans import LINKS, StallSpans

from .exported_spans import Traced, a_hold, a_stall, identity, linked
from .exported_spans import traced as traced

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

"""The log record of a stall is written within the stall's span, so that logs and traces join."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, SpanContext

from loopwatch.exporters.log import StallLog
from loopwatch.exporters.spans import StallSpans

from ..conftest import MakeWatch, block_for, run_on, until
from .exported_spans import Traced, a_hold, a_stall, identity
from .exported_spans import traced as traced

CULPRIT = {"trace_id": "a" * 32, "span_id": "b" * 16, "trace_sampled": True}


class Seen(logging.Handler):
    """Notes the span that is current at each record, as OpenTelemetry's handler does."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Span] = []
        self.stalls: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        if "stall" in vars(record):
            self.spans.append(trace.get_current_span())
            self.stalls.append(vars(record)["stall"])

    @property
    def contexts(self) -> list[SpanContext]:
        return [span.get_span_context() for span in self.spans]


@pytest.fixture
def seen() -> Iterator[Seen]:
    handler, logger = Seen(), logging.getLogger("loopwatch")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


@pytest.mark.parametrize("with_hold", [True, False])
def test_the_record_is_within_the_span_of_its_stall(
    traced: Traced, seen: Seen, with_hold: bool
) -> None:
    spans = StallSpans()
    log = StallLog(spans=spans)
    for _ in range(2):
        stall, hold = a_stall(**CULPRIT), a_hold() if with_hold else None
        log.stalled_by(stall, hold)
        assert seen.spans[-1].is_recording()
        spans.stalled_by(stall, hold)
        assert not seen.spans[-1].is_recording()
        assert not trace.get_current_span().get_span_context().is_valid
    told = traced.named("loopwatch.stall")
    assert [context.span_id for context in seen.contexts] == [identity(span) for span in told]
    assert {format(context.trace_id, "x") for context in seen.contexts} == {"a" * 32}
    assert [span.parent and format(span.parent.span_id, "x") for span in told] == ["b" * 16] * 2


def test_a_span_that_was_begun_for_a_victim_is_the_same(traced: Traced, seen: Seen) -> None:
    spans, hold = StallSpans(), a_hold()
    begun = spans.begun(a_stall(), hold)
    StallLog(spans=spans).stalled_by(a_stall(), hold)
    spans.stalled_by(a_stall(), hold)
    assert seen.spans == [begun.span]
    assert identity(traced.one("loopwatch.stall")) == seen.contexts[0].span_id


def test_a_record_that_is_left_out_begins_no_span(traced: Traced, seen: Seen) -> None:
    spans = StallSpans()
    log = StallLog(lambda: 0.0, spans)
    holds = [a_hold() for _ in range(10)]
    for hold in holds:
        log.stalled_by(a_stall(), hold)
    assert [hold.link is not None for hold in holds] == [True] * len(seen.spans) + [False] * 5


def test_what_has_no_span_of_its_own_is_within_the_culprit_s(traced: Traced, seen: Seen) -> None:
    """While it lasts, and without the exporter of spans."""
    StallLog(spans=StallSpans()).in_progress(a_stall(**CULPRIT))
    StallLog().stalled(a_stall(**CULPRIT))
    StallLog().stalled(a_stall())
    ids = [format(context.span_id, "x") for context in seen.contexts]
    assert ids == ["b" * 16] * 2 + ["0"]
    assert traced.exported.get_finished_spans() == ()


def test_what_fails_there_costs_no_record(seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise RuntimeError("an SDK's")

    monkeypatch.setattr("loopwatch.exporters.spans.start_span", broken)
    StallLog(spans=StallSpans()).stalled_by(a_stall(), a_hold())
    StallLog().stalled(a_stall(trace_id="no number", span_id="neither"))
    assert len(seen.spans) == 2


def test_a_trace_that_is_not_sampled_is_joined_too(
    monkeypatch: pytest.MonkeyPatch, seen: Seen
) -> None:
    made = Traced(sampler=ALWAYS_OFF)
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: made.provider)
    spans, stall = StallSpans(), a_stall(**CULPRIT | {"trace_sampled": False})
    StallLog(spans=spans).stalled_by(stall, None)
    spans.stalled_by(stall, None)
    assert format(seen.contexts[0].trace_id, "x") == "a" * 32
    made.provider.shutdown()


def test_records_of_a_running_loop_have_the_ids_of_their_stalls(
    loop: str, make_watch: MakeWatch, traced: Traced, seen: Seen
) -> None:
    watch = make_watch(log=True, otel=True)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.01)
        with traced.tracer.start_as_current_span("own"):
            block_for(0.15)
            await asyncio.sleep(0)
        await until(lambda: bool(traced.named("loopwatch.stall")))

    run_on(loop, main())
    watch.stop()
    own = traced.one("own").context
    assert own is not None
    told = {identity(span): span for span in traced.named("loopwatch.stall")}
    ids = [context.span_id for context in seen.contexts]
    assert sorted(ids) == sorted(told)
    mine = [
        (context, stall)
        for context, stall in zip(seen.contexts, seen.stalls, strict=True)
        if stall["trace_id"] == format(own.trace_id, "032x")
    ]
    assert mine
    assert all(context.trace_id == own.trace_id for context, _ in mine)

"""A provider of the real SDK's with what it has exported, and stalls made by hand to export."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from loopwatch import Site, Stall
from loopwatch.core.holds import Hold
from loopwatch.core.request import clock


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

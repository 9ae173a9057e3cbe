"""A FastAPI app with OpenTelemetry's real SDK, which keeps all in memory."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from opentelemetry import metrics as otel_metrics
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

from loopwatch import LoopWatchMiddleware, Watch, metrics, timed
from tests.apps.door import Outermost, measured, open_door

RESOURCE = Resource({"service.name": "traced"})
SPANS, READER = InMemorySpanExporter(), InMemoryMetricReader()
tracers = TracerProvider(resource=RESOURCE)
tracers.add_span_processor(SimpleSpanProcessor(SPANS))
trace.set_tracer_provider(tracers)
otel_metrics.set_meter_provider(MeterProvider([READER], RESOURCE))

REGISTRY = CollectorRegistry()
WATCH = Watch(registry=REGISTRY, log=False)


def plain_span(span: ReadableSpan) -> dict[str, Any]:
    return {
        "name": span.name,
        "id": format(span.context.span_id, "016x"),
        "trace": format(span.context.trace_id, "032x"),
        "parent": format(span.parent.span_id, "016x") if span.parent else None,
        "start": (span.start_time or 0) / 1e9,
        "end": (span.end_time or 0) / 1e9,
        "attributes": dict(span.attributes or {}),
    }


def spans() -> list[dict[str, Any]]:
    return [plain_span(span) for span in SPANS.get_finished_spans()]


def points() -> list[dict[str, Any]]:
    """Return all data points of loopwatch's meter, with what the scrape says next to them."""
    data = READER.get_metrics_data()
    return [
        {"name": metric.name, "unit": metric.unit, **plain_point(point)}
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        if scope.scope.name == "loopwatch"
        for metric in scope.metrics
        for point in metric.data.data_points
    ]


def plain_point(point: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"attributes": dict(point.attributes)}
    if hasattr(point, "bucket_counts"):
        told |= {"count": point.count, "sum": point.sum, "counts": list(point.bucket_counts)}
        return {**told, "edges": list(point.explicit_bounds)}
    return {**told, "value": point.value}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    open_door(WATCH, spans=spans, points=points, scrape=lambda: generate_latest(REGISTRY).decode())
    yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(LoopWatchMiddleware, watch=WATCH)
app.add_middleware(Outermost)
app.mount("/metrics", metrics(REGISTRY))


@app.get("/blocks/{number}")
async def blocks(number: int) -> dict[str, int]:
    """Starts, blocks and ends in one step: its span is over before anybody can ask."""
    with trace.get_tracer("app").start_as_current_span("own", attributes={"number": number}):
        began = time.perf_counter()
        time.sleep(0.15)
        measured(began)
    return {"number": number}


@app.get("/native")
async def native() -> dict[str, int]:
    """No span but those FastAPI makes."""
    began = time.perf_counter()
    time.sleep(0.15)
    measured(began)
    return {}


@app.get("/steps")
async def steps() -> dict[str, int]:
    await timed(asyncio.sleep(0.01), "nap")
    return {}

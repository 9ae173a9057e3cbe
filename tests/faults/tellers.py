"""Whoever is told of a stall raises or hangs, all at once: every stall is known all the same."""

import asyncio
import io
import logging
import threading
import time
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from prometheus_client import CollectorRegistry

from loopwatch import Stall, Watch
from loopwatch.watch.delivery import UNDELIVERED
from tests.conftest import block_for, private_watch, run_on

HOLD = 0.2  # s
ENDING = 2.0  # s that `stop()` may take
SLACK = 1.0  # s that the machine may take


class HangingExporter(SpanExporter):
    """Never returns, as one without a timeout on an endpoint that does not answer."""

    def __init__(self) -> None:
        self.called, self.let_go = threading.Event(), threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.called.set()
        self.let_go.wait()
        return SpanExportResult.FAILURE


class Recorder:
    def __init__(self) -> None:
        self.told: list[Stall] = []

    def stalled(self, stall: Stall) -> None:
        self.told.append(stall)


class Raising:
    def stalled(self, stall: Stall) -> None:
        raise SystemExit(3)


def refuse(record: logging.LogRecord) -> bool:
    raise LookupError("no request id here")


def raising_log() -> logging.Logger:
    """Return our logger, with a handler whose filter raises."""
    logger = logging.getLogger("loopwatch")
    handler = logging.StreamHandler(io.StringIO())
    handler.addFilter(refuse)
    logger.addHandler(handler)
    logger.propagate = False
    return logger


def everything_at_once(loop: str, size: int) -> str:
    """An exporter hangs, a log filter raises, and the queue is full: `size` stalls, then a stop."""
    exporter, provider = HangingExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    raising_log()
    watch = Watch(registry=CollectorRegistry())
    delivery, other = watch._reporter.delivery, Stall(started_at=1.0, duration=HOLD)

    async def main() -> None:
        watch.start()
        for _ in range(size):
            await asyncio.sleep(0.02)
            while len(delivery._parcels) < UNDELIVERED:
                delivery.put(other, None)
            delivery.ring()
            block_for(HOLD)
        await asyncio.sleep(0.02)

    run_on(loop, main())
    known = [s for s in watch.stalls if s.site.function.endswith("block_for") and s.site.line]
    began = time.perf_counter()
    watch.stop()
    took = time.perf_counter() - began
    assert exporter.called.is_set()
    assert len(known) == size, [s.site for s in watch.stalls]
    assert took < ENDING + SLACK, took
    assert watch.snapshot().dropped["stalls"] > 0, watch.snapshot().dropped
    exporter.let_go.set()
    return f"{len(known)} of {size} in `watch.stalls`, `stop()` took {took:.2f} s"


def raising(loop: str, size: int) -> str:
    """An instrument ends its thread with SystemExit, a log filter raises: others are told all."""
    recorder = Recorder()
    raising_log()
    watch = private_watch(log=True)
    watch.add_instrument(Raising())
    watch.add_instrument(recorder)

    async def main() -> None:
        watch.start()
        for _ in range(size):
            await asyncio.sleep(0.02)
            block_for(HOLD)

    run_on(loop, main())
    watch.stop()
    told = [s for s in recorder.told if s.site.function.endswith("block_for")]
    assert len(told) == size, recorder.told
    return f"{len(told)} of {size} told to the others, each with its line"

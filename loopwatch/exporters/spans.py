"""OpenTelemetry: a back-dated span for every stall, linked with the spans of who waited for it.

Only the API is needed: without an SDK every call here does nothing. A link needs the other span's
identity, so a stall's span is begun as the first traced request that waited for it ends, on the
loop's thread, before anyone has explained the stall; what is known of it later follows as it is
told. A request's span gets its parts and links as the request ends, if it still records then: it is
the current one there if the instrumentation is outside loopwatch's middleware.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable
from typing import Any
from weakref import ref

from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags

from loopwatch.core.fork import no_fork_while
from loopwatch.core.guard import guarded, log_once
from loopwatch.core.holds import Hold
from loopwatch.core.recent import RecentRequest
from loopwatch.core.record_types import NONE, Source, Stall
from loopwatch.core.request import unix_time
from loopwatch.core.safe_text import safe
from loopwatch.core.version import __version__
from loopwatch.exporters import otel

_linking = threading.RLock()  # a stall may be told while a request that waited for it ends
no_fork_while(_linking)

LINKS = 32  # of one stall's span to requests, and of one request's span to stalls


class OpenSpan:
    """A stall's span that was begun before the stall was told."""

    __slots__ = ("span", "victims")

    def __init__(self, span: Span) -> None:
        self.span = span
        self.victims: list[SpanContext] = []


class StallSpans:
    """An exporter to OpenTelemetry: the metrics of a source, and a span of every stall."""

    def __init__(self) -> None:
        self._source: ref[Source] | None = None  # it may be dropped without `stop`
        self._ahead: tuple[Stall, OpenSpan] | None = None  # begun, of a stall without a hold

    def start(self, source: Source) -> None:
        self._source = ref(source)
        otel.register(source)

    def flush(self) -> None:
        """A loop has ended: have what was counted told on, though the source may be dropped now."""
        source = self._source() if self._source is not None else None
        if source is not None:
            otel.keep(source)

    def stop(self, source: Source) -> None:
        otel.unregister(source)

    def stalled(self, stall: Stall) -> None:
        self.stalled_by(stall, None)

    def stalled_by(self, stall: Stall, hold: Hold | None) -> None:
        """Tell of a stall; its hold knows whether its span was begun."""
        opened = self.begun(stall, hold)
        with _linking:
            self._ahead = None
            if hold is not None:
                hold.link = opened.span.get_span_context()
        opened.span.set_attributes(attributes(stall))
        for context in opened.victims:
            opened.span.add_link(context)
        opened.span.end(int(stall.started_at * 1e9) + int(stall.duration * 1e9))

    def begun(self, stall: Stall, hold: Hold | None) -> OpenSpan:
        """Return the span of a stall that is about to be told, begun now if it was not."""
        with _linking:
            if hold is not None:
                known = hold.link
            else:
                known = self._ahead[1] if self._ahead and self._ahead[0] is stall else None
            if isinstance(known, OpenSpan):
                return known
            opened = OpenSpan(start_span(parent(stall), int(stall.started_at * 1e9)))
            if hold is not None:
                hold.link = opened
            else:
                self._ahead = stall, opened
            return opened

    def current(self) -> tuple[str, str] | None:
        """Return the ids of the current trace and span, None if they are kept nowhere."""
        try:
            context = trace.get_current_span().get_span_context()
            if not context.trace_flags.sampled:
                return None
            return trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id)
        except Exception:
            log_once("loopwatch.exporters.spans")
            return None

    @guarded
    def waited(self, measure: Callable[[], RecentRequest], holds: Iterable[Hold]) -> None:
        """A request that has waited for holds ends, in its own context."""
        span = trace.get_current_span()
        if not span.is_recording():
            return
        times = measure()
        span.set_attributes(
            {
                "loopwatch.request.queued": times.queued,
                "loopwatch.request.running": times.running,
                "loopwatch.request.stalled": times.stalled,
                "loopwatch.request.waiting": times.waiting,
            }
        )
        for hold in [*holds][:LINKS]:
            with _linking:
                linked = link(hold, span.get_span_context())
            span.add_link(linked)


def link(hold: Hold, victim: SpanContext) -> SpanContext:
    """Return what a request that waited refers to; the hold's span will refer to it in turn."""
    if hold.link is None:
        started = int(unix_time(hold.started) * 1e9)
        hold.link = OpenSpan(start_span(current(hold.context), started))
    opened = hold.link
    if not isinstance(opened, OpenSpan):  # the stall was told already
        told: SpanContext = opened
        return told
    if len(opened.victims) < LINKS:
        opened.victims.append(victim)
    return opened.span.get_span_context()


def current(context: contextvars.Context | None) -> Any:
    """Return a context of OpenTelemetry's with the span that is current in one of Python's."""
    if context is None:
        return None
    return trace.set_span_in_context(context.copy().run(trace.get_current_span))


def start_span(context: Any, started: int) -> Span:
    """Return a new span of a stall; `started` is Unix time in ns."""
    tracer = trace.get_tracer("loopwatch", __version__)
    return tracer.start_span(
        "loopwatch.stall", context=context, kind=SpanKind.INTERNAL, start_time=started
    )


def parent(stall: Stall) -> Any:
    """Return a context whose span is the culprit's, None if it had none."""
    span = culprit(stall)
    return trace.set_span_in_context(span) if span is not None else None


def culprit(stall: Stall) -> Span | None:
    """Return what refers to the span of who held the loop, None if it had none."""
    if stall.trace_id is None or stall.span_id is None:
        return None
    flags = TraceFlags(TraceFlags.SAMPLED if stall.trace_sampled else TraceFlags.DEFAULT)
    found = SpanContext(int(stall.trace_id, 16), int(stall.span_id, 16), False, flags)
    return NonRecordingSpan(found)


def attributes(stall: Stall) -> dict[str, Any]:
    """Return a stall by the names of the semantic conventions, and our own."""
    found = {
        "loopwatch.cause": stall.cause,
        "loopwatch.duration": stall.duration,
        "loopwatch.victims": stall.victims,
        "loopwatch.lost_request_seconds": stall.lost_request_seconds,
        "loopwatch.exact": stall.site.exact,
        "http.route": stall.route,
        "loopwatch.coroutine": stall.coroutine,
        "loopwatch.advice": stall.advice or None,
        "thread.name": stall.thread,
    }
    if stall.site.function != NONE:
        found["code.function.name"] = stall.site.function
        found["code.file.path"] = stall.site.file
        found["code.line.number"] = stall.site.line
    if stall.stack:
        found["code.stacktrace"] = "\n".join(
            f'File "{safe(f.file)}", line {f.line}, in {f.function}' for f in stall.stack
        )
    return {name: value for name, value in found.items() if value is not None}

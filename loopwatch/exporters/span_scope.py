"""The span that is current while the log record of a stall is written.

So whoever handles the record, such as OpenTelemetry's own handler, writes the ids of the trace and
of the stall's span beside it. While a stall lasts it has no span yet, and without the exporter of
spans it never has one: then it is the culprit's.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from opentelemetry import trace
from opentelemetry.trace import Span

from loopwatch.core.guard import log_once
from loopwatch.core.holds import Hold
from loopwatch.core.record_types import Stall
from loopwatch.exporters.spans import StallSpans, culprit


def within_span(
    stall: Stall, spans: StallSpans | None = None, hold: Hold | None = None
) -> AbstractContextManager[object]:
    """Return what makes the span current: the stall's, if `spans` is about to tell it."""
    try:
        span: Span | None = spans.begun(stall, hold).span if spans is not None else culprit(stall)
        if span is None or not span.get_span_context().is_valid:
            return nullcontext()
        return trace.use_span(span, record_exception=False, set_status_on_exception=False)
    except Exception:
        log_once("loopwatch.exporters.span_scope")
        return nullcontext()

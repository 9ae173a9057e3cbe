"""From evidence to a stall: route, coroutine, site, cause.

A timely photograph is exact. A late one was taken when C code let the GIL go again: after a call
the frame still stands on the calling line, after an operator it has moved on. So a late photograph
is marked inexact, and counts only where it stands on a call; else the step's owner is named, never
an innocent line.
"""

from __future__ import annotations

import dis
import inspect
import time
from collections import Counter
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.trace import SpanContext

from loopwatch.evidence import Sample, Slow, Spot
from loopwatch.explain.cause import cause
from loopwatch.explain.route import template
from loopwatch.explain.site import (
    PLUMBING,
    frames,
    is_own,
    is_plumbing,
    site,
    site_of_code,
    site_spot,
)
from loopwatch.names import callable_name, code_name
from loopwatch.records import NONE, Site, Stall
from loopwatch.request import AFTERLIFE, REQUEST, Request


class Place(NamedTuple):
    """What a request was asked for."""

    route: str | None = None
    method: str | None = None
    endpoint: Any = None


def explain(slow: Slow, now: float) -> Stall:
    """Return the stall that a slow callback was; `now` is of the clock its times are of."""
    sample = best_sample(slow)
    request = owner(slow, sample)
    at = place(request) if request is not None else Place()
    span = span_context(slow, sample)
    return Stall(
        started_at=time.time() - (now - slow.started),
        duration=slow.duration,
        cause=cause(slow),
        route=at.route,
        method=at.method,
        coroutine=coroutine(slow, sample, request, at.endpoint),
        site=where(sample, at.endpoint),
        stack=frames(sample.spots) if sample is not None else (),
        thread=slow.thread,
        trace_id=trace.format_trace_id(span.trace_id) if span is not None else None,
        span_id=trace.format_span_id(span.span_id) if span is not None else None,
        trace_sampled=span.trace_flags.sampled if span is not None else False,
    )


def best_sample(slow: Slow) -> Sample | None:
    """Return the first photograph of where most were taken, a timely one if there is any."""
    samples = [s for s in slow.samples if not s.late] or slow.samples
    if not samples:
        return None
    places = [(spot := site_spot(s.spots)) and (spot.code, spot.line) for s in samples]
    return samples[places.index(Counter(places).most_common(1)[0][0])]


def owner(slow: Slow, sample: Sample | None) -> Request | None:
    """Return the request whose step it was; a task it left behind keeps it for `AFTERLIFE`."""
    contexts = (sample.context if sample is not None else None, slow.context)
    seen, after = (c.get(REQUEST) if c is not None else None for c in contexts)
    request = seen or slow.request or after
    if request is not None and has_ended(request) and request.ended + AFTERLIFE < slow.started:
        return None
    return request


def has_ended(request: Request) -> bool:
    return request.scope is None


def place(request: Request) -> Place:
    """Return what a request was asked for, whether it has ended or not."""
    scope = request.scope
    if scope is None:  # it has ended, and `row` was set before
        return Place(request.row.route, request.row.method, request.row.endpoint)
    route = template(scope, request.door)
    return Place(route, scope.get("method", "WEBSOCKET"), scope.get("endpoint"))


def coroutine(
    slow: Slow, sample: Sample | None, request: Request | None, endpoint: Any
) -> str | None:
    """Return the endpoint while its request is in flight, else the task's own coroutine.

    Where that is a server's or runner's, the outermost coroutine above it that is not.
    """
    in_flight = request is not None and (not has_ended(request) or request.ended >= slow.started)
    if in_flight and endpoint is not None:
        return callable_name(endpoint)
    own = (sample.coroutine if sample is not None else None) or slow.coroutine
    if own is not None and own.partition(".")[0] not in PLUMBING:
        return own
    outermost = reversed(sample.spots if sample is not None else ())
    spot = next((s for s in outermost if not is_plumbing(s)), None)
    return code_name(spot.code, spot.module) if spot is not None else None


def where(sample: Sample | None, endpoint: Any) -> Site:
    """Return the site, or the best that can be known of it."""
    if sample is not None and (not sample.late or stands_on_call(sample.spots)):
        spot = site_spot(sample.spots)
        if spot is not None:
            return site(spot, exact=not sample.late)
    if sample is not None:
        own = [s for s in sample.spots if is_own(s)]
        if own:
            return site_of_code(own[-1].code, own[-1].module)
    code = getattr(inspect.unwrap(endpoint), "__code__", None) if endpoint is not None else None
    if code is not None:
        return site_of_code(code, getattr(endpoint, "__module__", None))
    return Site(NONE, exact=False)


def stands_on_call(spots: tuple[Spot, ...]) -> bool:
    """Return whether the innermost frame is at a call."""
    if not spots:
        return False
    code = spots[0].code.co_code
    return spots[0].instruction < len(code) and "CALL" in dis.opname[code[spots[0].instruction]]


def span_context(slow: Slow, sample: Sample | None) -> SpanContext | None:
    """Return the span that was current during the stall; read from a copy of its context."""
    context = (sample.context if sample is not None else None) or slow.context
    if context is None:
        return None
    span = context.run(trace.get_current_span).get_span_context()
    return span if span.is_valid else None

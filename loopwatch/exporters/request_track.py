"""A request's time from its arrival to its end, divided among the four parts, moment by moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from loopwatch.core.recording import RecordedRequest, RecordedStep, RecordedWait


class Span(NamedTuple):
    """Some time of a request, clock, s."""

    name: str
    started: float
    ended: float


def parts(
    request: RecordedRequest,
    steps: Iterable[RecordedStep],
    waits: Iterable[RecordedWait],
    since: float,
    until: float,
) -> Iterator[Span]:
    """Return the spans of a request, in order and without holes: queued, running, stalled, waiting,
    and `background` from its response on. What was before `since` is `not recorded`.

    `steps` are its own, in order; `waits` those of which it was a victim.
    """
    end = request.finished or until
    yield from tiled(known(request, steps, waits, since), "waiting", request.arrived, end)
    if request.ended > end:
        own = (Span("running", step.started, step.ended) for step in steps)
        yield from tiled(own, "background", end, request.ended)


def known(
    request: RecordedRequest,
    steps: Iterable[RecordedStep],
    waits: Iterable[RecordedWait],
    since: float,
) -> list[Span]:
    """Return what is known of a request's time, in order of beginning."""
    found = [Span("queued", request.arrived, request.started)]
    found += (Span("running", step.started, step.ended) for step in steps)
    found += (
        Span("stalled", max(request.started, wait.ended - wait.seconds), wait.ended)
        for wait in waits
        if not wait.queued
    )
    if since > request.started:
        found.append(Span("not recorded", request.started, since))
    return sorted(found, key=lambda span: span.started)


def tiled(spans: Iterable[Span], rest: str, started: float, ended: float) -> Iterator[Span]:
    """Return the spans within two moments, without overlaps, and with the rest between them."""
    upto = started
    for span in spans:
        begin, end = max(span.started, upto), min(span.ended, ended)
        if end <= begin:
            continue
        if begin > upto:
            yield Span(rest, upto, begin)
        yield Span(span.name, begin, end)
        upto = end
    if ended > upto:
        yield Span(rest, upto, ended)


def running_total(request: RecordedRequest) -> dict[str, float]:
    """Return the four parts, ms, as the metrics have them; they add up to the latency."""
    values = {
        "queued": request.queued,
        "running": request.running,
        "stalled": request.stalled,
        "waiting": request.waiting,
    }
    return {f"{name}_ms": round(1e3 * seconds, 3) for name, seconds in values.items()}

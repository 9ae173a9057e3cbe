"""From evidence to a stall: route, coroutine, site, cause.

A timely stack sample is exact. A late one was taken when C code let the GIL go again, and is exact
only where nothing but the call it stands on can have been slow (`bytecode`); else the step's owner
is named, never an innocent line, until its lines are watched the next time. What was seen from
outside, or by watching lines, is exact.

A stack sample counts for the time around it, a late one for all the time the watchdog was kept
waiting. Where no line is to blame (many callbacks; no CPU, and the rest would not have been slow)
none is named; where another thread is, that thread's.
"""

from __future__ import annotations

import inspect
import time
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType
from typing import Any, NamedTuple

from opentelemetry import trace
from opentelemetry.trace import SpanContext

from loopwatch.core.causes import Cause
from loopwatch.core.evidence import Part, Sample, Slow, Spot
from loopwatch.core.names import callable_name, module_of
from loopwatch.core.record_types import NONE, Contributor, GilHolder, Site, Stall
from loopwatch.core.request import AFTERLIFE, REQUEST, Request
from loopwatch.core.safe_text import encodable
from loopwatch.explain.bytecode import Doubt, stands_on_call
from loopwatch.explain.cause import HALF, cause, parked, starvation
from loopwatch.explain.known_stacks import KnownStack, KnownStacks
from loopwatch.explain.outside_stack import NO_INSTRUCTION, gil_thief, sightings, spots
from loopwatch.explain.route import Place, place
from loopwatch.explain.safe_stall import known as name
from loopwatch.explain.safe_stall import safe_contributor, safe_holder, safe_site
from loopwatch.explain.site import SiteRules, site, site_of_code

NAMED = Doubt.NOTHING, Doubt.CALLEE  # with which the frame of a stack sample is named
CONTRIBUTORS = 5  # of a tick of many callbacks that are told


class Explanation(NamedTuple):
    """A stall, and what is not told but needed."""

    stall: Stall
    gil_released: bool  # it was C code on the CPU that let the GIL go
    suspects: tuple[CodeType, ...]  # whose lines are to be watched, so that the next time is exact
    stack: KnownStack | None = None  # that of the stall


def explain(slow: Slow, now: float, known: KnownStacks | None = None) -> Explanation:
    """Explain a slow callback; `now` is of the clock its times are of. `known` has the rules, and
    what was found out before."""
    culprit = Culprit(slow, known or KnownStacks())
    stall = culprit.stall(time.time() - (now - slow.started))
    suspects = () if stall.site.exact else tuple(culprit.suspects())
    return Explanation(stall, culprit.gil_released(), suspects, culprit.stack)


class Finding(NamedTuple):
    """What the evidence says, worked out once."""

    cause: Cause
    sample: Sample | None  # the one that counts; None of a tick, and where nothing was seen
    stack: KnownStack | None  # of that one
    spot: Spot | None  # the frame in it that is the site, if it is of any
    doubt: Doubt  # what else than the call there may have been slow


class Culprit:
    """Who held the loop, once."""

    def __init__(self, slow: Slow, known: KnownStacks) -> None:
        self.slow, self.rules = slow, known.rules
        self.cause, self.sample, self.stack, self.spot, self.doubt = find(slow, known)
        self.request = owner(slow, self.sample) if not slow.parts else None
        self.place = place(self.request) if self.request is not None else Place()
        self.holders = gil_holders(slow, known.rules) if self.cause == "gil_contention" else ()

    def stall(self, started_at: float) -> Stall:
        slow, sample, usage = self.slow, self.sample, self.slow.usage
        stack, site = self.stack, self.site()
        span = span_context(slow, sample)
        return Stall(
            started_at=started_at,
            duration=slow.duration,
            cause=self.cause,
            route=name(self.place.route),
            method=name(self.place.method),
            coroutine=name(self.coroutine()),
            site=site,
            stack=stack.frames if stack is not None else (),
            advice=(stack.remedy(self.cause, site) if stack is not None else None) or "",
            thread=encodable(slow.thread),
            cpu_seconds=usage.cpu if usage is not None else None,
            gc_seconds=usage.gc if usage is not None else 0.0,
            run_queue_seconds=usage.queued if usage is not None else None,
            throttled_seconds=usage.throttled if usage is not None else None,
            contributors=self.contributors(),
            gil_holders=self.holders,
            trace_id=trace.format_trace_id(span.trace_id) if span is not None else None,
            span_id=trace.format_span_id(span.span_id) if span is not None else None,
            trace_sampled=span.trace_flags.sampled if span is not None else False,
        )

    def contributors(self) -> tuple[Contributor, ...]:
        """Return who took part in a tick of many callbacks, if it was their doing."""
        if self.cause != "many_callbacks":
            return ()
        parts = (contributor(p, self.rules) for p in self.slow.parts[:CONTRIBUTORS])
        return tuple(map(safe_contributor, parts))

    def coroutine(self) -> str | None:
        """Return the endpoint while its request is in flight, else the task's own coroutine.

        Where that is a server's or runner's, the outermost coroutine above it that is not.
        """
        slow, sample, request = self.slow, self.sample, self.request
        in_flight = request is not None and not (
            has_ended(request) and request.ended < slow.started
        )
        if in_flight and self.place.endpoint is not None:
            return callable_name(self.place.endpoint)
        own = (sample.coroutine if sample is not None else None) or slow.coroutine
        if own is not None and not self.rules.is_plumbing_name(own):
            return own
        return self.stack.outermost if self.stack is not None else None

    def site(self) -> Site:
        """Return the site, or the best that can be known of it."""
        slow, spot = self.slow, self.spot
        if self.cause == "gil_contention":
            return self.holders[0].site if self.holders else Site(NONE, exact=False)
        if slow.parts or (self.cause == "starved" and innocent(slow)):
            return Site(NONE, exact=False)
        if slow.pinned is not None and self.doubt is not Doubt.NOTHING:
            code, line = slow.pinned
            pinned = Spot(code, NO_INSTRUCTION, line, module_of(code.co_filename))
            return safe_site(site(pinned))
        if self.stack is not None and spot is not None and self.doubt in NAMED:
            return self.stack.site(spot, exact=self.doubt is Doubt.NOTHING)
        return safe_site(self.owner_site())

    def owner_site(self) -> Site:
        """Return the function whose step it was: the endpoint, the outermost of the user's own, or
        the task's coroutine or the callback."""
        endpoint = self.place.endpoint
        code = endpoint_code(endpoint)
        if code is not None and self.rules.is_own_code(code):
            return site_of_code(code, getattr(endpoint, "__module__", None))
        own = self.rules.own_spots(self.sample.spots) if self.sample is not None else []
        if own:
            return site_of_code(own[-1].code, own[-1].module)
        code = self.slow.code
        if code is not None and self.rules.is_own_code(code):
            return site_of_code(code, None)
        return Site(NONE, exact=False)

    def suspects(self) -> list[CodeType]:
        """Return the own code that may hold the operator which kept the GIL."""
        usage = self.slow.usage
        on_cpu = usage is not None and usage.cpu >= HALF * self.slow.duration
        if self.slow.parts or not on_cpu or self.cause not in ("native_gil", "unknown"):
            return []
        own = self.rules.own_spots(self.sample.spots) if self.sample is not None else []
        codes = [s.code for s in own] + [endpoint_code(self.place.endpoint), self.slow.code]
        return [c for c in codes if c is not None and self.rules.is_own_code(c)]

    def gil_released(self) -> bool:
        """Return whether the watchdog, when it was due, found one C call on the CPU each time."""
        if self.cause != "cpu":
            return False
        timely = [s.spots[0] for s in self.slow.samples if s.spots and not s.late]
        one_call = len({(id(spot.code), spot.instruction) for spot in timely}) == 1 < len(timely)
        return one_call and stands_on_call(timely[0])


def find(slow: Slow, known: KnownStacks) -> Finding:
    """Return what the evidence of a slow callback says. A tick of many has no sample."""
    best = best_sample(slow, known) if not slow.parts else None
    if best is None:
        return Finding(cause(slow), None, None, None, Doubt.ANYTHING)
    sample, stack = best
    spot = stack.spot(sample.spots)
    doubtful = Doubt.ANYTHING if spot is None else stack.doubt(sample, spot)
    return Finding(cause(slow), sample, stack, spot, doubtful)


def endpoint_code(endpoint: Any) -> CodeType | None:
    if endpoint is None:
        return None
    code: CodeType | None = getattr(inspect.unwrap(endpoint), "__code__", None)
    return code


def best_sample(slow: Slow, known: KnownStacks) -> tuple[Sample, KnownStack] | None:
    """Return the first stack sample of the place that held the loop longest, as far as is seen."""
    seconds: defaultdict[Any, float] = defaultdict(float)
    first: dict[Any, tuple[Sample, KnownStack]] = {}
    spots: tuple[Spot, ...] = ()
    for sample, span in spans(slow):
        if sample.spots is not spots:
            spots, stack = sample.spots, known.of(sample.spots)
        sample.imports = stack.imports
        spot = stack.spot(spots)
        where = (id(spot.code), spot.line) if spot is not None else None
        seconds[where] += span
        if first.setdefault(where, (sample, stack))[0].late and not sample.late:
            first[where] = sample, stack
    return first[max(seconds, key=lambda where: seconds[where])] if seconds else None


def spans(slow: Slow) -> Iterator[tuple[Sample, float]]:
    """Return each stack sample with the time it stands for, s: up to the middle between two timely
    ones; before a late one, all the time since the one before."""
    samples = [s for s in slow.samples if s.spots]
    if seen := sightings(slow):
        samples = sorted([*seen, *(s for s in samples if not s.late)], key=lambda s: s.at)
    begun = slow.started
    for n, sample in enumerate(samples):
        if n + 1 == len(samples):
            end = slow.ended
        elif samples[n + 1].late:
            end = sample.at
        else:
            end = (sample.at + samples[n + 1].at) / 2
        yield sample, end - begun
        begun = end


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


def innocent(slow: Slow) -> bool:
    """Return whether a starved step, as far as is seen, did nothing slow itself: neither was it on
    the CPU for long, nor was it found waiting for anything but the GIL."""
    usage = slow.usage
    if usage is None:
        return True
    rest = slow.duration - starvation(usage)
    return usage.cpu < slow.threshold and (rest < slow.threshold or not parked(slow))


def contributor(part: Part, rules: SiteRules) -> Contributor:
    """Return a part of a tick by its own name; a server's task is known by the endpoint."""
    whose = part.coroutine or NONE
    if part.endpoint is not None and (whose == NONE or rules.is_plumbing_name(whose)):
        whose = callable_name(part.endpoint)
    return Contributor(coroutine=whose, count=part.count, seconds=part.seconds)


def gil_holders(slow: Slow, rules: SiteRules) -> tuple[GilHolder, ...]:
    """Return the threads that had the GIL: as seen from outside, else those that used the CPU."""
    if (seen := gil_thief(slow)) is not None:
        site = thread_site(spots(seen.frames), rules)
        return (safe_holder(GilHolder(thread=seen.name, site=site)),)
    pictures = next((s.threads for s in reversed(slow.samples) if s.threads), ())
    return tuple(
        safe_holder(
            GilHolder(
                thread=p.name,
                site=thread_site(p.spots, rules),
                cpu_seconds=min(p.cpu, slow.duration),
            )
        )
        for p in pictures
    )


def thread_site(stack: tuple[Spot, ...], rules: SiteRules) -> Site:
    spot = rules.site_spot(stack) or (stack[0] if stack else None)
    return site(spot) if spot is not None else Site(NONE, exact=False)


def span_context(slow: Slow, sample: Sample | None) -> SpanContext | None:
    """Return the span that was current during the stall; read from a copy of its context."""
    context = (sample.context if sample is not None else None) or slow.context
    if context is None:
        return None
    span = context.run(trace.get_current_span).get_span_context()
    return span if span.is_valid else None

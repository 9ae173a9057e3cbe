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

import time
from dataclasses import replace
from types import CodeType
from typing import NamedTuple

from opentelemetry import trace
from opentelemetry.trace import SpanContext

from loopwatch.core.causes import Cause
from loopwatch.core.evidence import Sample, Slow, Spot
from loopwatch.core.names import callable_name, module_of
from loopwatch.core.record_types import NONE, Site, Stall
from loopwatch.core.request import AFTERLIFE, REQUEST, Request
from loopwatch.explain.blocker import blocker
from loopwatch.explain.bytecode import Doubt, at_entry, doubt, only_traced
from loopwatch.explain.cause import HALF, besides_starvation, cause, parked, starvation
from loopwatch.explain.contributors import contributors
from loopwatch.explain.coroutine import holder
from loopwatch.explain.gil_holders import gil_holders
from loopwatch.explain.observation import Observation, observe
from loopwatch.explain.outside_stack import NO_INSTRUCTION
from loopwatch.explain.phase import NO_PHASE, Phase, phase
from loopwatch.explain.plain_function import could_await
from loopwatch.explain.safe_stall import safe_frames, safe_stall
from loopwatch.explain.sample_choice import best_sample
from loopwatch.explain.site import (
    DEFAULT,
    SiteRules,
    endpoint_code,
    is_plumbing,
    site,
    site_of_code,
)
from loopwatch.routing.route import Place, place

MANY: Cause = "many_callbacks"


class Explanation(NamedTuple):
    """A stall, and what is not told but needed."""

    stall: Stall
    observed: Observation  # what else the advice depends on
    rest: Cause | None  # of a starved stall that was slow all the same: the cause of that
    suspects: tuple[CodeType, ...]  # whose lines are to be watched, so that the next time is exact


def explain(slow: Slow, now: float, rules: SiteRules = DEFAULT) -> Explanation:
    """Explain a slow callback; `now` is of the clock its times are of."""
    culprit = Culprit(slow, rules)
    stall = safe_stall(culprit.stall(time.time() - (now - slow.started)))
    suspects = () if stall.site.exact else tuple(culprit.suspects())
    guilty = stall.cause == "starved" and stall.site.function != NONE
    rest = besides_starvation(slow) if guilty else None
    observed = observe(slow, rest or culprit.cause, rules)
    return Explanation(stall, observed._replace(plain=culprit.is_plain()), rest, suspects)


class Finding(NamedTuple):
    """What the evidence says, worked out once."""

    cause: Cause
    sample: Sample | None  # the one that counts; None of a tick, and where nothing was seen
    spot: Spot | None  # the frame in it that is the site, if it is of any
    phase: Phase  # of the framework's work on the request that it shows
    doubt: Doubt  # what else than the call there may have been slow


class Culprit:
    """Who held the loop, once."""

    def __init__(self, slow: Slow, rules: SiteRules) -> None:
        self.slow, self.rules = slow, rules
        self.cause, self.sample, self.spot, self.phase, self.doubt = find(slow, rules)
        self.holders, asker = gil_holders(slow, self.cause, rules)
        self.collector = slow.usage.collector if slow.usage and self.cause == "gc" else None
        self.request = asker or (None if self.collector else owner(slow, self.sample))
        self.place = place(self.request) if self.request is not None else Place()

    def stall(self, started_at: float) -> Stall:
        slow, sample, usage = self.slow, self.sample, self.slow.usage
        span = span_context(slow, sample) if self.collector is None else None
        seen = self.collector or sample
        return Stall(
            started_at=started_at,
            duration=slow.duration,
            cause=self.cause,
            route=self.place.route,
            method=self.place.method,
            coroutine=self.coroutine(),
            site=self.site(),
            phase=self.phase.name if self.collector is None else "",
            stack=safe_frames(seen.spots) if seen is not None else (),
            thread=slow.thread,
            cpu_seconds=usage.cpu if usage is not None else None,
            gc_seconds=usage.gc if usage is not None else 0.0,
            run_queue_seconds=usage.queued if usage is not None else None,
            throttled_seconds=usage.throttled if usage is not None else None,
            contributors=contributors(slow.parts, self.rules) if self.cause == MANY else (),
            gil_holders=self.holders,
            blocker=blocker(slow, self.cause, self.rules),
            trace_id=trace.format_trace_id(span.trace_id) if span is not None else None,
            span_id=trace.format_span_id(span.span_id) if span is not None else None,
            trace_sampled=span.trace_flags.sampled if span is not None else False,
        )

    def coroutine(self) -> str | None:
        request, slow = self.request, self.slow
        in_flight = request is not None and not (
            request.scope is None and request.ended < slow.started
        )
        endpoint = self.place.endpoint if in_flight else None
        if self.collector is not None:  # what the loop's thread shows is innocent
            return callable_name(endpoint) if endpoint is not None else None
        return holder(slow, self.sample, endpoint, self.rules)

    def site(self) -> Site:
        """Return the site, or the best that can be known of it."""
        slow, spot = self.slow, self.spot
        if self.holders or self.cause == "gil_contention":
            return self.holders[0].site if self.holders else Site(NONE, exact=False)
        if self.cause == "starved" and innocent(slow):
            return Site(NONE, exact=False)
        if slow.code is not None and slow.parts and self.rules.is_own_code(slow.code):
            return site_of_code(slow.code, None)
        if slow.pinned is not None and self.doubt is not Doubt.NOTHING:
            code, line = slow.pinned
            return site(Spot(code, NO_INSTRUCTION, line, module_of(code.co_filename)))
        owner = self.owner_site()
        if spot is None and self.doubt is Doubt.NOTHING:  # of this function's body or answer
            return replace(owner, exact=owner.function != NONE)
        if spot is not None and self.doubt is Doubt.OPERATOR and self.rules.is_own(spot):
            return site_of_code(spot.code, spot.module)  # an operator of this very function
        if spot is None or self.doubt not in (Doubt.NOTHING, Doubt.CALLEE):
            return owner
        if owner.function != NONE and not self.rules.is_own(spot):
            return owner  # a library's line, in a step of own code that is not on the stack
        return site(spot, exact=self.doubt is Doubt.NOTHING)

    def is_plain(self) -> bool:
        """Return whether the site cannot await, but could."""
        spots = self.sample.spots if self.sample is not None and self.spot is not None else ()
        return could_await(spots, self.rules)

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
        return self.library_site()

    def library_site(self) -> Site:
        """Return where a library was seen in time, on whose stack there is no own code at all."""
        sample = self.sample
        if sample is None or sample.late:
            return Site(NONE, exact=False)
        spot = next((s for s in sample.spots if not self.rules.is_plumbing(s)), None)
        return Site(NONE, exact=False) if spot is None else site(spot, exact=False)

    def suspects(self) -> list[CodeType]:
        """Return the own code that may hold the operator which kept the GIL."""
        usage = self.slow.usage
        on_cpu = usage is not None and usage.cpu >= HALF * self.slow.duration
        if self.slow.parts or not on_cpu or self.cause not in ("native_gil", "unknown"):
            return []
        own = self.rules.own_spots(self.sample.spots) if self.sample is not None else []
        codes = [s.code for s in own] + [endpoint_code(self.place.endpoint), self.slow.code]
        return [c for c in codes if c is not None and self.rules.is_own_code(c)]


def find(slow: Slow, rules: SiteRules) -> Finding:
    """Return what the evidence of a slow callback says. A tick of many has no sample."""
    sample = best_sample(slow, rules) if not slow.parts else None
    spot = rules.site_spot(sample.spots) if sample is not None else None
    shown = phase(sample.spots, rules) if sample is not None else NO_PHASE
    place = spot or shown.spot
    doubtful = Doubt.ANYTHING if sample is None or place is None else doubts(sample, place)
    return Finding(cause(slow), sample, spot, shown, doubtful)


def owner(slow: Slow, sample: Sample | None) -> Request | None:
    """Return the request whose step it was; a task it left behind keeps it for `AFTERLIFE`. Of who
    called the app in process, and goes on, the context has None."""
    contexts = (sample.context if sample is not None else None, slow.context)
    seen, after = (c.get(REQUEST) if c is not None else None for c in contexts)
    if seen is None and contexts[0] is not None and REQUEST in contexts[0]:
        return None
    request = seen or slow.request or after
    if request is not None and request.scope is None and request.ended + AFTERLIFE < slow.started:
        return None
    return request


def innocent(slow: Slow) -> bool:
    """Return whether a starved step, as far as is seen, did nothing slow itself: neither was it on
    the CPU for long, nor was it found waiting for anything but the GIL."""
    usage = slow.usage
    if usage is None:
        return True
    rest = slow.duration - starvation(usage)
    return usage.cpu < slow.threshold and (rest < slow.threshold or not parked(slow))


def doubts(sample: Sample, spot: Spot) -> Doubt:
    """Return what else than the call at `spot` a stack sample may be evidence of: asked in order.

    Whatever `spot` called began with a look at the GIL, so what was slow since is below it; unless
    the stack sample shows that very look, and `spot` is who called; or plumbing, to which own code
    has just returned.
    """
    if not sample.late or sample.sure:  # seen where it was
        return Doubt.NOTHING
    if sample.doubtful:  # the loop may have gone on
        return Doubt.ANYTHING
    innermost = sample.spots[0]
    entered = at_entry(innermost)
    caller = sample.spots[1] if entered and innermost is not spot else None
    if entered and (innermost is spot or caller is spot):  # slow before `spot` began, or called
        return Doubt.ANYTHING
    if innermost is spot:  # as its instructions say
        return doubt(spot)
    if not entered and is_plumbing(innermost) and doubt(innermost) is not Doubt.NOTHING:
        return Doubt.ANYTHING  # own code has just returned to it
    if only_traced(spot):  # by a tool that is told of each line
        return Doubt.ANYTHING
    return Doubt.NOTHING  # below `spot`


def span_context(slow: Slow, sample: Sample | None) -> SpanContext | None:
    """Return the span that was current during the stall; read from a copy of its context."""
    context = (sample.context if sample is not None else None) or slow.context
    if context is None:
        return None
    span = context.run(trace.get_current_span).get_span_context()
    return span if span.is_valid else None

"""The verdict: what limits the app. Pure rules over the measurement; the first match wins.

1. Fewer than 20 requests or less than 2 s: nothing is claimed.
2. At least half of the requests failed, or were refused (status 400 to 499): the latency is that
   of failures.
3. The process had no CPU for at least half of the time the loop was held, and for 2 % of the time
   measured or felt by a route as in 4. If the generator has complaints, they are the verdict.
4. In the slowest 1 % of some route's requests, at least a quarter of the latency, and 10 ms, is
   waiting for stalls: of such routes, the one that lost most, with the site it waited for most.
   The server counts this, so it holds even with a bad load generator.
5. The generator has complaints: it made the clients' latency.
6. Stalls for which requests hardly waited: the site of most seconds.
7. The loop is busy for at least 85 % of the time: what requests cost it is the limit.
8. What takes at least half of the latency of all requests: waiting for a worker thread, or own
   steps and the queue before them; otherwise waiting for something outside the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loopwatch.core.record_types import NONE
from loopwatch.core.tails import TailBlame
from loopwatch.tools.diagnose.report_records import (
    Culprit,
    Generator,
    Load,
    RouteReport,
    Throughput,
    Verdict,
)
from loopwatch.tools.diagnose.wording import counted, ms, percent, route_name, routed, site_name

FEWEST, SHORTEST = 20, 2.0  # requests, s
FAILED = 0.5
HELD, HELD_SECONDS = 0.25, 0.010  # of a tail's latency; and s of it
WORTH = 0.05  # least share of a route's p99 that a shown prediction gains
STARVED = 0.5  # of all seconds of stalls
STARVED_TIME = 0.02  # of the time measured, unless a route's slowest requests felt stalls
SATURATED = 0.85  # utilization
GOOD = ("loop_cost", "thread_pool", "waiting")  # kinds that blame no line


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """The input of the rules."""

    seconds: float
    routes: Sequence[RouteReport]
    culprits: Sequence[Culprit]
    throughput: Throughput
    load: Load | None
    generator: Generator | None

    @property
    def requests(self) -> int:
        return sum(route.requests for route in self.routes)


def verdict(found: Findings) -> Verdict:
    """Return what limits the app, according to the measurement."""
    rules = (not_enough_data, errors, starved, blocked, generator, unfelt, saturated)
    return next((v for v in (rule(found) for rule in rules) if v is not None), None) or mean(found)


def not_enough_data(found: Findings) -> Verdict | None:
    if found.requests >= FEWEST and found.seconds >= SHORTEST:
        return None
    sent = found.load.sent if found.load is not None else 0
    lost = f", although {counted(sent, 'request')} were sent" if sent >= FEWEST else ""
    return Verdict(
        kind="not_enough_data",
        text=f"Not enough data: {counted(found.requests, 'request')} finished in "
        f"{found.seconds:.1f} s{lost}. At least {FEWEST} requests and {SHORTEST:g} s would be "
        "enough to say something, some hundreds of each route for a p99.",
    )


def errors(found: Findings) -> Verdict | None:
    load = found.load
    if load is None or not load.sent:
        return None
    refused = sum(count for status, count in load.by_status.items() if status.startswith("4"))
    if load.errors < FAILED * load.sent and refused < FAILED * load.sent:
        return None
    many, what, cure = load.errors, "failed", "fix that first"
    if refused > load.errors:
        many, what, cure = refused, "were refused", "check their paths, headers and bodies first"
    outcomes = ", ".join(f"{name}: {count}" for name, count in load.by_status.items())
    return Verdict(
        kind="errors",
        text=f"{many} of {counted(load.sent, 'request')} {what} ({outcomes}), so latency says "
        f"little: {cure}.",
        share=many / load.sent,
    )


def starved(found: Findings) -> Verdict | None:
    held = sum(culprit.seconds for culprit in found.culprits)
    without_cpu = sum(c.seconds for c in found.culprits if c.cause == "starved")
    if not held or without_cpu < STARVED * held:
        return None
    if found.generator is not None and found.generator.complaints:
        return generator(found)  # it may have taken the CPU
    if without_cpu < STARVED_TIME * found.seconds and not any(map(felt_most, found.routes)):
        return None
    return Verdict(
        kind="starved",
        text=f"The process had no CPU: for {percent(without_cpu / held)} of the time the loop was "
        f"held ({without_cpu:.1f} s of {held:.1f} s), it was ready to run but got no CPU. Give it "
        "more CPU (quota, cores), or run less beside it.",
        share=without_cpu / held,
    )


def blocked(found: Findings) -> Verdict | None:
    felt = [(route, blame) for route in found.routes if (blame := felt_most(route)) is not None]
    if not felt:
        return None
    route, blame = max(felt, key=lambda pair: pair[0].lost)
    culprit = named(found.culprits, blame)
    now, then = p99s(culprit, route)
    share = held_share(route, blame, now, then)
    whose = "itself" if blame.route == route.route else whose_stall(blame)
    what = "its p99" if now is not None else "its slowest 1 %"
    text = f"`{route_name(route)}` waits for {whose}: {percent(share)} of {what} is the loop held "
    text += f"by {site_name(culprit, blame.site)}."
    if now is not None and then is not None:
        text += f" Fixing that line takes its p99 from {ms(now)} to {ms(then)}."
    if waits_for_others(route):
        text += " Other lines hold it up as well: see below."
    return Verdict(
        kind="blocked",
        text=text,
        route=route.route,
        method=route.method,
        site=blame.site,
        share=share,
        p99_now=now,
        p99_then=then,
    )


def whose_stall(blame: TailBlame) -> str:
    return "something without a route" if blame.route == NONE else f"`{routed(blame.route)}`"


def held_share(
    route: RouteReport, blame: TailBlame, now: float | None, then: float | None
) -> float:
    """Return the share of a route's p99 that one site takes, by prediction, or of its slowest 1 %.

    If it is unknown when the slowest requests became ready, their waiting is an expected value. It
    can then exceed the predicted gain.
    """
    if now is not None and then is not None:
        return (now - then) / now
    return min(1.0, blame.seconds / route.slowest.latency) if route.slowest is not None else 0.0


def waits_for_others(route: RouteReport) -> bool:
    if route.slowest is None:
        return False
    first, *others = route.slowest.blames
    return sum(b.seconds for b in others if b.site != first.site) >= HELD * route.slowest.latency


def felt_most(route: RouteReport) -> TailBlame | None:
    """Return what a route's slowest requests waited for most, if stalls matter to them."""
    if route.slowest is None or not route.slowest.blames:
        return None
    held = sum(blame.seconds for blame in route.slowest.blames)
    felt = held >= HELD_SECONDS and held >= HELD * route.slowest.latency
    return route.slowest.blames[0] if felt else None


def named(culprits: Sequence[Culprit], blame: TailBlame) -> Culprit | None:
    mine = [c for c in culprits if c.site.function == blame.site]
    return next((c for c in mine if c.route == blame.route), mine[0] if mine else None)


def p99s(culprit: Culprit | None, route: RouteReport) -> tuple[float | None, float | None]:
    """Return a route's p99 now and without a culprit; None if it is not predicted to fall.

    If fewer than 1 % of the requests met a stall, it is beyond the p99.
    """
    for one in culprit.predictions if culprit is not None else ():
        if (one.route, one.method) == (route.route, route.method):
            now, then = one.now.p99, one.then.p99
            return (now, then) if now - then >= WORTH * now > 0 else (None, None)
    return None, None


def generator(found: Findings) -> Verdict | None:
    if found.generator is None or not found.generator.complaints:
        return None
    return Verdict(
        kind="generator",
        text=f"The load generator was the bottleneck: {'; '.join(found.generator.complaints)}. "
        "So it made the clients' latencies; the server's are still valid. Use a lower --rate, or a "
        "faster load tool with --attach.",
    )


def unfelt(found: Findings) -> Verdict | None:
    """Return the site of most seconds if no tail shows it: no request came during its stalls."""
    if not found.culprits:
        return None
    worst = max(found.culprits, key=lambda culprit: culprit.seconds)
    where = f"`{worst.route}`" if worst.route is not None else "Something outside requests"
    return Verdict(
        kind="blocked",
        text=f"{where} held the loop {counted(worst.count, 'time')}, {worst.longest:.2f} s at "
        f"most, in {site_name(worst, worst.site.function)}. These requests hardly waited for it; "
        "with more concurrent requests, or in a longer measurement, some will.",
        route=worst.route,
        method=worst.method,
        site=worst.site.function,
    )


def saturated(found: Findings) -> Verdict | None:
    use = found.throughput.utilization
    if use is None or use < SATURATED:
        return None
    most = found.throughput.served / use  # time outside the routes' own steps is the server's
    limit = f", and it can serve about {most:.0f} requests/s of this mix at most"
    return Verdict(
        kind="loop_cost",
        text=f"No stalls; you are limited by what requests cost the loop: it is busy for "
        f"{percent(use)} of the time{limit}. {busy_text(found.throughput)}",
        share=use,
    )


def busy_text(throughput: Throughput) -> str:
    if not throughput.busiest:
        return "Its busy time is not in requests' own steps."
    shares = ", ".join(f"`{routed(b.route)}` {percent(b.share)}" for b in throughput.busiest[:3])
    return f"The largest shares of its time: {shares}."


def mean(found: Findings) -> Verdict:
    """Return the largest part of the mean latency, if no other rule matched."""
    whole = sum(route.parts.total * route.requests for route in found.routes)
    pool = sum(route.threadpool * route.requests for route in found.routes)
    own = sum((route.parts.running + route.parts.queued) * route.requests for route in found.routes)
    if whole > 0 and pool >= whole / 2:
        return Verdict(
            kind="thread_pool",
            text=f"No stalls; you are limited by the thread pool: {percent(pool / whole)} of the "
            "latency is waiting for a free worker thread. Give it more threads (anyio's limiter "
            "has 40), or make those routes `async def` with async libraries.",
            share=pool / whole,
        )
    if whole > 0 and own >= whole / 2:
        return Verdict(
            kind="loop_cost",
            text=f"No stalls; {percent(own / whole)} of the latency is the requests' own steps on "
            f"the loop{idle_text(found.throughput)}. {busy_text(found.throughput)}",
            share=own / whole,
        )
    slowest = max(found.routes, key=lambda route: route.parts.waiting * route.requests)
    waiting = sum(route.parts.waiting * route.requests for route in found.routes)
    share = waiting / whole if whole > 0 else 0.0
    return Verdict(
        kind="waiting",
        text=f"No stalls; you are limited by real I/O: {percent(share)} of the latency is "
        f"requests waiting for something outside the loop, `{route_name(slowest)}` most "
        f"({ms(slowest.parts.waiting)} a request){idle_text(found.throughput)}.",
        route=slowest.route,
        method=slowest.method,
        share=share,
    )


def idle_text(throughput: Throughput) -> str:
    use = throughput.utilization
    return "" if use is None else f"; the loop itself is busy for {percent(use)} of the time"

"""The verdicts that name a line: what requests wait for, and what holds the loop."""

from __future__ import annotations

from collections.abc import Sequence

from loopwatch.core.plural import counted
from loopwatch.core.record_types import NONE
from loopwatch.core.tails import TailBlame
from loopwatch.tools.diagnose.findings import Findings
from loopwatch.tools.diagnose.report_records import Culprit, RouteReport, Verdict
from loopwatch.tools.diagnose.wording import ms, percent, route_name, routed, site_name

HELD, HELD_SECONDS = 0.25, 0.010  # of a tail's latency, or of the time measured; and s of a tail
WORTH = 0.05  # least share of a route's p99 that a shown prediction gains


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


def whose(culprit: Culprit) -> str:
    """Return the subject of a sentence on a culprit."""
    if culprit.route is not None:
        return f"`{culprit.route}`"
    return "A request without a route" if culprit.method else "Something outside requests"


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
        if (one.route, one.method) == (route.route, route.method) and not one.reason:
            now, then = one.now.p99, one.then.p99
            return (now, then) if now - then >= WORTH * now > 0 else (None, None)
    return None, None


def unfelt(found: Findings) -> Verdict | None:
    """Return the site of most seconds if no tail shows it: no request came during its stalls."""
    if not found.culprits:
        return None
    worst, where = found.worst, whose(found.worst)
    return Verdict(
        kind="blocked",
        text=f"{where} held the loop {counted(worst.count, 'time')}, {worst.longest:.2f} s at "
        f"most, in {site_name(worst, worst.site.function)}. These requests hardly waited for it; "
        "with more concurrent requests, or in a longer measurement, some will.",
        route=worst.route,
        method=worst.method,
        site=worst.site.function,
    )


def worst_held(found: Findings) -> Verdict | None:
    """Return the site of most seconds, if stalls held the loop for much of the time measured.

    It needs no request that was answered: a loop that is held answers none.
    """
    if not found.culprits or found.held < HELD * found.seconds:
        return None
    worst, where = found.worst, whose(found.worst)
    others = "" if worst.seconds >= 0.9 * found.held else f" of {found.held:.1f} s of stalls"
    text = f"{where} held the loop for {worst.seconds:.1f} s{others} in {found.seconds:.1f} s, in "
    text += f"{site_name(worst, worst.site.function)}."
    return Verdict(
        kind="blocked",
        text=text,
        route=worst.route,
        method=worst.method,
        site=worst.site.function,
        share=min(1.0, worst.seconds / found.seconds),
    )

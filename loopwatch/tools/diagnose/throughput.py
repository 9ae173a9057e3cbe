"""What one process served, the most it could serve, and the knee of a ramp."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from loopwatch.core.record_types import NONE, Snapshot
from loopwatch.tools.diagnose.measurement import Measurement, Sent
from loopwatch.tools.diagnose.report_records import BusyRoute, Knee, Throughput

BUSIEST = 8
NOT_ITS_OWN = ("many_callbacks", "gil_contention")  # of the request that a stall is told with
WINDOWS = 20  # of a ramp
FEWEST = 5  # requests of a window
BASE = 4  # first windows, which give the base latency
FACTOR, MARGIN = 3.0, 0.005  # the median must exceed FACTOR times the base plus MARGIN s
RULE = (
    f"A ramp is cut into {WINDOWS} windows; the base is the median of the medians of the first "
    f"{BASE}. The knee is the rate of the first window from which on each window's median latency "
    f"is above {FACTOR:g} times the base plus {MARGIN * 1000:g} ms."
)


def throughput(measured: Measurement) -> Throughput:
    change = measured.change
    count = sum(row.latency.count for row in change.requests)
    own = sum(row.running + row.background for row in change.requests)
    cost = own / count if count and own > 0 else None
    seconds = measured.until - measured.began
    return Throughput(
        served=count / seconds if seconds > 0 else 0.0,
        loop_cost=cost,
        ceiling=1 / cost if cost else None,
        utilization=utilization(measured.loaded),
        busiest=busiest(measured),
        knee=knee(measured.sent) if measured.sent is not None else None,
    )


def utilization(change: Snapshot) -> float | None:
    whole = change.busy + change.idle
    if whole <= 0 or all(loop.busy is None for loop in change.loops):
        return None
    return min(1.0, max(0.0, change.busy / whole))


def busiest(measured: Measurement) -> tuple[BusyRoute, ...]:
    """Return the routes that took most of the loop's busy time.

    A request counts what it ran once it is over. Stalls count as they end, so they tell of requests
    that are still under way; of a route that none has left, nothing else does.
    """
    change = measured.change
    seconds = {(r.route, r.method): r.running + r.background for r in change.requests}
    for (route, method), held in held_by_route(measured).items():
        mine = sorted((name for name in seconds if name[0] == route), key=lambda n: -seconds[n])
        told = sum(seconds[name] for name in mine)
        name = mine[0] if mine else (route, method)
        seconds[name] = seconds.get(name, 0.0) + max(0.0, held - told)
    whole = max(change.busy, sum(seconds.values()))
    found = (
        BusyRoute(route=route, method=method, seconds=took, share=took / whole)
        for (route, method), took in seconds.items()
        if took > 0
    )
    return tuple(sorted(found, key=lambda busy: -busy.seconds)[:BUSIEST])


def held_by_route(measured: Measurement) -> dict[tuple[str, str], float]:
    """Return the seconds of stalls by the culprit's route, where its method is known, too."""
    methods = {s.route: s.method for s in measured.stalls if s.route is not None}
    held: defaultdict[tuple[str, str], float] = defaultdict(float)
    for row in measured.change.sites:
        if row.route in methods and row.cause not in NOT_ITS_OWN:
            held[row.route, methods[row.route] or NONE] += row.stalls.sum
    return held


def knee(sent: Sent) -> Knee | None:
    """Return the knee of a ramp; None if the rate did not rise or a window has too few requests."""
    plan, tally = sent.plan, sent.tally
    if plan.rate_end <= plan.rate or tally.elapsed <= 0:
        return None
    width = tally.elapsed / WINDOWS
    windows: list[list[float]] = [[] for _ in range(WINDOWS)]
    for sample in tally.samples:
        windows[min(WINDOWS - 1, int(sample.due / width))].append(sample.latency)
    if any(len(window) < FEWEST for window in windows):
        return None
    medians = [median(window) for window in windows]
    base = median(medians[:BASE])
    limit = FACTOR * base + MARGIN
    low = [place for place, value in enumerate(medians) if value <= limit]
    first = low[-1] + 1 if low else 0
    rate = plan.rate_at(first * width) if first < WINDOWS else None
    return Knee(rate=rate, base=base, limit=limit, rule=RULE)

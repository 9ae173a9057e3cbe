"""The predictions in `tails.json`, by replay of what the loops have recorded, with bounded work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from loopwatch.core.quantiles import Quantiles, quantiles
from loopwatch.core.tails import AT, MorePlaces, RouteTails, Without
from loopwatch.replay.prediction import Prediction
from loopwatch.replay.replay import Replay

REPLAYED = 4  # sites: those that most routes waited for
POOLS = 2  # semaphores, locks and pools: those for which most requests waited
ENOUGH = 0.5  # of a route's requests that must have been recorded
TIMES = 2  # as many places


def replayed(tails: Sequence[RouteTails], replay: Replay, sites: Iterable[str]) -> list[RouteTails]:
    """Return tails with what a replay predicts; `sites` are all that have stalled."""
    known: dict[str | None, Prediction] = {}
    asked = Counter(one.site for row in tails for one in row.without)
    for site, _ in asked.most_common(REPLAYED + 1):
        known[site] = replay.without(*([site] if site is not None else sites))
    found = [
        replace(row, without=tuple(better(row, one, known.get(one.site)) for one in row.without))
        for row in tails
    ]
    return [*with_places(found, replay)]


def better(row: RouteTails, estimate: Without, predicted: Prediction | None) -> Without:
    """Return what a replay predicts of a route; the estimate and the reason if it does not."""
    if predicted is None:
        return replace(estimate, reason="other sites cost more, and were replayed instead")
    if predicted.reason:
        return replace(estimate, reason=predicted.reason)
    then = [after for _, after in predicted.pairs.get((row.route, row.method), ())]
    if not is_enough(row, then):
        return replace(estimate, reason=f"{len(then)} of its {row.requests} requests were recorded")
    return Without(
        site=estimate.site, then=Quantiles.of(then), latencies=tuple(quantiles(AT, then))
    )


def is_enough(row: RouteTails, then: Sequence[float]) -> bool:
    return bool(then) and len(then) >= ENOUGH * row.requests


def with_places(tails: Iterable[RouteTails], replay: Replay) -> Iterable[RouteTails]:
    """Return tails with what twice as many places would do, where requests wait for places."""
    shared = {route: one.places for one in replay.shared[:POOLS] for route in one.routes}
    known: dict[str, Prediction] = {}
    for row in tails:
        places = shared.get(row.route)
        if places is None:
            yield row
            continue
        if row.route not in known:
            known[row.route] = replay.with_places(row.route, TIMES * places)
        pairs = known[row.route].pairs.get((row.route, row.method), ())
        then = [after for _, after in pairs]
        more = None
        if is_enough(row, then):
            more = MorePlaces(places=places, then_places=TIMES * places, then=Quantiles.of(then))
        yield replace(row, more_places=more)

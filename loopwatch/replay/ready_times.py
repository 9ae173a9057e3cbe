"""How long waits took of which only bounds are known.

While the loop is held, an answer may come at any moment. Waits of the same kind (the same wait, in
order, of the same task or route) that ended while the loop slept in its poll are known exactly. A
wait with bounds takes one of those within its bounds, each in turn: so all of them together have
the distribution of those known (one step of Turnbull's estimate for censored data, 1976). If there
is none, it takes the middle: the expectation.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence

from loopwatch.core.breath import breathe
from loopwatch.core.recording import Recording
from loopwatch.replay.wake_ups import Owner, WakeUp, WakeUps

SURE = 0.001  # s between bounds below which a wait counts as known
GOLDEN = 0.6180339887498949  # its multiples, less their whole part, are spread evenly

Kind = tuple[str, str, int]  # route, coroutine, which of its waits


def settled(recording: Recording, found: WakeUps) -> list[float]:
    """Return for each step after how long it was ready (s after its parent's end), or when (clock,
    s) without a parent."""
    kinds = wait_kinds(recording, found)
    known: defaultdict[Kind, list[float]] = defaultdict(list)
    for kind, link in zip(kinds, found.of, strict=True):
        if kind is not None and link.most - link.least < SURE:
            insort(known[kind], (link.least + link.most) / 2)
    drawn: defaultdict[Kind | None, int] = defaultdict(int)
    values = []
    for kind, link in zip(kinds, found.of, strict=True):
        breathe()
        values.append(value(link, known.get(kind, ()) if kind is not None else (), drawn[kind]))
        drawn[kind] += link.most - link.least >= SURE
    return values


def value(link: WakeUp, known: Sequence[float], turn: int) -> float:
    """Return one of the known waits between a link's bounds, else their middle."""
    if link.most - link.least < SURE:
        return (link.least + link.most) / 2
    low, high = bisect_left(known, link.least), bisect_right(known, link.most)
    if low == high:
        return (link.least + link.most) / 2
    return known[low + int((turn * GOLDEN) % 1.0 * (high - low))]


def wait_kinds(recording: Recording, found: WakeUps) -> list[Kind | None]:
    """Return what waits are alike, by step; None for a step that ends none."""
    routes = {request.serial: request.route for request in recording.requests}
    passed: defaultdict[Owner, int] = defaultdict(int)
    kinds: list[Kind | None] = []
    for waiter in found.waiters:
        if waiter is None:
            kinds.append(None)
            continue
        passed[waiter] += 1
        kinds.append(kind_of(recording, routes, found, waiter, passed[waiter]))
    return kinds


def kind_of(
    recording: Recording, routes: Mapping[int, str], found: WakeUps, waiter: Owner, number: int
) -> Kind:
    first = recording.steps[found.owned[waiter][0]]
    return routes.get(first.request, ""), first.name, number if first.request else 0

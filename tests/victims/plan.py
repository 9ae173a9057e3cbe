"""A load planned in advance: which request is sent when, whatever comes back.

The moments are drawn at random, and so is how long each request is to take. The same seed draws
the same load, whatever the app does with it.
"""

import random
from typing import NamedTuple

BAD = "/block/{ms}"
GOOD = {  # share of the good requests, and the ms drawn
    "/good": (0.30, 0, 0),
    "/sleep/{ms}": (0.25, 20, 400),
    "/child/{ms}": (0.15, 20, 400),
    "/work": (0.10, 0, 0),
    "/thread/{ms}": (0.10, 5, 100),
    "/io/{ms}": (0.10, 20, 300),
}
FRESH = 0.5  # share of the requests on a connection of their own
WARM = 1.5  # s at the beginning: each route once, not judged
WARM_MS = 120


class Planned(NamedTuple):
    number: int
    at: float  # s after the beginning
    route: str
    path: str
    fresh: bool  # on a connection of its own


class Bad(NamedTuple):
    """How much of the load is bad."""

    requests: int
    shortest: int  # ms
    longest: int  # ms


def plan(seed: int, requests: int, seconds: float, bad: Bad) -> list[Planned]:
    """Return a load of so many requests, bad ones included, beside those that warm up."""
    dice = random.Random(seed)
    warm = [(WARM * n / 7, route, WARM_MS) for n, route in enumerate([*GOOD, BAD])]
    shares = [share for share, *_ in GOOD.values()]
    good = dice.choices(list(GOOD), shares, k=requests - bad.requests)
    drawn = [(route, dice.randint(*GOOD[route][1:])) for route in good]
    drawn += [(BAD, dice.randint(bad.shortest, bad.longest)) for _ in range(bad.requests)]
    placed = [(WARM + dice.uniform(0, seconds), *what) for what in drawn]
    return [
        Planned(number, at, route, f"{route.format(ms=ms)}?{number}", dice.random() < FRESH)
        for number, (at, route, ms) in enumerate(sorted(warm + placed))
    ]

"""The end of a request in both twins, every field of it, to the last bit.

The dice throw durations whose sums are exact, so that both must give the same floats. They are
played in this process, and once more in one without the compiled twin.
"""

import json
import random
from math import inf, nextafter
from typing import Any

from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.core.recent import RECENT
from loopwatch.core.request import MANY, Request
from tests.ledger.made_requests import begun, table
from tests.ledger.twins import FINE, in_python, needs_both, state_of, state_of_request

HUGE = 2.0**28  # s
CROWDS = (3, 4, 5, 16, 17, 64, 65, MANY - 1, MANY, MANY + 1, 4 * MANY + 1)  # room: 4, 16, 64, ...
SEEDS = range(24)


def new(started: float) -> Request:
    request = begun(started)
    request.stepped = started
    return request


class Play:
    """Requests of one row, one after the other, as the dice have them."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.requests = table(lone=seed % 2 == 0)
        self.now = 0.0 if seed % 3 == 0 else 1024.0 * seed
        self.told: list[Any] = []

    def some(self, unit: float, count: int) -> float:
        return unit * self.dice.randrange(count)

    def duration(self) -> float:
        """Return none, a short one, a usual one, a long one, or once in a while a huge one."""
        if self.dice.random() < 0.02:
            return HUGE
        return self.dice.choice((0.0, self.short(), self.some(2.0**-10, 1024), self.some(1.0, 64)))

    def short(self) -> float:
        return self.some(FINE, 262)  # below the first edge

    def long(self) -> float:
        return 2.0**-9 * (1 + self.dice.randrange(1024))

    def one(self) -> Request:
        """Live and end one request; all is told."""
        request = new(self.now)
        if self.dice.random() < 0.4:
            request.queued = self.duration()
        for _ in range(self.dice.randrange(8)):
            self.dice.choice((self.wait, self.step, self.long_step, self.crowd, self.others))(
                request
            )
            if self.dice.random() < 0.15:
                self.requests.take(request, self.now)
                self.tell(request)
            if self.dice.random() < 0.2 and not request.responded:
                request.responded = self.now
                request.settled = self.dice.choice((0.0, self.duration(), request.taken))
        if self.dice.random() < 0.1:
            request.forget_long_steps()
        if self.dice.random() < 0.1:
            request.span, request.waits = ("0a", "0b"), []
        last = self.dice.choice((0.0, self.short(), self.long()))
        self.now += last
        self.requests.finish(request, self.now, last)
        self.tell(request)
        self.told.append(state_of_request(request))
        self.now += self.duration()
        return request

    def tell(self, request: Request) -> None:
        self.told.append(state_of(self.requests.row(begun(0.0))))

    def wait(self, request: Request) -> None:
        self.now += self.duration()

    def step(self, request: Request) -> None:
        took = self.short()
        request.steps += 1
        request.seconds += took
        self.now += took
        request.stepped = self.now

    def long_step(self, request: Request) -> None:
        took = self.long()
        self.told.append(request.add_long_step(took))
        self.now += took

    def crowd(self, request: Request) -> None:
        """Many long steps, which its row takes when they are too many, or as they all end."""
        taken = self.dice.random() < 0.5
        for _ in range(self.dice.choice(CROWDS) if self.dice.random() < 0.3 else 2):
            took = self.long()
            self.now += took
            if request.add_long_step(took) and taken:
                self.requests.take(request, self.now)
        self.told.append([*request.times])

    def others(self, request: Request) -> None:
        took = self.duration()
        request.stalled += took
        request.pooled += self.duration()
        self.now += took


def played(seed: int) -> list[Any]:
    """Return all that is known after each of some requests."""
    play = Play(seed)
    for _ in range(25):
        play.one()
    return play.told


def round_the_ring(count: int) -> str:
    """Return the latest of so many requests."""
    dice, requests = random.Random(count), table()
    for number in range(count):
        request = begun(float(number))
        request.queued, request.stalled = dice.randrange(3) / 4, dice.randrange(3) / 8
        requests.finish(request, number + dice.randrange(4) / 2, dice.randrange(2) / 4)
    return requests.row(begun(0.0)).recent().hex()


AROUND = (-inf, 0.0, inf)  # the float before an edge, the edge, the one after
LATENCIES = (
    *(nextafter(edge, to) if to else edge for edge in SECONDS_EDGES for to in AROUND),
    *(0.0, 5e-324, 1e-300, FINE, 1e9, 1e300),
)


def at_the_edges() -> list[Any]:
    """Return where a latency, a last step and an earlier long one of each such length are filed."""
    found: list[Any] = []
    for took in LATENCIES:
        for what in ("latency", "queued", "last", "long", "responded"):
            requests, request = table(), new(0.0)
            row = requests.row(begun(0.0))
            now, last = took, 0.0
            if what == "queued":
                now, request.queued = 0.0, took
            elif what == "last":
                last = took
            elif what == "long":
                request.add_long_step(took)
            elif what == "responded":
                now, request.responded, request.settled = 2 * took, took, took / 2
            requests.finish(request, now, last)
            found += [what, state_of(row), state_of_request(request)]
    return found


def everything() -> list[Any]:
    """Return what both twins must give alike."""
    rings = [round_the_ring(count) for count in (63, 64, 65, 257, RECENT, 2 * RECENT + 7)]
    return [[played(seed) for seed in SEEDS], rings, at_the_edges()]


@needs_both
def test_both_twins_end_requests_alike_in_every_field() -> None:
    pythons = in_python(__name__, "everything()")
    mine = json.loads(json.dumps(everything()))
    for seed, (one, other) in enumerate(zip(mine[0], pythons[0], strict=True)):
        assert one == other, seed
    assert mine[1:] == pythons[1:]

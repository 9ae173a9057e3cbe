"""The end of a request in both twins, every field of it, to the last bit.

The dice throw durations whose sums are exact, so that both must give the same floats. They are
played in this process, and once more in one without the compiled twin. What the compiled exchange
ends by itself (`finish_request`) is played back to `finish` of Python.

Not compared: `steps` and `seconds` of a request that has ended. Its row has them; Python mostly
sets them to 0, C leaves them.
"""

import json
import random
from contextvars import Context
from math import inf, nextafter
from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch.core import speedups as twin
from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.core.recent import PARTS, RECENT
from loopwatch.core.request import MANY, REQUEST, Request
from loopwatch.ledger import request_table
from loopwatch.ledger.request_row import RequestRow
from loopwatch.ledger.step_table import FIRST, StepTable
from tests.conftest import run_script
from tests.ledger.made_requests import begun, table

speedups: Any = twin.speedups
needs_both = pytest.mark.skipif(speedups is None, reason="the compiled twin was not built")

FINE = 2.0**-18  # s: all durations are multiples of it, so that their sums are exact
HUGE = 2.0**28  # s
OF_REQUEST = (
    *("started", "ended", "stepped", "queued", "responded", "settled", "taken", "stalled"),
    *("pooled", "charged", "charged_background", "charged_stalled", "span"),
)
OF_ROW = ("running", "background", "queued", "stalled", "pooled", "time", "finished")
CROWDS = (3, 4, 5, 16, 17, 64, 65, MANY - 1, MANY, MANY + 1, 4 * MANY + 1)  # room: 4, 16, 64, ...
SEEDS = range(24)


def state_of(row: RequestRow) -> list[Any]:
    """Return every number of a row, and its latest three requests."""
    steps = row.steps
    return [
        [getattr(row, name) for name in OF_ROW],
        [*row.counts],
        [*row.sums],
        [steps.steps, steps.seconds, *steps.counts, *steps.sums],
        row.recent()[-3 * PARTS * 8 :].hex(),
    ]


def state_of_request(request: Request) -> list[Any]:
    of_request = [getattr(request, name) for name in OF_REQUEST]
    return [*of_request, [*request.times], request.scope, request.row.method]


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
    pythons = in_python("everything()")
    mine = json.loads(json.dumps(everything()))
    for seed, (one, other) in enumerate(zip(mine[0], pythons[0], strict=True)):
        assert one == other, seed
    assert mine[1:] == pythons[1:]


def in_python(expression: str, *arguments: str) -> Any:
    """Return what an expression gives in a process without the compiled twin."""
    printed = run_script(
        f"""
        import json, sys
        sys.modules["loopwatch._speedups"] = None
        from tests.ledger.test_finish_twins import *
        from loopwatch.loop.step_timing import COMPILED
        assert not COMPILED
        print(json.dumps({expression}))
        """,
        *arguments,
    )
    return json.loads(printed)


# What the exchange ends by itself.

STEPS = (
    5e-324,
    FINE,
    2.0**-11,
    2.0**-10,
    FIRST,
    0.25,
    1024.0,
)  # s from one clock reading to the next
ENDS = 240
KEPT = (
    "started",
    "seconds",
    "steps",
    "stepped",
    "queued",
    "stalled",
    "pooled",
    "responded",
    "settled",
)


def a_row() -> RequestRow:
    row = RequestRow("/row", "GET", "row", StepTable().none, lambda *_: None)
    row.door = None
    return row


def exchanged(seed: int) -> tuple[dict[str, Any], list[Any]]:
    """Have one call of an app ended by the compiled exchange; return what it was given, and what
    became of it."""
    from tests.native.made import a_front, a_state, receive

    dice, state, row = random.Random(seed), a_state(), a_row()
    given: dict[str, Any] = {}
    ended: list[Request] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        request = REQUEST.get()
        ended.append(request)
        for _ in range(dice.choice((0, 0, 0, 1, 7))):
            request.steps += 1
            request.seconds += dice.randrange(200) * FINE
        if dice.random() < 0.2:
            request.add_long_step(dice.choice((FIRST, 2.0**-6, 4.0)))
        if dice.random() < 0.2:
            request.queued = dice.choice((0.0, FIRST, 0.5))
        if dice.random() < 0.2:
            request.stalled, request.pooled = (
                dice.choice((0.0, 2.0**-10, 5e4)),
                dice.choice((0.0, 0.5)),
            )
        if dice.random() < 0.6:
            await send({"type": "http.response.body"})
        for _ in range(dice.randrange(3)):
            speedups.clock()
        if dice.random() < 0.4:
            state.mark = speedups.clock()  # as if this were a later step
        given.update({name: getattr(request, name) for name in KEPT})
        given.update(times=[*request.times], mark=state.mark)

    async def send(message: Any) -> None: ...

    front = a_front(app, state=state)
    row.door = front
    front.remember(None, SimpleNamespace(finish=None), state, {"row": row}, None, print)
    state.mark = 0.0
    speedups.set_clock_step(dice.choice(STEPS))
    try:
        scope = {"type": "http", "method": "GET", "endpoint": "row"}
        with pytest.raises(StopIteration):
            Context().run(front(scope, receive, send).send, None)
    finally:
        speedups.set_clock_step(0.0)
    (request,) = ended
    given["ended"] = request.ended
    return given, [state_of(row), state_of_request(request)]


def played_back(given: dict[str, Any]) -> tuple[bool, list[Any]]:
    """End the same request as Python does; return whether `finish` sufficed, and the outcome."""
    row, request = a_row(), begun(0.0)
    for name in KEPT:
        if given[name] or name not in ("stalled", "pooled"):
            setattr(request, name, given[name])
    for took in given["times"]:
        request.add_long_step(took)
    now, rows = given["ended"], {"row": row}
    began = max(given["mark"], given["started"])
    request_table.clock = lambda: now  # type: ignore[attr-defined]
    quick = request_table.finish(SimpleNamespace(mark=given["mark"], limit=FIRST), rows, request)
    if not quick:
        assert request_table.add_to_known(rows, request, now, now - began)
    return quick, [state_of(row), state_of_request(request)]


@needs_both
def test_what_the_exchange_ends_by_itself_is_what_python_makes_of_it() -> None:
    given, mine = zip(*map(exchanged, range(ENDS)), strict=True)
    pythons = in_python("[*map(played_back, json.loads(sys.argv[1]))]", json.dumps(given))
    for seed, (one, (_, other)) in enumerate(zip(mine, pythons, strict=True)):
        assert json.loads(json.dumps(one)) == other, (seed, given[seed])
    quick = sum(is_quick for is_quick, _ in pythons)
    assert ENDS / 10 < quick < ENDS * 9 / 10  # both ways of Python were taken
    assert any(each["responded"] for each in given)
    assert any(each["ended"] == each["started"] for each in given)

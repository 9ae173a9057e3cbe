"""The end of a request: four parts that add up, in both twins, field by field.

Histories of requests are thrown by dice, played in this process, and once more in one without the
compiled twin. A history is what can happen: time passes, steps are taken, others hold the loop, the
response is complete, the row is charged meanwhile.
"""

import json
import random
from array import array
from contextvars import Context
from typing import Any

import pytest

from loopwatch.core.holds import Hold, Wait
from loopwatch.core.recent import PARTS, RECENT, RecentRequest
from loopwatch.core.record_types import NONE, RequestReading
from loopwatch.core.request import Request, begin
from loopwatch.core.speedups import speedups
from loopwatch.ledger.request_row import RequestRow
from loopwatch.ledger.request_table import RequestTable
from loopwatch.ledger.step_table import StepTable
from tests.conftest import run_script

HISTORIES = 400
COUNTERS = ("queued", "running", "stalled", "waiting", "threadpool", "background")
NUMBERS = ("running", "background", "queued", "stalled", "pooled", "time", "finished")


def told(request: Request) -> tuple[str | None, Any]:
    return request.scope.get("told"), request.scope.get("endpoint")


def table(lone: bool = True) -> RequestTable:
    return RequestTable(StepTable(), told, lambda request: lone)


def begun(started: float, **more: Any) -> Request:
    scope = {"type": "http", "method": "GET", "told": "/row", "endpoint": "row"}
    request = Context().run(begin, None, scope | more)
    request.started = started
    return request


class History:
    """What happens to one request, as the dice have it."""

    def __init__(self, dice: random.Random, requests: RequestTable, now: float) -> None:
        self.dice, self.requests, self.now = dice, requests, now
        self.used = 0.0  # s in own steps
        self.request = begun(now)
        if dice.random() < 0.5:
            self.request.queued = dice.random()

    def play(self) -> None:
        """Live, and end."""
        for _ in range(self.dice.randrange(6)):
            self.dice.choice([self.wait, self.step, self.long_step, self.stall, self.pool])()
            if self.dice.random() < 0.2:
                self.requests.take(self.request, self.now)
            if self.dice.random() < 0.2:
                self.respond()
        last = self.dice.choice([0.0, self.dice.random() / 2000, self.dice.random()])
        self.now += last
        self.used += last
        if self.dice.random() < 0.5:
            self.respond()
        self.requests.finish(self.request, self.now, last)

    def wait(self) -> None:
        self.now += self.dice.random()

    def step(self) -> None:
        took = self.dice.random() / 1000
        self.request.steps += 1
        self.request.seconds += took
        self.used += took
        self.now += took

    def long_step(self) -> None:
        took = self.dice.random() + 0.001
        self.request.add_long_step(took)
        self.used += took
        self.now += took

    def stall(self) -> None:
        took = self.dice.random()
        if not self.request.responded:
            self.request.stalled += took
        self.now += took

    def pool(self) -> None:
        took = self.dice.random()
        if not self.request.responded:
            self.request.pooled += took * self.dice.choice([1, 10])  # of two threads at once
        self.now += took

    def respond(self) -> None:
        if not self.request.responded:
            self.request.responded = self.now
            self.request.settled = self.used


def outcomes(seed: int) -> list[Any]:
    """Return every number of one row after each of some histories."""
    dice, requests, found = random.Random(seed), table(seed % 2 == 0), []
    history = History(dice, requests, 1000.0 * dice.random())
    for _ in range(HISTORIES // 10):
        history.play()
        row = requests.row(begun(0.0))
        request = history.request
        numbers = [getattr(row, name) for name in NUMBERS]
        of_request = [request.settled, request.stalled, request.ended, request.scope]
        recent = array("d", row.recent()).tolist()[-PARTS:]
        steps = [row.steps.steps, row.steps.seconds, *row.steps.counts, *row.steps.sums]
        found.append([numbers, [*row.counts], [*row.sums], of_request, recent, steps])
        history = History(dice, requests, history.now + dice.random())
    return found


@pytest.mark.skipif(speedups is None, reason="the compiled twin was not built")
def test_both_twins_count_the_same() -> None:
    printed = run_script("""
        import json, sys
        sys.modules["loopwatch._speedups"] = None
        from loopwatch.loop import step_timing as steps
        from tests.ledger.test_request_table import outcomes
        assert not steps.COMPILED
        print(json.dumps([outcomes(seed) for seed in range(10)]))
    """)
    for mine, pythons in zip(map(outcomes, range(10)), json.loads(printed), strict=True):
        for one, other in zip(mine, pythons, strict=True):
            for numbers, expected in zip(one, other, strict=True):
                assert numbers == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_the_four_parts_add_up_to_the_latency(seed: int) -> None:
    dice, requests = random.Random(seed), table()
    latency, now = 0.0, 1000.0
    for number in range(HISTORIES // 20):
        history = History(dice, requests, now)
        history.play()
        now = history.now
        request = history.request
        whole = (request.responded or request.ended) - request.started + request.queued
        latency += whole
        (reading,) = requests.readings(recent=True)
        parts = reading.queued + reading.running + reading.stalled + reading.waiting
        assert parts == pytest.approx(reading.latency.sum, abs=1e-6)
        assert reading.latency.sum == pytest.approx(latency, abs=1e-6)
        assert reading.latency.count == number + 1
        last = [*reading.recent.unpacked("/row", "GET")][-1]
        of_one = last.queued + last.running + last.stalled + last.waiting
        assert of_one == pytest.approx(whole, abs=1e-6) == pytest.approx(last.latency, abs=1e-6)
        assert min(last.queued, last.running, last.stalled, last.waiting) >= 0
    assert reading.running + reading.background == pytest.approx(reading.loop_cost * (number + 1))


@pytest.mark.parametrize("seed", range(20))
def test_counters_never_fall(seed: int) -> None:
    """However often a request in flight is charged, before and after its response; nor by rounding,
    which Prometheus would take for a restart."""
    dice, requests, before = random.Random(seed), table(), dict.fromkeys(COUNTERS, 0.0)
    now = 1000.0
    for _ in range(10):
        history = History(dice, requests, now)
        taken = requests.take

        def watched_take(request: Request, now: float, taken: Any = taken) -> None:
            taken(request, now)
            assert_risen(before, requests)

        requests.take = watched_take  # type: ignore[method-assign]
        history.play()
        requests.take = taken  # type: ignore[method-assign]
        assert_risen(before, requests)
        now = history.now


def assert_risen(before: dict[str, float], requests: RequestTable) -> None:
    (reading,) = requests.readings(recent=True)
    for name in COUNTERS:
        value = getattr(reading, name)
        assert value >= before[name], name
        before[name] = value


def only(requests: RequestTable) -> RequestReading:
    (reading,) = requests.readings(recent=True)
    return reading


def test_what_is_done_after_the_response_is_background_and_no_latency() -> None:
    requests, request = table(), begun(10.0)
    request.queued = 0.125
    request.add_long_step(0.25)
    request.responded, request.settled = 10.5, 0.25
    request.add_long_step(2.0)
    requests.finish(request, 13.0, 0.0)
    reading = only(requests)
    assert reading.latency.sum == 0.625
    assert (reading.queued, reading.running, reading.background) == (0.125, 0.25, 2.0)
    assert (reading.waiting, reading.loop_cost) == (0.25, 2.25)


def test_a_stream_is_charged_while_it_lasts() -> None:
    requests, request = table(), begun(10.0)
    request.queued = 0.5
    request.add_long_step(0.25)
    requests.take(request, 11.0)
    reading = only(requests)
    assert (reading.queued, reading.running, reading.waiting) == (0.5, 0.25, 0.75)
    assert reading.latency.count == 0
    request.add_long_step(0.5)
    requests.take(request, 12.0)
    reading = only(requests)
    assert (reading.queued, reading.running, reading.waiting) == (0.5, 0.75, 1.25)
    requests.finish(request, 14.0, 0.0)
    reading = only(requests)
    assert (reading.queued, reading.running, reading.waiting) == (0.5, 0.75, 3.25)
    assert (reading.latency.count, reading.latency.sum) == (1, 4.5)
    requests.charge(request)  # it has ended: nothing more
    assert only(requests).waiting == 3.25


def test_no_part_is_more_than_was_left_for_it() -> None:
    """An expectation may be too much: then it is cut, and the sum still holds."""
    requests, request = table(), begun(10.0)
    request.stalled, request.pooled = 5.0, 5.0
    request.add_long_step(0.75)
    requests.finish(request, 11.0, 0.0)
    reading = only(requests)
    assert (reading.running, reading.stalled, reading.threadpool) == (0.75, 0.25, 0.0)
    assert reading.waiting == 0.0
    assert request.stalled == 0.25


def test_a_charged_expectation_that_is_cut_later_takes_nothing_back() -> None:
    requests, request = table(), begun(10.0)
    request.stalled = 0.875
    requests.take(request, 11.0)
    request.add_long_step(1.0)  # a task of its own had been running meanwhile
    requests.finish(request, 11.5, 0.0)
    reading = only(requests)
    parts = reading.queued + reading.running + reading.stalled + reading.waiting
    assert parts == pytest.approx(reading.latency.sum, abs=1e-6)
    assert min(reading.queued, reading.running, reading.stalled, reading.waiting) >= 0


def test_a_response_sent_from_somebody_else_s_step_leaves_no_debt() -> None:
    """What that step used up to then counts as the request's, which itself used less."""
    requests, request = table(), begun(10.0)
    request.responded, request.settled, request.seconds = 10.5, 0.375, 0.125
    requests.finish(request, 10.75, 0.0)
    reading = only(requests)
    assert reading.background >= 0
    assert reading.running + reading.waiting == pytest.approx(0.5, abs=1e-9)


# The ring of the latest requests.


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 256, 257, RECENT, RECENT + 1, 3 * RECENT + 7])
def test_the_latest_requests_are_kept_in_order(count: int) -> None:
    requests = table()
    row = requests.row(begun(0.0))
    for number in range(count):
        requests.finish(begun(float(number)), number + 0.5, 0.0)
    kept = [*row.recent_requests().unpacked("/row", "GET")]
    offset = row.recent_requests().to_unix
    arrived = [round(r.started_at - offset, 1) for r in kept]
    assert arrived == [float(n) for n in range(count)][-RECENT:]
    assert row.finished == count
    assert len(row.recent()) == min(count, RECENT) * PARTS * 8


def test_whom_requests_waited_for_stays_with_them_round_the_ring() -> None:
    requests = table()
    row = requests.row(begun(0.0))
    blamed: list[float] = []
    for number in range(2 * RECENT + 100):
        request = begun(float(number))
        if number % 3 == 0:
            hold = Hold(0.0, 1.0, None, lambda _: True)
            request.waits = [Wait(hold, request, number, 0.0, 0.0, 0.0, queued=False)]
        requests.finish(request, number + 0.5, 0.0)
        if number in (5, 100, RECENT, RECENT + 1, 2 * RECENT + 99):
            offset = row.recent_requests().to_unix
            for kept in row.recent_requests().unpacked("/row", "GET"):
                arrived = round(kept.started_at - offset)
                blamed += [b.seconds for b in kept.blames]
                assert [b.seconds for b in kept.blames] == [arrived] * (arrived % 3 == 0)
    assert blamed


def test_who_waited_is_told_with_all_parts_as_it_ends() -> None:
    requests = table()
    told: list[tuple[RecentRequest, list[Hold]]] = []
    requests.waited = lambda measure, holds: told.append((measure(), [*holds]))
    hold = Hold(0.0, 1.0, None, lambda _: True)
    for waits in (None, [], [1]):
        request = begun(10.0)
        request.queued, request.stalled = 0.25, 0.125
        request.add_long_step(0.5)
        wait = Wait(hold, request, 0.25, 0.25, 0.25, 0.0, queued=True)
        request.waits = waits and [wait]
        requests.finish(request, 11.0, 0.0)
    ((times, holds),) = told
    assert holds == [hold]
    assert (times.route, times.method, times.latency) == ("/row", "GET", 1.25)
    assert (times.queued, times.running, times.stalled, times.waiting) == (0.25, 0.5, 0.125, 0.375)


def test_a_hook_that_raises_does_not_lose_the_request() -> None:
    requests, request = table(), begun(10.0)

    def waited(times: Any, holds: Any) -> None:
        raise KeyError("x")

    requests.waited = waited
    hold = Hold(0.0, 1.0, None, lambda _: True)
    request.waits = [Wait(hold, request, 0.25, 0.25, 0.25, 0.0, queued=True)]
    with pytest.raises(KeyError):
        requests.finish(request, 11.0, 0.0)
    assert request.scope is None
    assert only(requests).latency.count == 1


# Which row.


def test_routes_and_methods_have_rows_of_their_own() -> None:
    requests = table(lone=False)
    for route, method in (("/a", "GET"), ("/a", "PUT"), ("/b", "GET"), ("/a", "GET")):
        requests.finish(begun(1.0, told=route, method=method), 2.0, 0.0)
    requests.finish(begun(1.0, told=None, method="BREW"), 2.0, 0.0)
    rows = {(r.route, r.method): r.latency.count for r in requests.readings(recent=True)}
    assert rows == {
        ("/a", "GET"): 2,
        ("/a", "PUT"): 1,
        ("/b", "GET"): 1,
        (NONE, "_OTHER"): 1,
    }


def test_a_known_endpoint_needs_no_template_but_its_own_method_and_door() -> None:
    asked: list[Any] = []

    def routed(request: Request) -> tuple[str | None, Any]:
        asked.append(request)
        return told(request)

    requests = RequestTable(StepTable(), routed, lambda request: True)
    for _ in range(3):
        requests.finish(begun(1.0), 2.0, 0.0)
    assert len(asked) == 1
    requests.finish(begun(1.0, method="PUT"), 2.0, 0.0)
    assert len(asked) == 2
    unhashable = begun(1.0, endpoint=[])
    requests._lone = lambda request: False
    requests.finish(unhashable, 2.0, 0.0)
    assert len(asked) == 3


def test_a_request_in_flight_is_looked_up_once_until_it_is_routed_further() -> None:
    asked: list[Any] = []

    def routed(request: Request) -> tuple[str | None, Any]:
        asked.append(request)
        return told(request)

    def lone(request: Request) -> bool:
        asked.append(request)
        return False

    requests, request = RequestTable(StepTable(), routed, lone), begun(1.0)
    for now in (2.0, 3.0, 4.0):
        requests.take(request, now)
    assert len(asked) == 2
    request.scope["endpoint"] = "inner"
    requests.take(request, 5.0)
    assert len(asked) == 4
    requests.take(begun(1.0), 5.0)  # its endpoint is known to be shared
    assert len(asked) == 5


@pytest.mark.skipif(speedups is None, reason="the compiled twin was not built")
def test_the_compiled_twin_refuses_what_is_no_row() -> None:
    assert speedups is not None
    for wrong in ((), (1, 2, 3.0, 4.0), (table().row(begun(0.0)), 1, 2.0, 3.0)):
        with pytest.raises(TypeError):
            speedups.add_request(*wrong)
    with pytest.raises(TypeError):
        speedups.add_to_known({}, 1, 2.0, 3.0)
    bare: Any = RequestRow.__new__(RequestRow)
    request = begun(1.0)
    with pytest.raises(TypeError, match="steps must be"):
        speedups.add_request(bare, request, 2.0, 0.0)

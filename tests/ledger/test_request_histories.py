"""The end of a request: four parts that add up, in both twins, field by field.

Histories of requests are thrown by dice, played in this process, and once more in one without the
compiled twin. A history is what can happen: time passes, steps are taken, others hold the loop, the
response is complete, the row is charged meanwhile.
"""

import json
import random
from array import array
from typing import Any

import pytest

from loopwatch.core.recent import PARTS
from loopwatch.core.request import Request
from loopwatch.core.speedups import speedups
from loopwatch.ledger.request_table import RequestTable
from tests.conftest import run_script
from tests.ledger.made_requests import begun, table

HISTORIES = 400
COUNTERS = ("queued", "running", "stalled", "waiting", "threadpool", "background")
NUMBERS = ("running", "background", "queued", "stalled", "pooled", "time", "finished")


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
        from tests.ledger.test_request_histories import outcomes
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

"""Semaphores, locks and pools are found by handovers; other wake-ups are none."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from loopwatch.core.quantiles import Quantiles
from loopwatch.core.recording import RecordedStep
from loopwatch.replay.replay import Replay
from tests.replay.made import App, Made, latencies, recording, run
from tests.replay.recorded import made, request, step


def load(kinds: Sequence[Made], rate: float, count: int = 300, seed: int = 5) -> App:
    drawn, app, at = random.Random(seed), App(), 1.0
    for _ in range(count):
        at += drawn.expovariate(rate)
        app.request(drawn.choice(kinds), at)
    return app


@pytest.mark.parametrize("places", [1, 2, 5])
def test_the_places_of_a_semaphore_are_counted(places: int) -> None:
    app = load([Made("/q", waits=(0.1,), pool=0)], 9 * places)
    [shared] = Replay([recording(run(app, [places]))]).shared
    assert shared.places == places
    assert shared.routes == ("/q",)


def test_two_routes_share_one_pool() -> None:
    kinds = [Made("/a", waits=(0.1,), pool=0), Made("/b", waits=(0.05, 0.02), pool=0)]
    [shared] = Replay([recording(run(load(kinds, 24), [2]))]).shared
    assert shared.places == 2
    assert shared.routes == ("/a", "/b")


def test_one_route_with_two_semaphores_has_two() -> None:
    kinds = [Made("/q", waits=(0.1, 0.05), pool=0, second=1)]
    model = run(load(kinds, 18), [2, 1])
    found = Replay([recording(model)]).shared
    assert sorted(one.places for one in found) == [1, 2]


def test_more_places_of_the_one_that_most_wait_for() -> None:
    kinds = [Made("/q", waits=(0.1, 0.05), pool=0, second=1)]
    model, truth = run(load(kinds, 18), [2, 1]), run(load(kinds, 18), [2, 2])
    replay = Replay([recording(model)])
    assert replay.shared[0].places == 1
    [told] = replay.with_places("/q", 2).routes
    true = Quantiles.of(latencies(truth, "/q"))
    assert told.then.p50 == pytest.approx(true.p50, rel=0.2, abs=0.005)
    assert told.then.p99 == pytest.approx(true.p99, rel=0.2, abs=0.005)


def test_requests_that_wait_for_one_answer_share_no_places() -> None:
    """One request asks a service, the others wait for its answer, and then are done."""
    steps: list[RecordedStep] = []
    requests = []
    for turn in range(10):
        at, first = 1.0 + turn, len(steps)
        ask, wait = 2 * turn + 1, 2 * turn + 2
        steps += [
            step(at, at + 0.01, wake="io"),
            step(at + 0.01, at + 0.02, "request", request=ask, by=first),
            step(at + 0.02, at + 0.03, wake="io"),
            step(at + 0.03, at + 0.04, "request", request=wait, by=first + 2),
            step(at + 0.5, at + 0.51, wake="io"),
            step(at + 0.51, at + 0.52, "request", request=ask, by=first + 4),
            step(at + 0.52, at + 0.53, "request", request=wait, by=first + 5),
        ]
        requests += [
            request(ask, at, at + 0.01, at + 0.52),
            request(wait, at + 0.02, at + 0.03, at + 0.53),
        ]
    polls = [(s.started - 0.1, s.started) for s in steps if s.wake == "io"]
    assert Replay([made(steps, polls, tuple(requests))]).shared == []


def test_requests_that_never_wait_for_each_other_share_nothing() -> None:
    app = load([Made("/item", waits=(0.01,))], 30)
    assert Replay([recording(run(app))]).shared == []

"""A replay of a made recording predicts what the same model truly does when it is different."""

from __future__ import annotations

import random

import pytest

from loopwatch.core.foreseeing import WhatIf
from loopwatch.core.quantiles import Quantiles
from loopwatch.replay.prediction import Prediction
from loopwatch.replay.replay import Replay
from loopwatch.replay.worker_model import WaitingWorkers, WorkingWorkers
from tests.replay.made import App, Made, RecordedLoop, latencies, recording, run, stalls

ITEM = Made("/item", waits=(0.01,))
ORDER = Made("/order", waits=(0.12,), pool=0)
SEARCH = Made("/search", held=0.13)
LOOPS = ("asyncio", "uvloop")


def shop(held: bool = True, work: float = 0.0, places: int = 0, seed: int = 3) -> App:
    """Return an app under an open load of 30 requests/s for 20 s."""
    drawn = random.Random(seed)
    app = App()
    for number in range(600):
        made = drawn.choices((ITEM, ORDER, SEARCH), (6, 4, 1))[0]
        slow = made is SEARCH
        app.request(made, 1.0 + number / 30, held=held, work=work if slow else 0.0)
    return app


def found(prediction: Prediction, route: str) -> WhatIf:
    assert not prediction.reason
    return next(row for row in prediction.routes if row.route == route)


def assert_near(then: Quantiles, model: RecordedLoop, route: str) -> None:
    truth = Quantiles.of(latencies(model, route))
    for told, true in zip(
        (then.p50, then.p90, then.p99), (truth.p50, truth.p90, truth.p99), strict=True
    ):
        assert abs(told - true) <= max(0.005, 0.2 * true), (route, then, truth)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_replay_of_what_was_gives_the_latencies_that_were(kind: str) -> None:
    model = run(shop(), [3], loop=kind)
    replay = Replay([recording(model, kind)], stalls(model))
    assert replay.as_it_was().reason == ""
    for pairs in replay.as_it_was().pairs.values():
        assert all(again == pytest.approx(was, abs=0.08) for was, again in pairs)


@pytest.mark.parametrize("kind", LOOPS)
def test_without_a_culprit_latency_is_what_it_truly_is_in_a_thread(kind: str) -> None:
    model = run(shop(), [3], loop=kind)
    truth = run(shop(held=False, work=0.13), [3], WaitingWorkers(), kind)
    prediction = Replay([recording(model, kind)], stalls(model)).without("app.slow")
    for route in ("/item", "/order", "/search"):
        assert_near(found(prediction, route).then, truth, route)


@pytest.mark.parametrize("kind", LOOPS)
def test_a_thread_that_works_with_the_gil_costs_the_loop_its_turns(kind: str) -> None:
    model = run(shop(), [3], loop=kind)
    truth = run(shop(held=False, work=0.13), [3], WorkingWorkers(interval=0.005), kind)
    prediction = Replay([recording(model, kind)], stalls(model, "cpu")).without("app.slow")
    for route in ("/item", "/order"):
        assert_near(found(prediction, route).then, truth, route)


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("threads", [1, 2])
def test_few_threads_make_a_culprits_own_requests_wait(kind: str, threads: int) -> None:
    app = App()
    for number in range(200):
        app.request(SEARCH if number % 2 else ITEM, 1.0 + number / 16)
    model = run(app, loop=kind)
    fixed = App()
    for number in range(200):
        slow = number % 2
        fixed.request(
            SEARCH if slow else ITEM,
            1.0 + number / 16,
            held=False,
            work=0.13 if slow else 0.0,
        )
    truth = run(fixed, (), WaitingWorkers(threads), kind)
    replay = Replay([recording(model, kind)], stalls(model))
    prediction = replay.in_threads("app.slow", threads=threads)
    for route in ("/item", "/search"):
        assert_near(found(prediction, route).then, truth, route)


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize(("was", "then"), [(2, 4), (2, 3), (4, 2)])
def test_a_semaphore_of_another_size(kind: str, was: int, then: int) -> None:
    def app() -> App:
        drawn = random.Random(7)
        made, at = App(), 1.0
        for _ in range(300):
            at += drawn.expovariate(22 if then == 2 or was == 4 else 19)
            made.request(Made("/q", waits=(0.1 if was == 2 else 0.08,), pool=0), at)
        return made

    model = run(app(), [was], loop=kind)
    truth = run(app(), [then], loop=kind)
    replay = Replay([recording(model, kind)])
    assert [one.places for one in replay.shared] == [was]
    assert_near(found(replay.with_places("/q", then), "/q").then, truth, "/q")


def test_too_few_requests_give_no_prediction_but_the_reason() -> None:
    app = App()
    for number in range(10):
        app.request(SEARCH, 1.0 + number)
    model = run(app)
    prediction = Replay([recording(model)], stalls(model)).without("app.slow")
    assert prediction.routes == ()
    assert prediction.reason == "10 requests began and ended within the recording, 20 are needed"


def test_another_kind_of_loop_gives_no_prediction() -> None:
    model = run(shop(), [3])
    prediction = Replay([recording(model, "rloop")], stalls(model)).without("app.slow")
    assert "rloop" in prediction.reason


def test_a_site_that_held_no_step_gives_no_prediction() -> None:
    model = run(shop(), [3])
    prediction = Replay([recording(model)], stalls(model)).without("app.fast")
    assert prediction.reason.startswith("nothing of the kind held a step")


def test_a_route_that_waits_for_no_place_gives_no_prediction() -> None:
    model = run(shop(), [3])
    assert "/item" in Replay([recording(model)]).with_places("/item", 4).reason

"""The verdict: every kind, and where one ends and the next begins."""

from dataclasses import replace
from typing import Any

import pytest

from loopwatch.core.record_types import NONE
from loopwatch.core.tails import Tail, TailBlame
from loopwatch.tools.diagnose.report_records import BusyRoute
from loopwatch.tools.diagnose.verdict import FEWEST, SATURATED, SHORTEST, verdict
from tests.tools.diagnose.made import (
    culprit,
    findings,
    generator,
    load,
    parts,
    prediction,
    route,
    tail,
    throughput,
)

HELD = route(slowest=tail(0.5, 0.45), lost=20.0)
FORESEEN = culprit(predictions=(prediction(0.512, 0.009),))


@pytest.mark.parametrize(
    ("requests", "seconds", "claims"),
    [
        (FEWEST - 1, 10.0, False),
        (FEWEST, 10.0, True),
        (500, SHORTEST - 0.1, False),
        (500, SHORTEST, True),
    ],
)
def test_too_little_is_no_ground_for_a_claim(requests: int, seconds: float, claims: bool) -> None:
    told = verdict(findings(routes=(route(requests=requests),), seconds=seconds))
    assert (told.kind != "not_enough_data") == claims


def test_not_enough_data_says_what_would_be() -> None:
    told = verdict(findings(routes=(), culprits=(culprit(),)))
    assert told.kind == "not_enough_data"
    assert "0 requests finished in 10.0 s, although 400 requests were sent" in told.text
    assert "20 requests and 2 s would be enough" in told.text


@pytest.mark.parametrize(("failed", "kind"), [(199, "waiting"), (200, "errors")])
def test_where_half_of_the_requests_fail_latency_says_little(failed: int, kind: str) -> None:
    statuses = {"200": 400 - failed, "500": failed}
    told = verdict(findings(load=load(errors=failed, by_status=statuses)))
    assert told.kind == kind
    if kind == "errors":
        assert "200 of 400 requests failed (200: 200, 500: 200)" in told.text


def test_who_waits_for_whom_with_the_line_and_what_fixing_it_would_do() -> None:
    told = verdict(findings(routes=(HELD,), culprits=(FORESEEN,)))
    assert told.kind == "blocked"
    assert told.text == (
        "`GET /good` waits for `/bad`: 98 % of its p99 is the loop held by `time.sleep(0.5)` at "
        "shop.py:23. Fixing that line takes its p99 from 512 ms to 9.0 ms."
    )
    assert (told.route, told.site, told.p99_now, told.p99_then) == (
        "/good",
        "shop.bad",
        0.512,
        0.009,
    )
    assert told.share == pytest.approx(0.98, abs=0.005)


def test_without_a_prediction_none_is_claimed() -> None:
    told = verdict(findings(routes=(HELD,), culprits=(culprit(),)))
    assert "90 % of its slowest 1 % is the loop held" in told.text
    assert "Fixing" not in told.text


def test_stalls_that_fewer_than_1_of_100_requests_met_are_not_said_to_be_the_p99() -> None:
    beyond = culprit(predictions=(prediction(0.010, 0.010),))
    told = verdict(findings(routes=(HELD,), culprits=(beyond,)))
    assert told.text == (
        "`GET /good` waits for `/bad`: 90 % of its slowest 1 % is the loop held by "
        "`time.sleep(0.5)` at shop.py:23."
    )
    assert (told.share, told.p99_now, told.p99_then) == (0.9, None, None)


def test_a_route_that_waits_for_itself() -> None:
    mine = route("/bad", slowest=tail(0.5, 0.45), lost=9.0)
    assert "`GET /bad` waits for itself" in verdict(findings(routes=(mine,))).text


def test_a_culprit_outside_requests_and_requests_without_a_route_are_told_in_words() -> None:
    blame = TailBlame(site="shop.job", route=NONE, seconds=0.45)
    told = verdict(findings(routes=(route(slowest=replace(tail(0.5), blames=(blame,))),)))
    assert "`GET /good` waits for something without a route: 90 %" in told.text
    mine = route(NONE, slowest=tail(0.5, 0.45))
    assert "`GET no route` waits for `/bad`" in verdict(findings(routes=(mine,))).text


def test_other_lines_in_the_same_tail_are_told() -> None:
    other = TailBlame(site="shop.worse", route="/worse", seconds=0.15)
    slowest = replace(tail(0.5, 0.3), blames=(*tail(0.5, 0.3).blames, other))
    told = verdict(findings(routes=(route(slowest=slowest),), culprits=(culprit(),)))
    assert told.text.endswith("Other lines hold it up as well: see below.")


@pytest.mark.parametrize(
    ("latency", "held", "felt"),
    [(0.4, 0.1, True), (0.4, 0.09, False), (0.02, 0.01, True), (0.02, 0.009, False)],
)
def test_a_quarter_of_the_tail_and_10_ms_are_felt(latency: float, held: float, felt: bool) -> None:
    told = verdict(findings(routes=(route(slowest=tail(latency, held)),)))
    assert (told.kind == "blocked") == felt


def test_site_that_nobody_saw() -> None:
    mine = route(slowest=tail(0.5, 0.45, "_NONE"))
    assert "held by an unknown line" in verdict(findings(routes=(mine,))).text


def test_stalls_that_nobody_waited_for() -> None:
    told = verdict(findings(culprits=(culprit(),)))
    assert told.kind == "blocked"
    assert told.text.startswith(
        "`/bad` held the loop 10 times, 0.50 s at most, in `time.sleep(0.5)`"
    )
    assert "hardly waited" in told.text


@pytest.mark.parametrize(("starved", "kind"), [(2.4, "blocked"), (2.5, "starved")])
def test_half_of_the_held_time_without_cpu_is_starved(starved: float, kind: str) -> None:
    found = (culprit(seconds=5.0 - starved), culprit(cause="starved", seconds=starved))
    told = verdict(findings(routes=(HELD,), culprits=found))
    assert told.kind == kind


@pytest.mark.parametrize(
    ("seconds", "slowest", "kind"),
    [
        (0.2, tail(0.03), "starved"),
        (0.19, tail(0.03), "blocked"),
        (0.19, tail(0.5, 0.4), "starved"),
    ],
)
def test_want_of_cpu_must_be_felt(seconds: float, slowest: Tail, kind: str) -> None:
    found = (culprit(cause="starved", seconds=seconds, longest=seconds),)
    told = verdict(findings(routes=(route(slowest=slowest),), culprits=found))
    assert told.kind == kind


def test_a_generator_that_complains_may_be_who_took_the_cpu() -> None:
    made = generator(complaints=("requests were sent up to 480 ms late (p99)",))
    told = verdict(findings(routes=(HELD,), culprits=(culprit(cause="starved"),), generator=made))
    assert told.kind == "generator"


def test_the_generator_accuses_itself_but_hides_no_stalls() -> None:
    made = generator(complaints=("it used 99 % of a core",))
    told = verdict(findings(generator=made))
    assert told.kind == "generator"
    assert "it used 99 % of a core" in told.text
    assert verdict(findings(generator=made, routes=(HELD,))).kind == "blocked"


def test_requests_that_are_refused_are_no_load() -> None:
    """A path mistyped: the app answers quickly, and nothing of it was tried."""
    told = verdict(findings(load=load(errors=0, by_status={"404": 390, "200": 10})))
    assert told.kind == "errors"
    assert "390 of 400 requests were refused (404: 390, 200: 10)" in told.text


@pytest.mark.parametrize(("use", "kind"), [(SATURATED - 0.01, "waiting"), (SATURATED, "loop_cost")])
def test_a_busy_loop_is_limited_by_what_requests_cost(use: float, kind: str) -> None:
    busiest = (BusyRoute(route="/good", method="GET", seconds=8.0, share=0.8),)
    told = verdict(findings(throughput=throughput(utilization=use, busiest=busiest)))
    assert told.kind == kind
    if kind == "loop_cost":
        assert "busy for 85 % of the time, and it can serve about 47 requests/s" in told.text
        assert "`/good` 80 %" in told.text


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"parts": parts(running=0.001, waiting=0.009)}, "waiting", "real I/O: 90 %"),
        ({"parts": parts(running=0.006, waiting=0.004)}, "loop_cost", "60 % of the latency is the"),
        (
            {"parts": parts(running=0.001, waiting=0.009), "threadpool": 0.006},
            "thread_pool",
            "60 % of the latency is waiting for a free worker thread",
        ),
    ],
)
def test_where_nothing_stands_out_the_largest_part_is_told(
    given: dict[str, Any], kind: str, words: str
) -> None:
    told = verdict(findings(routes=(route(**given),)))
    assert told.kind == kind
    assert told.text.startswith("No stalls; ")
    assert words in told.text


def test_attached_without_a_client_of_ours() -> None:
    none = {"load": None, "generator": None}
    assert verdict(findings(routes=(HELD,), culprits=(FORESEEN,), **none)).kind == "blocked"
    assert verdict(findings(**none, throughput=throughput(utilization=None))).kind == "waiting"

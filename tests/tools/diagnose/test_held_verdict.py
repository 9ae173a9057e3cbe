"""The verdict on stalls: who waits for whom, for which line, and what fixing it would do."""

from dataclasses import replace

import pytest

from loopwatch.core.record_types import NONE
from loopwatch.core.tails import TailBlame
from loopwatch.tools.diagnose.verdict import verdict
from tests.tools.diagnose.made import (
    culprit,
    findings,
    prediction,
    route,
    tail,
)
from tests.tools.diagnose.made_holds import FORESEEN, HELD


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

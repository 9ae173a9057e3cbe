"""The verdict: every kind, and where one ends and the next begins."""

from typing import Any

import pytest

from loopwatch.core.record_types import NONE, Site
from loopwatch.core.tails import Tail
from loopwatch.tools.diagnose.concurrency import Concurrency
from loopwatch.tools.diagnose.full_verdict import SATURATED
from loopwatch.tools.diagnose.report_records import BusyRoute
from loopwatch.tools.diagnose.verdict import FEWEST, SHORTEST, verdict
from tests.tools.diagnose.made import (
    culprit,
    findings,
    generator,
    load,
    parts,
    route,
    tail,
    throughput,
)
from tests.tools.diagnose.made_holds import FORESEEN, HELD


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
        assert "busy for 80 % of the time, and it can serve about 50 requests/s" in told.text
        assert "`/good` 80 %" in told.text


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        (
            {"parts": parts(running=0.001, waiting=0.009)},
            "waiting",
            "what requests await: 90 % of the",
        ),
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


TIMED_OUT = {"200": 147, "timeout": 213}
LOST = load(sent=360, errors=213, by_status=TIMED_OUT)


def test_the_line_that_made_requests_fail_is_named_first() -> None:
    held = culprit(seconds=21.0, longest=2.1)
    told = verdict(findings(seconds=23.0, load=LOST, culprits=(held,)))
    assert told.kind == "blocked"
    assert told.text == (
        "`/bad` held the loop for 21.0 s in 23.0 s, in `time.sleep(0.5)` at shop.py:23. Requests "
        "that wait for this long are given up: 213 of 360 requests failed (200: 147, timeout: "
        "213), so latency says little."
    )
    assert told.site == "shop.bad"
    assert told.share == pytest.approx(21 / 23)


def test_errors_that_the_app_answers_with_are_the_verdict_behind_the_line() -> None:
    statuses = {"200": 100, "500": 300}
    broken = load(errors=300, by_status=statuses)
    told = verdict(findings(load=broken, culprits=(culprit(seconds=5.0),)))
    assert told.kind == "errors"
    assert told.text.startswith("`/bad` held the loop for 5.0 s in 10.0 s, in `time.sleep(0.5)`")
    assert told.text.endswith("fix that first.")
    alone = verdict(findings(load=broken, culprits=(culprit(seconds=0.5),)))
    assert alone.text.startswith("300 of 400 requests failed")


def test_requests_that_failed_for_want_of_cpu() -> None:
    hungry = culprit(cause="starved", seconds=21.0)
    told = verdict(findings(seconds=23.0, load=LOST, culprits=(hungry,)))
    assert told.kind == "starved"
    assert told.text.startswith("`/bad` held the loop for 21.0 s in 23.0 s, in `time.sleep(0.5)`")
    assert "The process had no CPU: for 100 % of the time the loop was held" in told.text
    assert "213 of 360 requests failed" in told.text


def test_what_a_starved_step_ran_itself_is_not_want_of_cpu() -> None:
    found = (culprit(cause="starved", seconds=10.0),)
    told = verdict(findings(culprits=found, without_cpu=7.0))
    assert "for 70 % of the time the loop was held (7.0 s of 10.0 s)" in told.text


def test_a_starved_loop_is_told_with_the_line_that_was_to_run() -> None:
    told = verdict(findings(culprits=(culprit(cause="starved", seconds=1.0),)))
    assert told.kind == "starved"
    assert told.text.endswith("was mostly `time.sleep(0.5)` at shop.py:23.")
    unknown = culprit(cause="starved", seconds=1.0, site=Site(NONE, exact=False))
    assert "was to run" not in verdict(findings(culprits=(unknown,))).text


def test_too_little_data_does_not_hide_the_line_that_made_it_so() -> None:
    told = verdict(findings(routes=(), culprits=(culprit(seconds=9.0),)))
    assert told.kind == "not_enough_data"
    assert told.text.startswith("`/bad` held the loop for 9.0 s in 10.0 s, in `time.sleep(0.5)`")
    assert "Not enough data: 0 requests finished" in told.text
    assert told.site == "shop.bad"


def through(alone: float, latency: float, limited: bool = False) -> dict[str, Any]:
    found = Concurrency(alone=alone, latency=latency, served=19.7, limited=limited)
    return {"concurrency": {("/good", "GET"): found}}


@pytest.mark.parametrize("late", [(), ("it used 99 % of a core",)])
def test_requests_that_wait_for_each_other(late: tuple[str, ...]) -> None:
    slow = route(parts=parts(running=0.001, waiting=1.4))
    made = generator(complaints=late)
    told = verdict(findings(routes=(slow,), generator=made, **through(0.1, 1.41, True)))
    assert told.kind == ("generator" if late else "concurrency")
    if not late:
        assert told.text.startswith(
            "Requests of `GET /good` wait in line: one takes 100 ms alone and 1.41 s on average"
        )
        assert "About 2 at a time get through, 19.7 a second" in told.text
        assert "A semaphore" in told.text
        assert "do not tell which" in told.text
        assert told.share == pytest.approx(0.93, abs=0.01)


def test_a_line_is_the_limit_though_a_stall_was_seen() -> None:
    slow = route(parts=parts(running=0.001, waiting=1.4), slowest=tail(2.8, 0.05))
    found = findings(routes=(slow,), culprits=(culprit(),), **through(0.1, 1.41, True))
    assert verdict(found).kind == "concurrency"


def test_where_requests_wait_is_said_only_as_far_as_it_is_known() -> None:
    unknown = verdict(findings())
    assert unknown.kind == "waiting"
    assert "these numbers do not tell which" in unknown.text
    apart = verdict(findings(**through(0.009, 0.01)))
    assert "they do not wait for each other" in apart.text
    assert "do not tell" not in apart.text

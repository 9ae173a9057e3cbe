"""The verdict where nobody holds the loop for long: what requests wait for, what fills the loop."""

from typing import Any

import pytest

from loopwatch.core.record_types import NONE, Site
from loopwatch.tools.diagnose.concurrency import Concurrency
from loopwatch.tools.diagnose.verdict import verdict
from tests.tools.diagnose.made import culprit, findings, generator, parts, route, tail, throughput
from tests.tools.diagnose.made_estimates import loop_line, wait

HOLDER = wait().holders[0]
POOL = wait(
    route="/q",
    of_p99=0.93,
    at_once=18.2,
    holders=(HOLDER, HOLDER),
    place=Site("db.query", "/app/db.py", 5, "async with pool"),
    what_if="With 4 places p99 would be 0.21 s.",
)
IN_LINE = {
    ("/q", "GET"): Concurrency(alone=0.1, latency=1.41, served=19.7, limited=True),
}
QUEUE = route("/q", parts=parts(running=0.001, waiting=1.4))
FULL = throughput(utilization=0.97, served=40.0)
LINE = loop_line(
    route="/report",
    method="GET",
    site=Site("squares.total", "/app/squares.py", 8, "total += n * n"),
    step=0.008,
)


@pytest.mark.parametrize("concurrency", [{}, IN_LINE])
def test_who_waits_for_what_with_holders_and_share(concurrency: dict[Any, Any]) -> None:
    told = verdict(findings(routes=(QUEUE,), waits=(POOL,), concurrency=concurrency))
    assert told.kind == "concurrency"
    assert told.text.startswith(
        "`GET /q` waits for `async with pool` at db.py:5: 2 holders, 18 waiting; 93 % of its p99. "
        "With 4 places p99 would be 0.21 s."
    )
    assert (told.route, told.method, told.share) == ("/q", "GET", 0.93)
    assert ("About 2" in told.text or "about 2 at a time get through" in told.text) == bool(
        concurrency
    )
    assert "do not tell which" not in told.text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"what_if": ""}, "93 % of its p99."),
        ({"holders": ()}, "at db.py:5: 18 waiting; 93 %"),
        ({"holders": (HOLDER,)}, "1 holder, 18 waiting"),
        ({"holders": (HOLDER,) * 8}, "8 holders or more, 18 waiting"),
        ({"at_once": 0.2, "most": 3}, "2 holders, at most 3 waiting"),
        ({"of_p99": None, "of_waiting": 0.88}, "88 % of all that it waits"),
        ({"route": NONE}, "Something without a route waits for"),
        ({"place": Site("db.query", "/app/db.py", 5)}, "a place of a semaphore or a limiter, in"),
        ({"peer": "127.0.0.1:5432", "resource": "socket"}, "at db.py:5 (127.0.0.1:5432): "),
    ],
)
def test_only_what_is_known_is_said(given: dict[str, Any], words: str) -> None:
    told = verdict(findings(waits=(wait(**{**fields(POOL), **given}),)))
    assert words in told.text


def fields(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, True),
        ({"looks": 4}, False),  # chance
        ({"of_p99": 0.2}, False),  # does not matter to it
    ],
)
def test_a_place_is_named_if_it_matters(given: dict[str, Any], named: bool) -> None:
    told = verdict(findings(waits=(wait(**given),)))
    assert ("async with pool" in told.text) == named


def test_a_peer_that_is_slow_is_waited_for_without_each_other() -> None:
    slow = wait(resource="socket", peer="127.0.0.1:9", holders=())
    told = verdict(findings(waits=(slow,), throughput=throughput(utilization=0.03)))
    assert told.kind == "waiting"
    assert told.text.endswith(
        "of its p99. With 4 places p99 would be 0.21 s. No stalls; the loop "
        "itself is busy for 3 % of the time."
    )


def test_stalls_that_requests_felt_come_first() -> None:
    held = route(slowest=tail(0.5, 0.45), lost=20.0)
    told = verdict(findings(routes=(held,), culprits=(culprit(),), waits=(POOL,)))
    assert told.kind == "blocked"
    assert "async with pool" not in told.text


def test_a_full_loop_is_told_by_its_lines() -> None:
    others = (loop_line(share=0.2, site=Site("a.b", "/a.py", 4, "json.loads(x)")),)
    told = verdict(findings(throughput=FULL, loop_lines=(LINE, *others), waits=(POOL,)))
    assert told.kind == "loop_cost"
    assert told.text == (
        "The loop is full: 61 % of it is `total += n * n` at squares.py:8 for `GET /report`, in "
        "steps of 8.0 ms. Next: `json.loads(x)` at a.py:4 20 %. No stalls; it is busy for 97 % of "
        "the time, and it can serve about 41 requests/s of this mix at most."
    )
    assert (told.route, told.site, told.share) == ("/report", "squares.total", 0.97)


@pytest.mark.parametrize(("use", "full"), [(0.79, False), (0.80, True)])
def test_from_which_utilization_on_a_loop_is_full(use: float, full: bool) -> None:
    told = verdict(findings(throughput=throughput(utilization=use), loop_lines=(LINE,)))
    assert ("The loop is full" in told.text) == full


def test_a_line_outside_requests_whose_steps_are_not_known() -> None:
    line = loop_line(route=NONE, method=None, step=None)
    told = verdict(findings(throughput=FULL, loop_lines=(line,)))
    assert "at squares.py:8 outside any request. No stalls" in told.text


def test_the_culprits_line_comes_before_the_line_that_fills_the_loop() -> None:
    held = route(slowest=tail(0.5, 0.45), lost=20.0)
    given = {"culprits": (culprit(),), "throughput": FULL, "loop_lines": (LINE,)}
    for told in (verdict(findings(routes=(held,), **given)), verdict(findings(**given))):
        assert told.kind == "blocked"
        assert told.text.index("time.sleep(0.5)") < told.text.index("The loop is full as well")


def test_stalls_of_many_callbacks_have_no_line_so_the_full_loop_has() -> None:
    many = culprit(cause="many_callbacks", site=Site(NONE, exact=False), count=9)
    held = route(slowest=tail(0.5, 0.45, NONE), lost=20.0)
    given = {"routes": (held,), "culprits": (many,), "throughput": FULL, "loop_lines": (LINE,)}
    told = verdict(findings(**given))
    assert told.kind == "loop_cost"
    assert "No single slow step, but many in a row" in told.text
    late = generator(complaints=("it used 99 % of a core",))
    assert verdict(findings(**given, generator=late)).kind != "loop_cost"


def test_a_loop_that_is_idle_and_requests_that_wait_for_nothing_name_no_line() -> None:
    told = verdict(findings(waits=(wait(seconds=0.1, looks=1),), loop_lines=(LINE,)))
    assert told.kind == "waiting"
    assert "pool" not in told.text.replace("a pool of connections", "")
    assert "squares" not in told.text

"""Where requests waited and which lines ran, worked out of readings made by hand."""

from dataclasses import replace
from typing import Any

import pytest

from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.record_types import Site
from loopwatch.tools.diagnose.checking import checked
from loopwatch.tools.diagnose.diagnosis_error import DiagnosisError
from loopwatch.tools.diagnose.difference import difference
from loopwatch.tools.diagnose.loop_lines import loop_lines, loop_stacks
from loopwatch.tools.diagnose.report import report
from loopwatch.tools.diagnose.routes import routes
from loopwatch.tools.diagnose.wait_places import wait_places
from tests.tools.diagnose.made import histogram, measurement, requests, snapshot
from tests.tools.diagnose.made_estimates import SQUARES, loop_time_reading, wait_reading

OTHER_LINE = Site("shop.other", "/app/shop.py", 77, "json.loads(body)")


def steps_of(*seconds: float) -> Histogram:
    """Return one with each of these steps once."""
    whole = Histogram.empty(SECONDS_EDGES)
    for value in seconds:
        whole += histogram(1, value)
    return whole


def test_only_what_came_between_two_readings_counts() -> None:
    first = snapshot(
        busy=5.0,
        waits=(wait_reading(seconds=4.0, looks=40, waiting=0), wait_reading(resource="lock")),
        loop_time=(loop_time_reading(seconds=2.0, samples=40), loop_time_reading(route="/old")),
        steps=(("shop.good", steps_of(0.008)), ("shop.old", steps_of(0.2))),
    )
    last = replace(
        first,
        busy=15.0,
        waits=(wait_reading(), wait_reading(resource="lock"), wait_reading(route="/new")),
        loop_time=(loop_time_reading(), loop_time_reading(route="/old")),
        steps=(("shop.good", steps_of(0.008, 0.009)), ("shop.old", steps_of(0.2))),
    )
    found = difference(first, last)
    assert [(w.route, w.seconds, w.looks) for w in found.waits] == [
        ("/good", 16.0, 160),
        ("/new", 20.0, 200),
    ]
    assert [(row.route, row.samples) for row in found.loop_time] == [("/good", 82)]
    assert [(name, steps.count) for name, steps in found.steps] == [("shop.good", 1)]


def test_the_most_that_waited_before_the_first_reading_is_not_told() -> None:
    """It is counted since the watch began, and a load before ours may have been a larger one."""
    before = snapshot(waits=(wait_reading(looks=1, most_waiting=50),))
    after = snapshot(waits=(wait_reading(most_waiting=50, waiting=3),))
    [left] = difference(before, after).waits
    assert left.most_waiting == 3


def test_a_place_is_told_with_its_share_and_with_who_held_it_when_most_waited() -> None:
    crowd = snapshot(waits=(wait_reading(waiting=18),))
    after = snapshot(waits=(wait_reading(waiting=0, holders=()),))
    change = snapshot(
        requests=(requests("/good", 100, waiting=25.0),),
        waits=(wait_reading(waiting=0, holders=(), most_waiting=0), wait_reading(seconds=1.0)),
    )
    measured = measurement(snapshot(), crowd, after, change=change)
    first, second = wait_places(measured, routes(measured))
    assert (first.method, first.seconds, first.of_waiting) == ("GET", 20.0, 0.8)
    assert first.at_once == pytest.approx(10.0)  # 20 request-seconds in 2 s
    assert (first.most, len(first.holders)) == (18, 2)
    assert first.of_p99 is None  # single requests are not known
    assert second.seconds == 1.0


def test_requests_that_have_not_ended_wait_as_well() -> None:
    """Their waiting is in no request's sum yet: a share is never more than all."""
    change = snapshot(waits=(wait_reading(),))
    [only] = wait_places(measurement(snapshot(), change, change=change), ())
    assert only.of_waiting == 1.0
    assert only.method is None


def test_a_line_is_told_with_its_share_and_the_steps_it_runs_in() -> None:
    """8 ms are 9 of 10 of the coroutine's seconds, however many steps of microseconds it has."""
    tiny = Histogram.of_first(SECONDS_EDGES, 10_000, 0.05)
    change = snapshot(
        busy=10.0,
        requests=(requests("/good", 100),),
        loop_time=(loop_time_reading(seconds=2.2, site=OTHER_LINE), loop_time_reading()),
        steps=(("shop.good", tiny + histogram(760, 0.008)), ("shop.x", histogram(1, 0.9))),
    )
    measured = measurement(snapshot(), change, change=change)
    first, second = loop_lines(measured)
    assert (first.site, first.share, first.method) == (SQUARES, 0.61, "GET")
    assert first.step == pytest.approx(0.008)
    assert second.share == pytest.approx(0.22)
    stacks = loop_stacks(measured)
    assert stacks[0].frames == ("server.serve:9", "shop.good:3", "shop.squares.total:8")
    assert [stack.seconds for stack in stacks] == [6.1, 2.2]


def test_the_librarys_call_is_the_last_bar_of_a_flame_graph() -> None:
    change = snapshot(busy=1.0, loop_time=(loop_time_reading(call="json.loads"),))
    [stack] = loop_stacks(measurement(snapshot(), change, change=change))
    assert stack.frames[-2:] == ("shop.squares.total:8", "json.loads")


def test_unknown_steps_are_none() -> None:
    change = snapshot(busy=10.0, loop_time=(loop_time_reading(stack=()),))
    [line] = loop_lines(measurement(snapshot(), change, change=change))
    assert line.step is None


def test_nothing_seen_is_nothing_told() -> None:
    made = report(measurement(snapshot(), snapshot()))
    assert (made.waits, made.loop_lines, made.loop_stacks) == ((), (), ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"waits": (wait_reading(seconds=-1.0),)},
        {"waits": (wait_reading(looks=-1),)},
        {"loop_time": (loop_time_reading(seconds=float("nan")),)},
        {"loop_time": (loop_time_reading(samples=-5),)},
    ],
)
def test_numbers_that_no_watch_can_have_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(DiagnosisError, match="numbers cannot be"):
        checked(snapshot(**wrong))

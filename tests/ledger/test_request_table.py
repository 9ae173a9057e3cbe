"""The table of requests: parts of a latency, who waited, which row."""

from typing import Any

import pytest

from loopwatch.core.holds import Hold, Wait
from loopwatch.core.recent import RecentRequest
from loopwatch.core.record_types import NONE
from loopwatch.core.request import Request
from loopwatch.core.speedups import speedups
from loopwatch.ledger.request_row import RequestRow
from loopwatch.ledger.request_table import RequestTable
from loopwatch.ledger.step_table import StepTable
from tests.ledger.made_requests import begun, only, table, told


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

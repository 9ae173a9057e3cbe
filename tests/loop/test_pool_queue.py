"""Who waits in line for a thread, and what of it is the loop's fault: arithmetic."""

import logging

import pytest

from loopwatch.core.request import Request
from loopwatch.loop.pool_queue import Line


class Charges(dict[Request, float]):
    def add(self, request: Request, seconds: float) -> None:
        self[request] = self.get(request, 0.0) + seconds


def test_a_wait_is_from_joining_to_leaving() -> None:
    charges, request = Charges(), Request()
    line = Line(charges.add)
    line.join("a", request, 10.0)
    line.leave("a", 12.5)
    line.leave("a", 13.0)  # it has left already
    assert charges == {request: 2.5}


def test_what_the_loop_did_not_hand_on_is_nobodys_wait() -> None:
    """A thread is free at 11, the loop stalls until 14: neither the first nor the next waits."""
    charges, first, second, late = Charges(), Request(), Request(), Request()
    line = Line(charges.add)
    line.join("a", first, 10.0)
    line.join("b", second, 10.5)
    line.join("c", late, 13.5)
    line.stood_still(11.0, 14.0)
    line.leave("a", 14.0)
    line.stood_still(15.0, 15.0)
    line.leave("b", 15.0)
    line.leave("c", 15.0)
    assert charges == {first: 1.0, second: 1.5, late: 1.0}


def test_threads_free_at_a_time_stand_still_once() -> None:
    charges, first, second = Charges(), Request(), Request()
    line = Line(charges.add)
    line.join("a", first, 10.0)
    line.join("b", second, 10.0)
    line.stood_still(11.0, 14.0)
    line.leave("a", 14.0)
    line.stood_still(12.0, 14.0)
    line.leave("b", 14.0)
    assert charges == {first: 1.0, second: 1.0}


def test_calls_of_one_request_at_a_time_count_once() -> None:
    charges, request = Charges(), Request()
    line = Line(charges.add)
    line.join("a", request, 10.0)
    line.join("b", request, 10.5)
    line.leave("a", 11.0)
    line.leave("b", 12.0)
    line.join("c", request, 20.0)
    line.leave("c", 21.0)
    assert charges == {request: 3.0}


def test_a_thread_that_was_free_before_anybody_joined_is_no_wait() -> None:
    charges, request = Charges(), Request()
    line = Line(charges.add)
    line.join("a", request, 10.0)
    line.stood_still(9.0, 10.1)
    line.leave("a", 10.1)
    assert charges == {}


def test_an_error_in_charging_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Request, seconds: float) -> None:
        raise OSError("planted")

    line = Line(broken)
    line.join("a", Request(), 10.0)
    with caplog.at_level(logging.ERROR, "loopwatch"):
        line.leave("a", 11.0)
        line.leave("a", 11.0)

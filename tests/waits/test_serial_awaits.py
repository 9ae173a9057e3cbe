"""How many awaits in a row one request makes of one place."""

from types import SimpleNamespace
from typing import Any

from loopwatch.core.record_types import Site
from loopwatch.ledger.wait_table import WaitKey
from loopwatch.waits.serial_awaits import APART, REMEMBERED, SerialAwaits

SOCKET = WaitKey("/a", Site("shop.f"), "call", "socket")
TIMER = SOCKET._replace(resource="timer")


class Call:
    """An awaitable."""


def request(steps: int = 0, started: float = 0.0) -> Any:
    return SimpleNamespace(steps=steps, times=(), started=started)


def test_other_awaitables_of_one_place_are_counted_by_the_steps_between() -> None:
    serial, mine, calls = SerialAwaits(), request(), [Call() for _ in range(3)]
    assert serial.see(mine, SOCKET, calls[0], 0.0) == 1
    mine.steps = 7
    assert serial.see(mine, SOCKET, calls[1], 0.1) == 8
    mine.steps = 11
    assert serial.see(mine, SOCKET, calls[2], 0.2) == 12


def test_a_sleep_takes_two_steps() -> None:
    serial, mine, calls = SerialAwaits(), request(), [Call(), Call()]
    serial.see(mine, TIMER, calls[0], 0.0)
    mine.steps = 8
    assert serial.see(mine, TIMER, calls[1], 0.1) == 5


def test_one_awaitable_is_one_however_often_it_suspends() -> None:
    serial, mine, call = SerialAwaits(), request(), Call()
    for n in range(5):
        mine.steps = 10 * n
        assert serial.see(mine, SOCKET, call, n / 10) == 1


def test_another_place_request_or_time_begins_anew() -> None:
    serial, mine, calls = SerialAwaits(), request(), [Call() for _ in range(9)]
    serial.see(mine, SOCKET, calls[0], 0.0)
    mine.steps = 9
    assert serial.see(mine, SOCKET._replace(route="/b"), calls[1], 0.1) == 1
    mine.steps = 18
    assert serial.see(mine, SOCKET, calls[2], 0.2) == 1
    mine.steps = 27
    assert serial.see(mine, SOCKET, calls[3], 0.3 + APART) == 1
    mine.started = 1.0  # another one, at the same address
    assert serial.see(mine, SOCKET, calls[4], 0.4 + APART) == 1
    mine.steps = 3  # its row has taken the steps
    assert serial.see(mine, SOCKET, calls[5], 0.5 + APART) == 1


def test_it_remembers_a_bounded_number_and_keeps_nothing_alive() -> None:
    serial, call = SerialAwaits(), Call()
    many = [request() for _ in range(REMEMBERED + 10)]
    for each in many:
        serial.see(each, SOCKET, call, 0.0)
    assert len(serial._sights) == REMEMBERED
    known = serial._sights[id(many[-1])].awaitable
    assert known() is call
    del call
    assert known() is None
    assert serial.see(request(), SOCKET, 5, 0.0) == 1  # knows no weak references

"""How many awaits in a row one request makes of one place."""

from types import SimpleNamespace
from typing import Any

from loopwatch.core.record_types import Site
from loopwatch.ledger.wait_table import WaitKey
from loopwatch.waits.serial_awaits import APART, REMEMBERED, SerialAwaits

SOCKET = WaitKey("/a", Site("shop.f"), "call", "socket")


class Call:
    """An awaitable."""


def request(steps: int = 0, started: float = 0.0) -> Any:
    return SimpleNamespace(steps=steps, times=(), started=started, stepped=0.0)


def looked_at(serial: SerialAwaits, mine: Any, key: WaitKey, *ages: float) -> list[int]:
    """Return what is told at looks 0.1 s apart, each at an await of so many s of age."""
    calls, told = [Call() for _ in ages], []
    for n, (age, call) in enumerate(zip(ages, calls, strict=True)):
        mine.stepped = n / 10 - age
        told.append(serial.see(mine, key, call, n / 10))
        mine.steps += 40
    return told


def test_as_many_are_counted_as_fit_between_the_looks() -> None:
    """At least those that were seen; of 20 ms each once that is known."""
    told = looked_at(SerialAwaits(), request(), SOCKET, 0.01, 0.005, 0.015, 0.01)
    assert told == [1, 2, 11, 16]


def test_there_are_no_more_than_steps() -> None:
    serial, mine, calls = SerialAwaits(), request(), [Call() for _ in range(4)]
    for n, call in enumerate(calls):
        mine.stepped = n / 10 - 0.001
        told = serial.see(mine, SOCKET, call, n / 10)
        mine.steps += 3
    assert told == 10


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

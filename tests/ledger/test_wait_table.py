"""Waits are added up by route, place and resource; what is told fits the route's waiting."""

from dataclasses import replace

import pytest

from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.record_types import NONE, OTHER, RequestReading, Site
from loopwatch.ledger.told_waits import ToldWaits
from loopwatch.ledger.totals import Totals
from loopwatch.ledger.wait_table import PEERS, PLACES, ROWS, WaitKey, WaitTable, add_waits


def key(function: str = "shop.f", route: str = "/a", line: int = 1, **more: str) -> WaitKey:
    return WaitKey(route, Site(function, "shop.py", line), "call", "lock", **more)


def requests(route: str, *waiting: float) -> list[RequestReading]:
    latency = Histogram.empty(SECONDS_EDGES)
    return [
        RequestReading(route=route, method=str(n), latency=latency, running=0.0, waiting=seconds)
        for n, seconds in enumerate(waiting)
    ]


def test_sums_looks_and_counts() -> None:
    table = WaitTable()
    row = table.row(key())
    row.add(0.1)
    row.add(0.3, unstarted=True, serial=7)
    table.end_look({row: 1.6})
    assert table.row(key()) is row
    (reading,) = table.readings().values()
    assert (reading.seconds, reading.unstarted) == pytest.approx((0.4, 0.3))
    assert (reading.looks, reading.serial) == (2, 7)
    assert (reading.waiting, reading.most_waiting) == (2, 2)
    table.end_look({})
    (reading,) = table.readings().values()
    assert (reading.waiting, reading.most_waiting) == (0, 2)
    assert table.overflow == 0


def test_places_beyond_the_bound_are_counted_together() -> None:
    table = WaitTable()
    for n in range(PLACES + 3):
        table.row(key(f"shop.f{n}")).add(1.0)
    readings = table.readings()
    functions = {r.place.function for r in readings.values()}
    assert len(functions) == PLACES + 1
    assert sum(r.seconds for r in readings.values()) == PLACES + 3
    (rest,) = (r for r in readings.values() if r.place.function == OTHER)
    assert (rest.route, rest.resource, rest.seconds) == ("/a", "lock", 3.0)
    assert table.overflow == 3


def test_peers_and_rows_beyond_the_bound() -> None:
    table = WaitTable()
    for n in range(PEERS + 5):
        table.row(key(peer=f"10.0.0.1:{n}")).add(1.0)
    assert {r.peer: r.seconds for r in table.readings().values()}[""] == 5.0
    for n in range(ROWS):
        table.row(key(line=n + 2)).add(1.0)
    assert len(table.readings()) == ROWS + 1
    assert sum(r.seconds for r in table.readings().values()) == PEERS + 5 + ROWS
    assert table.row(key(NONE)).key.route == OTHER


def test_loops_are_added_up() -> None:
    one, two = WaitTable(), WaitTable()
    one.row(key()).add(1.0)
    two.row(key()).add(2.0)
    two.row(key("shop.g")).add(4.0)
    whole = Totals(waits=one.readings()) + Totals(waits=two.readings())
    assert {k.place.function: r.seconds for k, r in whole.waits.items()} == {
        "shop.f": 3.0,
        "shop.g": 4.0,
    }
    later = replace(two.readings()[key()], waiting=3, serial=2)
    assert add_waits(one.readings()[key()], later).waiting == 3


def told(waits: ToldWaits, table: WaitTable, *waiting: float) -> dict[str, float]:
    readings = waits.of(table.readings(), requests("/a", *waiting))
    return {r.place.function: r.seconds for r in readings}


def test_no_more_is_told_than_the_route_has_waited_and_never_less_than_before() -> None:
    table, waits = WaitTable(), ToldWaits()
    table.row(key("f")).add(3.0)
    table.row(key("g")).add(1.0)
    assert told(waits, table) == {"f": 0.0, "g": 0.0}
    assert told(waits, table, 1.0, 1.0) == pytest.approx({"f": 1.5, "g": 0.5})
    table.row(key("g")).add(2.0)
    assert told(waits, table, 2.0) == pytest.approx({"f": 1.5, "g": 0.5})
    assert told(waits, table, 4.0) == pytest.approx({"f": 2.25, "g": 1.75})
    assert told(waits, table, 100.0) == pytest.approx({"f": 3.0, "g": 3.0})
    assert told(waits, table, 50.0) == pytest.approx({"f": 3.0, "g": 3.0})


def test_another_routes_waiting_is_no_room() -> None:
    table, waits = WaitTable(), ToldWaits()
    table.row(key(route="/b")).add(1.0)
    (reading,) = waits.of(table.readings(), requests("/a", 9.0))
    assert (reading.route, reading.seconds, reading.looks) == ("/b", 0.0, 1)


def test_the_part_for_a_free_thread_is_told_in_proportion() -> None:
    table, waits = WaitTable(), ToldWaits()
    table.row(key()).add(1.0, unstarted=True)
    table.row(key()).add(1.0)
    (reading,) = waits.of(table.readings(), requests("/a", 1.0))
    assert (reading.seconds, reading.unstarted) == pytest.approx((1.0, 0.5))

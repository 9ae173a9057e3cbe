"""What came between two readings: exactly that."""

from dataclasses import replace

import pytest

from loopwatch.tools.diagnose.difference import difference, restarted
from tests.tools.diagnose.made import blame, histogram, requests, site, snapshot, stall


def test_what_came_before_is_left_out() -> None:
    old, new = stall(990.0), stall(1002.0)
    first = snapshot(
        requests=(requests("/good", 10), requests("/old", 5)),
        sites=(site(3),),
        blames=(blame(2.0, count=4),),
        stalls=(old,),
        stall_count=3,
        busy=1.0,
        idle=9.0,
        lag=histogram(100),
        dropped={"labels": 2, "routes": 0},
    )
    last = snapshot(
        at=1010.0,
        requests=(requests("/good", 30), requests("/old", 5), requests("/new", 2)),
        sites=(site(5), site(1, cause="cpu")),
        blames=(blame(3.5, count=6), blame(1.0, "/new", 1)),
        stalls=(old, new),
        stall_count=6,
        busy=3.0,
        idle=17.0,
        lag=histogram(1100),
        dropped={"labels": 5, "routes": 0},
    )
    found = difference(first, last)
    assert [(r.route, r.latency.count) for r in found.requests] == [("/good", 20), ("/new", 2)]
    assert found.requests[0].waiting == pytest.approx(0.019 * 20)
    assert [(s.cause, s.stalls.count) for s in found.sites] == [("blocking_call", 2), ("cpu", 1)]
    assert [(b.victim_route, b.count, b.seconds) for b in found.blames] == [
        ("/good", 2, 1.5),
        ("/new", 1, 1.0),
    ]
    assert found.stalls == (new,)
    assert (found.stall_count, found.busy, found.idle, found.lag.count) == (3, 2.0, 8.0, 1000)
    assert found.dropped == {"labels": 3, "routes": 0}


def test_after_a_restart_nothing_is_taken_off() -> None:
    first = snapshot(busy=50.0, idle=50.0, stall_count=9)
    last = snapshot(at=1010.0, busy=1.0, idle=4.0, requests=(requests("/good", 7),))
    assert restarted(first, last)
    assert difference(first, last) == last
    assert not restarted(first, replace(first, busy=60.0))

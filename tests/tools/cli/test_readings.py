"""What two readings say of the time between them."""

import pytest

from loopwatch.tools.cli.command_error import CommandError
from loopwatch.tools.cli.readings import reading
from tests.tools.cli.snapshots import request, site, snapshot, stall


def test_reading_alone_is_since_the_watch_began() -> None:
    told = reading(
        snapshot(lag=(0.001,) * 300, busy=1.0, idle=2.0, self_seconds=0.06, stall_count=4)
    )
    assert told.alone
    assert told.uptime == told.seconds == pytest.approx(3.0)
    assert told.utilization == pytest.approx(1 / 3)
    assert told.cost == pytest.approx(0.02)
    assert (told.loops, told.stalls, told.dropped) == (("asyncio",), 4, {})


def test_second_reading_is_the_difference() -> None:
    before = snapshot(
        at=100.0,
        lag=(0.001,) * 300,
        busy=1.0,
        idle=9.0,
        self_seconds=1.0,
        requests=[request("/a", 0.1, running=0.1, waiting=1.0)],
    )
    now = snapshot(
        at=102.0,
        lag=(0.001,) * 300 + (0.5,) * 100,
        busy=2.5,
        idle=9.5,
        self_seconds=1.1,
        requests=[
            request("/a", 0.1, *(0.5,) * 4, running=0.5, waiting=3.0, background=0.4),
            request("/b", 1.0),
        ],
        dropped={"stalls": 3, "labels": 0},
    )
    told = reading(now, before)
    assert not told.alone
    assert told.seconds == pytest.approx(2.0)
    assert told.utilization == pytest.approx(0.75)
    assert told.cost == pytest.approx(0.05)
    assert told.lag.quantile(0.0) >= 0.25
    assert told.dropped == {"stalls": 3}
    a, b = told.routes
    assert (a.rate, a.whole, b.rate) == (2.0, 5, 0.5)
    assert 0.25 <= (a.p50 or 0) <= (a.p99 or 0) <= 0.5
    assert a.parts == pytest.approx((0.0, 0.1, 0.0, 0.5))
    assert a.loop_cost == pytest.approx(0.2)


def test_route_without_a_request_meanwhile_has_no_latency() -> None:
    rows = [request("/a", 0.1, running=0.1)]
    [row] = reading(snapshot(at=101, requests=rows), snapshot(at=100, requests=rows)).routes
    assert (row.rate, row.whole, row.p50, row.p99, row.loop_cost) == (0.0, 1, None, None, None)


@pytest.mark.parametrize(
    "now",
    [
        snapshot(at=101.0, stall_count=8),
        snapshot(at=101.0, stall_count=9, requests=[]),
        snapshot(at=99.0, stall_count=9, requests=[request("/a", 0.1)]),
        snapshot(at=101.0, stall_count=9, requests=[request("/a", 0.1)], self_seconds=-1.0),
    ],
)
def test_counter_that_shrank_begins_afresh(now: dict[str, object]) -> None:
    before = snapshot(at=100.0, stall_count=9, requests=[request("/a", 0.1)])
    assert reading(now, before).alone


def test_culprit_adds_up_its_causes_and_has_its_latest_line() -> None:
    rows = [
        site("shop.bad", 0.1, 0.1, victims=3, lost_request_seconds=0.5),
        site("shop.bad", 0.5, cause="gc", victims=1, lost_request_seconds=0.25),
        site("shop.bad", 0.1, route="_NONE"),
    ]
    stalls = [stall(line=7), stall(line=21), stall("shop.else")]
    first, second = reading(snapshot(sites=rows, stalls=stalls)).culprits
    assert (first.site, first.route, first.cause, first.stalls) == ("shop.bad", "/bad", "gc", 3)
    assert first.held == pytest.approx(0.7)
    assert (first.victims, first.lost) == (4, 0.75)
    assert (first.place, first.call) == ("/app/shop.py:21", "time.sleep(1)")
    assert (second.route, second.place, second.call) == ("_NONE", "", "")


def test_culprit_is_active_if_its_figures_grew() -> None:
    before = snapshot(at=1, sites=[site("shop.a", 0.1), site("shop.b", 0.1)])
    late = site("shop.b", 0.1, victims=1, lost_request_seconds=0.1)
    now = snapshot(at=2, sites=[site("shop.a", 0.1), late, site("shop.c", 0.1)])
    assert [c.active for c in reading(now, before).culprits] == [False, True, True]
    assert [c.active for c in reading(now).culprits] == [False] * 3


@pytest.mark.parametrize("wrong", [{"requests": None}, {"sites": [{}]}, {"lag": {"counts": []}}])
def test_other_shape_is_another_version(wrong: dict[str, object]) -> None:
    with pytest.raises(CommandError, match=r"got one of version '1\.2\.3' .* use the same version"):
        reading(snapshot() | wrong)


def test_watch_without_a_loop() -> None:
    told = reading(snapshot(loops=[]))
    assert (told.loops, told.uptime, told.utilization, told.cost) == ((), 0.0, None, 0.0)

"""What each interval was like, and where the stalls stand."""

import pytest

from loopwatch import Frame
from loopwatch.tools.diagnose.samples import Sample
from loopwatch.tools.diagnose.timeline import marks, stacks, timeline
from tests.tools.diagnose.made import histogram, measurement, plan, requests, sent, snapshot, stall


def test_moments_are_of_the_clients_where_there_are_any() -> None:
    samples = [Sample(0, n / 10, 0.0, 0.05, "500" if n == 3 else "200") for n in range(20)]
    shots = (
        snapshot(busy=0.0, idle=0.0),
        snapshot(busy=0.25, idle=0.75, lag=histogram(100, 0.2), stall_count=2),
        snapshot(busy=0.5, idle=1.5, lag=histogram(200, 0.2), stall_count=2),
    )
    first, second = timeline(measurement(*shots, sent=sent(samples, plan(duration=2.0))))
    assert (first.at, first.finished, first.errors, first.stalls) == (1.0, 10, 1, 2)
    assert (first.utilization, first.rate) == (0.25, 10.0)
    assert first.p50 == pytest.approx(0.05)
    assert first.lag_p99 == pytest.approx(0.25, abs=0.01)  # the bucket's edge
    assert (second.finished, second.errors, second.stalls) == (10, 0, 0)


def test_moments_are_the_servers_where_there_is_no_client() -> None:
    shots = (snapshot(), snapshot(requests=(requests("/good", 8),)))
    [told] = timeline(measurement(*shots))
    assert (told.finished, told.errors, told.rate) == (8, None, None)
    assert told.p50 == pytest.approx(0.0175)  # middle of the bucket from 10 to 25 ms
    assert told.lag_p99 is None


def test_no_moment_over_a_restart() -> None:
    shots = (snapshot(busy=5.0), snapshot(busy=1.0), snapshot(busy=2.0))
    assert len(timeline(measurement(*shots))) == 1


def test_stalls_stand_where_they_began_on_our_clock() -> None:
    """The server's clock may be another: 1000 there is 100 here, as the first reading tells."""
    [told] = marks(measurement(snapshot(at=1000.0), stalls=(stall(1002.5),)))
    assert (told.at, told.duration, told.site, told.line) == (2.5, 0.5, "shop.bad", 23)


def test_equal_stacks_are_added_up() -> None:
    stack = (Frame("server.run", "/srv.py", 1), Frame("shop.bad", "/app/shop.py", 23))
    found = stacks(
        measurement(stalls=(stall(1.0, stack=stack), stall(2.0, 0.25, stack=stack), stall(3.0)))
    )
    assert [(s.frames, s.seconds) for s in found] == [
        (("server.run:1", "shop.bad:23"), 0.75),
        (("shop.bad",), 0.5),
    ]

"""What can be served at most, and where a ramp bends."""

import pytest

from loopwatch.core.record_types import RequestReading
from loopwatch.tools.diagnose.samples import Sample
from loopwatch.tools.diagnose.throughput import BASE, WINDOWS, knee, throughput
from tests.tools.diagnose.made import (
    measurement,
    plan,
    requests,
    sent,
    site,
    snapshot,
    stall,
)

RAMP = plan(rate=10.0, rate_end=110.0, duration=20.0)  # 5 requests/s more in each window


def samples(latency: dict[int, float], count: int = 10) -> list[Sample]:
    """Return `count` samples in each window, 10 ms unless told otherwise."""
    return [
        Sample(0, window + n / count, 0.0, latency.get(window, 0.01), "200")
        for window in range(WINDOWS)
        for n in range(count)
    ]


def test_ceiling_is_of_the_mix_that_was_served() -> None:
    rows = (
        requests("/cheap", 300, running=0.3),
        requests("/dear", 100, running=0.9, background=0.2),
    )
    change = snapshot(requests=rows, busy=2.8, idle=7.2)
    told = throughput(measurement(snapshot(), *[change] * 4))
    assert told.served == pytest.approx(100.0)  # 400 in 4 s
    assert told.loop_cost == pytest.approx(1.4 / 400)
    assert told.ceiling == pytest.approx(400 / 1.4)
    assert told.utilization == pytest.approx(0.28)
    assert [b.route for b in told.busiest] == ["/dear", "/cheap"]
    assert [b.share for b in told.busiest] == pytest.approx([1.1 / 2.8, 0.3 / 2.8])


@pytest.mark.parametrize("served", [(), (requests("/bad", 2, running=0.4),)])
def test_requests_that_are_still_under_way_are_told_by_their_stalls(
    served: tuple[RequestReading, ...],
) -> None:
    """An app that is overloaded: most of what the loop did was for requests that never ended."""
    rows = (requests("/good", 30, running=0.3), *served)
    change = snapshot(requests=rows, busy=10.0, sites=(site(18, 0.5),))
    told = throughput(measurement(snapshot(), change, stalls=(stall(1000.0),)))
    assert [(b.route, b.method) for b in told.busiest] == [("/bad", "GET"), ("/good", "GET")]
    assert [b.share for b in told.busiest] == pytest.approx([0.9, 0.03])


def test_stalls_of_requests_that_are_over_do_not_count_twice() -> None:
    change = snapshot(requests=(requests("/bad", 10, running=5.1),), sites=(site(10, 0.5),))
    told = throughput(measurement(snapshot(), change, stalls=(stall(1000.0),)))
    assert [b.seconds for b in told.busiest] == pytest.approx([5.1])


def test_what_comes_after_the_load_is_not_its_throughput() -> None:
    under = snapshot(requests=(requests("/good", 40),), busy=1.8, idle=0.2)
    after = snapshot(requests=(requests("/good", 40),), busy=1.9, idle=8.1)
    shots = (snapshot(), snapshot(busy=0.9, idle=0.1), under, after)
    told = throughput(measurement(*shots, until=102.5, change=after))
    assert told.utilization == pytest.approx(0.9)
    assert told.served == pytest.approx(40 / 2.5)


def test_nothing_served_has_no_ceiling() -> None:
    told = throughput(measurement())
    assert (told.loop_cost, told.ceiling, told.utilization, told.busiest) == (None, None, None, ())


def test_knee_is_where_latency_leaves_the_ground_for_good() -> None:
    high = dict.fromkeys(range(12, WINDOWS), 0.2)
    found = knee(sent(samples({5: 0.5, **high}), RAMP))  # one bad window before does not count
    assert found is not None
    assert found.rate == pytest.approx(10 + 5 * 12)
    assert found.base == pytest.approx(0.01)
    assert found.limit == pytest.approx(0.035)


def test_knee_that_is_not_reached_is_none() -> None:
    for latency in ({}, dict.fromkeys(range(BASE, WINDOWS - 1), 0.2)):
        found = knee(sent(samples(latency), RAMP))
        assert found is not None
        assert found.rate is None


def test_no_knee_where_nobody_can_say() -> None:
    assert knee(sent(samples({}), plan(rate=10.0, duration=20.0))) is None  # no ramp
    assert knee(sent(samples({}, count=4), RAMP)) is None  # too few of each window
    assert knee(sent([], RAMP)) is None

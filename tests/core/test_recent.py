"""The latest requests, put together from several loops, and what if a site had not stalled."""

import random
import statistics
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from loopwatch.core.foreseeing import estimate
from loopwatch.core.quantiles import Quantiles
from loopwatch.core.recent import PARTS, RECENT, Blame, Recent, RecentRequest

SITE = "shop.load"


def blame(seconds: float, after: float = 0.0, site: str = SITE) -> Blame:
    return Blame(site=site, route="/bad", seconds=seconds, least=seconds, most=seconds, after=after)


def recent(
    requests: Sequence[tuple[float, float]], to_unix: float = 0.0, blamed: Any = ()
) -> Recent:
    """Return requests by arrival and latency, s; the rest of each is a sixteenth."""
    parts = ((at, took, *(took / 16,) * 3) for at, took in requests)
    numbers = array("d", [part for request in parts for part in request])
    return Recent(numbers.tobytes(), to_unix, blamed)


def unpacked(kept: Recent) -> list[RecentRequest]:
    return [*kept.unpacked("/good", "GET")]


def test_unpacked_requests_have_all_their_parts() -> None:
    (one,) = unpacked(recent([(5.0, 1.6)], 1000.0, ((0, (blame(0.5),)),)))
    assert (one.route, one.method, one.started_at, one.latency) == ("/good", "GET", 1005.0, 1.6)
    assert (one.queued, one.running, one.stalled) == (0.1, 0.1, 0.1)
    assert one.queued + one.running + one.stalled + one.waiting == pytest.approx(one.latency)
    assert one.blames == (blame(0.5),)


def test_what_waited_for_the_site_is_taken_back_with_its_place_in_line() -> None:
    (one,) = unpacked(
        recent([(0.0, 1.6)], 0.0, ((0, (blame(0.5, 0.25), blame(0.125, 0.0, "shop.save"))),))
    )
    assert one.without(SITE) == pytest.approx((0.85,) * 3)
    assert one.without("shop.save") == pytest.approx((1.475,) * 3)
    assert one.without("nobody") == (one.latency,) * 3


def test_where_the_moment_is_not_known_the_prediction_has_bounds() -> None:
    unsure = replace(blame(0.5, 0.25), least=0.0, most=1.0)
    (one,) = unpacked(recent([(0.0, 1.6)], 0.0, ((0, (unsure, blame(0.125))),)))
    assert one.without(SITE) == pytest.approx((0.225, 0.725, 1.225))


def test_what_has_bounds_counts_as_the_certain_ones_within_them() -> None:
    """Twenty requests of 1 s; ten more that waited, somewhere between nothing and all of 10 s."""
    unsure = replace(blame(4.0), least=0.0, most=10.0)
    requests = [(float(n), 1.0 + n / 1000 if n < 20 else 11.0) for n in range(30)]
    blamed = tuple((n, (unsure,)) for n in range(20, 30))
    found = estimate(recent(requests, 0.0, blamed), "/good", "GET", SITE)
    assert found is not None
    assert found.now.p90 == 11.0
    assert found.then.p50 == pytest.approx(1.0095, abs=0.001)
    assert found.then.p99 < 1.02
    alone = recent(requests[20:], 0.0, tuple((n, (unsure,)) for n in range(10)))
    expected = estimate(alone, "/good", "GET", SITE)
    assert expected is not None
    assert expected.then.p50 == 7.0


def test_no_request_ends_before_its_own_steps() -> None:
    (one,) = unpacked(recent([(0.0, 1.6)], 0.0, ((0, (blame(5.0),)),)))
    assert one.running == 0.1
    assert one.without(SITE) == (0.1,) * 3


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101, RECENT])
def test_quantiles_are_those_of_the_sorted_latencies(count: int) -> None:
    dice = random.Random(count)
    latencies = [dice.expovariate(1) for _ in range(count)]
    found = Quantiles.of(iter(latencies))
    whole = latencies * 2 if count == 1 else latencies
    expected = statistics.quantiles(whole, n=100, method="inclusive")
    straight = [expected[q - 1] for q in (50, 90, 99)]
    assert (found.p50, found.p90, found.p99) == pytest.approx(straight)


def test_quantiles_without_a_site_are_those_of_each_request_without_it() -> None:
    dice = random.Random(7)
    requests = [(float(n), 1 + dice.random()) for n in range(200)]
    waited = {n: dice.random() for n in range(0, 200, 3)}
    blamed = tuple((n, (blame(s / 2, s / 4), blame(s / 4))) for n, s in waited.items())
    found = estimate(recent(requests, 0.0, blamed), "/good", "GET", SITE)
    assert found is not None
    latencies = [latency for _, latency in requests]
    assert found.now == Quantiles.of(latencies)
    then = [latency - waited.get(n, 0.0) for n, latency in enumerate(latencies)]
    for mine, straight in zip(
        (found.then.p50, found.then.p90, found.then.p99),
        (sorted(then)[99:101], sorted(then)[179:181], sorted(then)[197:199]),
        strict=True,
    ):
        assert straight[0] - 1e-9 <= mine <= straight[1] + 1e-9
    assert (found.route, found.method, found.requests) == ("/good", "GET", 200)


def test_without_requests_there_is_nothing_to_predict() -> None:
    assert estimate(Recent(), "/good", "GET", SITE) is None
    assert unpacked(Recent()) == []


def test_sums_keep_the_moments_and_who_waited_for_whom() -> None:
    """Of two loops whose readings were not taken at once, a closed one and one that runs."""
    one = recent([(1.0, 0.5), (2.0, 0.25)], 1000.0, ((1, (blame(0.125),)),))
    other = recent([(3.0, 1.0)], 1000.5, ((0, (blame(0.25),)),))
    both = unpacked(one + other)
    assert [r.started_at for r in both] == pytest.approx([1001.0, 1002.0, 1003.5])
    assert [r.latency for r in both] == [0.5, 0.25, 1.0]
    assert [r.blames for r in both] == [(), (blame(0.125),), (blame(0.25),)]


def test_nothing_and_something_is_something() -> None:
    some = recent([(1.0, 0.5)], 1000.0, ((0, (blame(0.125),)),))
    assert unpacked(Recent() + some) == unpacked(some)
    assert [r.started_at for r in unpacked(some + Recent())] == [1001.0]
    assert unpacked(some + Recent())[0].blames == (blame(0.125),)


@pytest.mark.parametrize(
    ("mine", "theirs"), [(700, 700), (RECENT, 1), (1, RECENT), (RECENT, RECENT), (RECENT, 0)]
)
def test_sums_are_the_latest_and_no_more(mine: int, theirs: int) -> None:
    def some(name: float, count: int) -> Recent:
        blamed = tuple((n, (blame(name + n),)) for n in range(0, count, 7))
        return recent([(float(n), name + n) for n in range(count)], name, blamed)

    one, other = some(10_000.0, mine), some(20_000.0, theirs)
    found = unpacked(one + other)
    expected = (unpacked(one) + unpacked(other))[-RECENT:]
    assert [r.latency for r in found] == [r.latency for r in expected]
    assert [r.blames for r in found] == [r.blames for r in expected]
    assert [r.started_at for r in found] == pytest.approx([r.started_at for r in expected])
    assert len(one + other) == min(RECENT, mine + theirs)
    assert len((one + other).blames) <= sum(1 for r in expected if r.blames)
    assert len((one + other).numbers) == 8 * PARTS * len(found)

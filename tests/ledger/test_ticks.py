"""Lag from ticks: exact arithmetic, no loop and no clock."""

import random
from itertools import accumulate

import pytest

from loopwatch.core.histogram import SECONDS_EDGES
from loopwatch.ledger.ticks import OBSERVATIONS, Ticks, lag, never_less


def filed(*ticks: float) -> Ticks:
    table = Ticks()
    for tick in ticks:
        table.add(tick)
    return table


def test_one_block_of_a_second_in_six() -> None:
    """A moment in six falls into the block and waits uniformly up to 1 s: p99 is 0.94 s."""
    histogram = lag(6.0, filed(1.0))
    assert histogram.count == 6 * OBSERVATIONS
    assert histogram.quantile(0.99) == pytest.approx(0.94, abs=0.01)
    assert histogram.quantile(0.5) <= SECONDS_EDGES[0]
    assert histogram.sum == pytest.approx(OBSERVATIONS * 0.5)


def test_an_idle_loop_has_no_lag() -> None:
    histogram = lag(10.0, Ticks())
    assert histogram.counts[0] == histogram.count == 1000
    assert histogram.sum == 0.0


def test_no_time_no_observations() -> None:
    assert lag(0.0, Ticks()).count == 0


def test_several_tables_are_one() -> None:
    one, two = filed(*[0.02] * 50), filed(*[0.3] * 50)
    both = filed(*[0.02, 0.3] * 50)
    apart, together = lag(60.0, one, two), lag(60.0, both)
    assert apart.counts == together.counts
    assert apart.sums == pytest.approx(together.sums)


def test_many_ticks_at_once_are_as_many_one_by_one() -> None:
    at_once = Ticks()
    at_once.add(0.03, 7)
    assert lag(5.0, at_once).counts == lag(5.0, filed(*[0.03] * 7)).counts


def test_it_is_what_random_arrivals_would_meet() -> None:
    """Compared with a simulation: ticks at random, arrivals at random, waiting for the end."""
    dice = random.Random(7)
    ticks = [dice.choice((0.004, 0.04, 0.2, 0.7)) for _ in range(300)]
    wall = sum(ticks) * 2  # idle half of the time
    histogram = lag(wall, filed(*ticks))
    ends: list[tuple[float, float]] = []
    now = 0.0
    for tick in ticks:
        ends.append((now, now + tick))
        now += tick * 2
    waits = []
    for start, end in ends:
        arrivals = int((end - start) * 1000)
        waits += [end - dice.uniform(start, end) for _ in range(arrivals)]
    waits += [0.0] * len(waits)
    for bucket, edge in enumerate(SECONDS_EDGES):
        share = sum(histogram.counts[: bucket + 1]) / histogram.count
        met = sum(wait <= edge for wait in waits) / len(waits)
        assert share == pytest.approx(met, abs=0.01)
    assert histogram.sum / histogram.count == pytest.approx(sum(waits) / len(waits), rel=0.03)


def test_cumulative_counts_never_fall() -> None:
    """Reading by reading, bucket by bucket, as Prometheus needs it."""
    dice, table, wall = random.Random(3), Ticks(), 0.0
    before = [0] * (len(SECONDS_EDGES) + 1)
    for _ in range(500):
        tick = dice.expovariate(20)
        table.add(tick)
        wall += tick + dice.random() * 0.02
        counts = lag(wall, table).counts
        upto = [sum(counts[: i + 1]) for i in range(len(counts))]
        assert all(now >= then for now, then in zip(upto, before, strict=True))
        before = upto


def test_a_tick_in_progress_only_ever_adds() -> None:
    """Filed as what it has lasted so far, and at its end as a whole: no bucket's count falls."""
    before = lag(5.0, filed(0.3))
    for so_far in (0.01, 0.09, 0.4, 1.2, 7.0):
        now = lag(5.0 + so_far, filed(0.3), filed(so_far))
        assert never_less(before, now) == now
        before = now
    assert never_less(before, lag(12.5, filed(0.3, 7.0))) == lag(12.5, filed(0.3, 7.0))


def test_what_was_told_is_never_taken_back() -> None:
    """Told as idle, found to be one tick of 2 s: buckets stay until the truth is beyond them."""
    told, later = lag(5.0, Ticks()), lag(5.5, filed(2.0))
    kept = never_less(told, later)
    assert list(accumulate(kept.counts)) == list(
        map(max, accumulate(told.counts), accumulate(later.counts))
    )
    assert kept.count == later.count == 5.5 * OBSERVATIONS
    assert kept.sum == later.sum
    much_later = lag(60.0, filed(2.0))
    assert never_less(kept, much_later) == much_later

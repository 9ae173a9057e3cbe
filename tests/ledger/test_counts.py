"""Histograms being counted, and tables with a bound."""

import pytest

from loopwatch.core.histogram import SECONDS_EDGES, Histogram
from loopwatch.core.record_types import Site, Stall
from loopwatch.ledger.counts import Counts, Table
from loopwatch.ledger.label_table import LabelTable
from loopwatch.ledger.stall_table import KEPT, SITES, StallTable


def test_edges_are_upper_bounds_that_belong_to_their_bucket() -> None:
    """As Prometheus has it: `le` is less or equal."""
    counts = Counts((0.1, 1.0))
    for value in (0.0, 0.1, 0.1000001, 1.0, 1.1):
        counts.add(value)
    assert counts.reading() == Histogram((0.1, 1.0), (2, 2, 1), (0.1, 1.1000001, 1.1))
    assert counts.reading().count == 5
    assert counts.reading().sum == pytest.approx(2.3000001)


def test_a_reading_does_not_move() -> None:
    counts = Counts()
    reading = counts.reading()
    counts.add(1.0)
    assert reading.count == 0
    assert 0.1 in SECONDS_EDGES


def test_quantiles_are_promql_s() -> None:
    histogram = Histogram((1.0, 2.0, 4.0), (2, 6, 2, 0), (1.0, 9.0, 6.0, 0.0))
    assert histogram.quantile(0.0) == 0.0
    assert histogram.quantile(0.1) == pytest.approx(0.5)
    assert histogram.quantile(0.5) == pytest.approx(1.5)
    assert histogram.quantile(0.9) == pytest.approx(3.0)
    assert histogram.quantile(1.0) == pytest.approx(4.0)


def test_quantiles_beyond_the_last_edge_are_that_edge() -> None:
    histogram = Histogram((1.0, 2.0), (0, 0, 5), (0.0, 0.0, 50.0))
    assert histogram.quantile(0.5) == 2.0
    assert Histogram((1.0,), (0, 0), (0.0, 0.0)).quantile(0.9) == 0.0


@pytest.mark.parametrize("q", [-0.1, 1.1])
def test_a_quantile_is_between_0_and_1(q: float) -> None:
    with pytest.raises(ValueError, match=f"between 0 and 1, got {q}"):
        Histogram((1.0,), (1, 0), (1.0, 0.0)).quantile(q)


def test_histograms_add_up() -> None:
    one = Histogram((1.0,), (1, 2), (0.5, 4.0))
    assert one + one == Histogram((1.0,), (2, 4), (1.0, 8.0))


def test_a_table_is_bounded_and_says_what_it_lost() -> None:
    table: Table[int, list[int]] = Table(3, list)
    for key in (1, 2, 3, 4, 5, 1, 4):
        table.get(key, list).append(key)
    assert len(table) == 3
    assert list(table) == [[1, 1], [2], [3], [4, 5, 4]]
    assert table.overflow == 3


def test_labels_beyond_the_bound_are_other() -> None:
    table = LabelTable()
    for number in range(256 + 10):
        table.add(f"label {number}", 0.5)
    readings = table.readings()
    assert len(readings) == 257
    assert readings["_OTHER"].count == 10
    assert sum(histogram.count for histogram in readings.values()) == 266


def a_stall(number: int, route: str | None = "/r") -> Stall:
    site = Site(f"shop.site_{number}", "/shop.py", number)
    return Stall(started_at=float(number), duration=0.2, cause="cpu", route=route, site=site)


def test_64_sites_are_told_apart_then_they_are_other() -> None:
    table = StallTable()
    for number in range(100):
        table.add(a_stall(number))
    readings = table.sites.readings()
    assert SITES == 64
    assert len({reading.site for reading in readings}) == 65
    assert sum(r.stalls.count for r in readings if r.site == "_OTHER") == 36
    assert sum(r.stalls.count for r in readings) == table.count == 100
    assert table.overflow == 36


def test_the_ring_keeps_256_and_counts_all() -> None:
    table = StallTable()
    for number in range(1000):
        table.add(a_stall(number % 8, None))
    assert KEPT == 256
    assert len(table.recent()) == 256
    assert table.count == 1000
    assert {reading.route for reading in table.sites.readings()} == {"_NONE"}


def test_allowed_stalls_are_counted_apart() -> None:
    table = StallTable()
    for number in range(100):
        table.allow(a_stall(number))
    table.add(a_stall(1))
    assert (table.count, len(table.recent()), len(table.sites.readings())) == (1, 1, 1)
    assert sum(r.stalls.count for r in table.allowed.readings()) == 100
    assert len({r.site for r in table.allowed.readings()}) == 65
    assert table.overflow == 36
    assert "site_2" not in table.profile.folded()

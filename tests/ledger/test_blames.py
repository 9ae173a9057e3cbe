"""Who waited for whom: a bounded matrix that loses no second."""

import pytest

from loopwatch.core.record_types import OTHER, BlameReading
from loopwatch.ledger import blames
from loopwatch.ledger.blames import BlameTable


def test_waits_add_up_by_culprit_and_victim_most_seconds_first() -> None:
    table = BlameTable()
    for seconds in (0.25, 0.5):
        table.add("shop.load", "/bad", "/good", 1, seconds)
    table.add("shop.load", "/bad", "/other", 3, 9.0)
    table.add("shop.save", "/bad", "/good", 1, 0.125)
    assert table.readings() == (
        reading("shop.load", "/other", 3, 9.0),
        reading("shop.load", "/good", 2, 0.75),
        reading("shop.save", "/good", 1, 0.125),
    )


def reading(site: str, victim: str, count: int, seconds: float) -> BlameReading:
    return BlameReading(
        site=site, culprit_route="/bad", victim_route=victim, count=count, seconds=seconds
    )


def test_beyond_the_bound_the_rest_is_one_row_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blames, "ROWS", 4)
    table = BlameTable()
    for number in range(10):
        table.add("shop.load", "/bad", f"/good/{number}", 2, 0.5)
    readings = table.readings()
    assert len(readings) == 5
    assert table.overflow == 6
    (rest,) = (r for r in readings if r.victim_route == OTHER)
    assert (rest.site, rest.culprit_route, rest.count, rest.seconds) == (OTHER, OTHER, 12, 3.0)
    assert sum(r.seconds for r in readings) == 5.0

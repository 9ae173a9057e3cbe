"""When each request is due, and which it is."""

from collections import Counter

import pytest

from loopwatch.tools.diagnose.plan import Plan, Shot
from tests.tools.diagnose.made import plan


def test_requests_are_due_at_even_distances() -> None:
    assert [*plan(rate=4.0, duration=1.0).due()] == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(("first", "last"), [(10.0, 50.0), (50.0, 10.0)])
def test_a_ramp_has_the_mean_rate_and_is_denser_where_the_rate_is_higher(
    first: float, last: float
) -> None:
    due = [*plan(rate=first, rate_end=last, duration=10.0).due()]
    assert len(due) == 300
    assert due == sorted(due)
    assert due[0] == 0.0
    assert due[-1] < 10.0
    early = sum(at < 5.0 for at in due)
    assert early == pytest.approx(100 if first < last else 200, abs=1)


def test_rate_at_a_moment() -> None:
    ramp = plan(rate=10.0, rate_end=50.0, duration=10.0)
    assert [ramp.rate_at(at) for at in (0.0, 5.0, 10.0, 99.0)] == [10.0, 30.0, 50.0, 50.0]


def test_kinds_are_drawn_by_weight_and_the_same_every_time() -> None:
    shots = tuple(
        Shot(method="GET", path=path, headers={}, weight=weight)
        for path, weight in (("/a", 3.0), ("/b", 1.0))
    )
    made = Plan(shots=shots, rate=100.0, rate_end=100.0, duration=20.0)
    kinds = made.kinds()
    assert kinds == made.kinds()
    assert len(kinds) == made.count == 2000
    assert Counter(kinds)[0] / 2000 == pytest.approx(0.75, abs=0.04)

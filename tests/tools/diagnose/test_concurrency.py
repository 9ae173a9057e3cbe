"""Whether requests wait for each other: lines with one server and more, and waits that are none."""

import random

import pytest

from loopwatch.tools.diagnose.concurrency import FEWEST, concurrency
from loopwatch.tools.diagnose.samples import Sample


def served_by(servers: int, rate: float, takes: float = 0.1, seconds: float = 10.0) -> list[Sample]:
    """Return requests of which so many are let through at a time."""
    free = [0.0] * servers
    made = []
    for n in range(int(rate * seconds)):
        due = n / rate
        begins = max(due, min(free))
        free[free.index(min(free))] = begins + takes
        made.append(Sample(0, due, 0.0, begins + takes - due, "200"))
    return made


@pytest.mark.parametrize(
    ("servers", "rate"), [(1, 12), (2, 25), (2, 30), (2, 200), (5, 60), (20, 250)]
)
def test_a_line_is_told_with_how_many_get_through(servers: int, rate: float) -> None:
    found = concurrency(served_by(servers, rate))
    assert found is not None
    assert found.limited
    assert not found.apart
    assert found.alone < 0.4 * found.latency
    assert found.served == pytest.approx(servers / 0.1, rel=0.05)


@pytest.mark.parametrize(("servers", "rate"), [(2, 25), (2, 30), (5, 60)])
def test_how_many_get_through_at_a_time(servers: int, rate: float) -> None:
    found = concurrency(served_by(servers, rate))
    assert found is not None
    assert round(found.at_once) in range(servers, 2 * servers)


@pytest.mark.parametrize(("servers", "rate"), [(1, 9), (2, 15), (2, 19), (50, 200)])
def test_requests_that_do_not_wait_for_each_other(servers: int, rate: float) -> None:
    found = concurrency(served_by(servers, rate))
    assert found is not None
    assert not found.limited
    assert found.apart


def test_waits_of_two_lengths_are_no_line() -> None:
    """As of a cache: most are quick, some are slow, however many are under way."""
    chance = random.Random(1)
    made = [Sample(0, n / 50, 0.0, chance.choice((0.01, 0.01, 0.8)), "200") for n in range(500)]
    found = concurrency(made)
    assert found is not None
    assert not found.limited
    assert not found.apart


def test_a_service_that_was_slow_for_a_while_is_no_line() -> None:
    made = [Sample(0, n / 50, 0.0, 0.6 if 200 < n < 300 else 0.02, "200") for n in range(500)]
    found = concurrency(made)
    assert found is not None
    assert not found.limited


def test_lateness_of_the_generator_is_not_the_app_s() -> None:
    late = [Sample(0, n / 20, 0.2, 0.21, "200") for n in range(100)]
    found = concurrency(late)
    assert found is not None
    assert found.latency == pytest.approx(0.01)


def test_too_few_answers_say_nothing() -> None:
    few = served_by(1, 12)[: FEWEST - 1]
    assert concurrency([*few, *(Sample(0, 9.0, 0.0, 1.0, "timeout") for _ in range(50))]) is None

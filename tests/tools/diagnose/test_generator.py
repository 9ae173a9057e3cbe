"""When the load generator must blame itself."""

from typing import Any

import pytest

from loopwatch.tools.diagnose.generator import BUSY, LATE, generator
from loopwatch.tools.diagnose.samples import Sample
from tests.tools.diagnose.made import plan, sent


def samples(late: float, took: float = 0.02) -> list[Sample]:
    return [Sample(0, n / 10, late, late + took, "200") for n in range(100)]


@pytest.mark.parametrize(
    ("late", "given", "words"),
    [
        (LATE - 0.001, {}, ""),
        (LATE, {}, "50 ms late"),
        (0.0, {"cpu": BUSY - 0.01}, ""),
        (0.0, {"cpu": BUSY}, "90 % of a core"),
        (0.0, {"most_in_flight": 900}, ""),
        (0.0, {"most_in_flight": 901}, "901 requests were under way at once, on the 900"),
        (0.0, {"due": 101}, ""),
        (0.0, {"due": 102}, "2 of 102 due requests were never sent"),
    ],
)
def test_complaints(late: float, given: dict[str, Any], words: str) -> None:
    told = generator(sent(samples(late), plan(), **given))
    assert len(told.complaints) == bool(words)
    assert words in "".join(told.complaints)


def test_lateness_and_connections() -> None:
    told = generator(sent(samples(0.004), plan(), most_in_flight=2000))
    assert (told.late_p50, told.late_p99, told.late_most) == (0.004, 0.004, 0.004)
    assert (told.connections, told.limit, told.unsent) == (900, 900, 0)


@pytest.mark.parametrize(("took", "complains"), [(0.23, False), (0.22, True)])
def test_lateness_is_compared_with_the_latency_that_it_must_explain(
    took: float, complains: bool
) -> None:
    """76 ms late: of requests that take 3 s it is nothing, of those that take 0.1 s nearly all."""
    told = generator(sent(samples(0.076, took), plan()))
    assert bool(told.complaints) == complains


def test_requests_that_were_sent_in_time_do_not_excuse_those_that_were_late() -> None:
    slow = [Sample(0, n / 10, 0.0, 5.0, "200") for n in range(100)]
    told = generator(sent([*slow, *samples(0.1)], plan()))
    assert told.complaints == ("requests were sent up to 100 ms late (p99)",)

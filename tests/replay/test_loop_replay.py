"""One loop's predictions: what a replay is off by as it was is no change."""

from __future__ import annotations

from math import inf

import pytest

from loopwatch.replay.loop_replay import no_slower


@pytest.mark.parametrize(
    ("measured", "again", "then", "told"),
    [
        (0.5, 0.5, 0.2, 0.2),
        (0.5, 0.7, 0.7, 0.5),  # the model is not exact, but nothing changes
        (0.5, 0.4, 0.4, 0.4),
        (0.5, 0.7, 0.6, 0.6),
        (0.5, 0.7, 0.9, 0.9),
        (5.2, 5.0, 0.1, 0.1),  # a queue that is over takes its error along
        (0.5, 0.4, inf, inf),  # it is never answered
        (0.5, inf, 0.3, 0.3),
        (0.5, inf, inf, inf),
    ],
)
def test_a_request_that_nothing_touches_is_told_to_take_no_longer(
    measured: float, again: float, then: float, told: float
) -> None:
    assert no_slower(measured, again, then) == pytest.approx(told)

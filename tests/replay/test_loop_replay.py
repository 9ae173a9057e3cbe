"""One loop's predictions: what a replay is off by as it was is no change."""

from __future__ import annotations

from math import inf

import pytest

from loopwatch.replay.loop_replay import anchored


@pytest.mark.parametrize(
    ("measured", "again", "then", "told"),
    [
        (0.5, 0.5, 0.2, 0.2),  # the replay as it was is right
        (0.5, 0.7, 0.7, 0.5),  # it is not, but nothing changes
        (0.5, 0.4, 0.3, 0.375),
        (0.5, 0.001, 0.01, 0.5),  # nothing beyond the two
        (0.5, 0.7, 0.6, 0.5),
        (0.5, 0.7, 0.1, 0.1),
        (5.2, 5.1, 0.1, 0.1 * 5.2 / 5.1),  # a queue that is over takes its error along
        (0.5, 0.4, inf, inf),  # it is never answered
        (0.5, inf, 0.3, 0.3),
    ],
)
def test_a_request_keeps_what_was_measured_where_a_replay_changes_nothing(
    measured: float, again: float, then: float, told: float
) -> None:
    assert anchored(measured, again, then) == pytest.approx(told)

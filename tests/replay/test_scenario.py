"""A recording as the model replays it: what is ready when, and how long each request takes then."""

from __future__ import annotations

import pytest

from loopwatch.replay.scenario import Scenario, Slow
from tests.replay.recorded import made, request, step


def test_connections_accepted_together_are_read_when_each_ones_request_arrives() -> None:
    """A step of 1 s held the loop meanwhile: one callback then accepted both connections."""
    steps = [
        step(1.0, 2.0, wake="io"),  # holds the loop
        step(2.0, 2.01, wake="io"),  # accepts both
        step(2.01, 2.02, "task", by=1, task=8),
        step(2.02, 2.03, "task", by=1, task=9),
        step(2.03, 2.04, by=2),  # begins to read
        step(2.04, 2.05, by=3),
        step(2.05, 2.06, wake="io"),  # reads
        step(2.06, 2.07, wake="io"),
        step(2.07, 2.08, "request", request=1, by=6),
        step(2.08, 2.09, "request", request=2, by=7),
    ]
    polls = [(0.5, 1.0), (2.0, 2.0), (2.01, 2.01), (2.03, 2.03), (2.05, 2.05), (2.07, 2.07)]
    requests = request(1, 1.2, 2.07, 2.08), request(2, 1.9, 2.08, 2.09)
    scenario = Scenario.of(made(steps, polls, requests))
    assert latencies(scenario, {}) == pytest.approx([0.88, 0.19])
    first, second = latencies(scenario, {0: Slow(0.0, 0.0)})
    assert 0.0 < first < 0.1  # with the acceptance and set-up of both
    assert 0.0 < second < 0.05  # not before it arrived


def latencies(scenario: Scenario, slow: dict[int, Slow]) -> list[float]:
    model = scenario.model(slow)
    model.run()
    return scenario.latencies(model, slow)

"""A diagnosis tells predictions of a replay, and says why where there is none."""

from __future__ import annotations

from dataclasses import replace

from loopwatch.core.quantiles import Quantiles
from loopwatch.core.tails import MorePlaces
from loopwatch.tools.diagnose.held_verdict import p99s
from loopwatch.tools.diagnose.routes import with_more_places
from tests.tools.diagnose.made import culprit, prediction, route

THEN = Quantiles(0.1, 0.11, 0.12)


def test_what_more_places_would_do_is_one_sentence() -> None:
    more = MorePlaces(places=2, then_places=4, then=THEN)
    told = with_more_places(replace(route("/q"), server=Quantiles(1.0, 2.0, 2.5), more_places=more))
    assert told == "With 4 places instead of 2, p99 would be 120 ms, not 2.50 s."


def test_nothing_is_said_of_places_that_nobody_knows() -> None:
    assert with_more_places(route("/q")) == ""


def test_an_estimate_with_a_reason_is_not_promised() -> None:
    told = replace(prediction(0.5, 0.1), reason="too short")
    assert p99s(culprit(predictions=(told,)), route("/good")) == (None, None)
    assert p99s(culprit(predictions=(prediction(0.5, 0.1),)), route("/good")) == (0.5, 0.1)

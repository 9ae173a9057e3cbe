"""What a snapshot tells of latency without a site: a replay's answer, or an estimate and why."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest

from loopwatch.core.foreseeing import WhatIf, foreseen
from loopwatch.core.predictions import Latest
from loopwatch.core.quantiles import Quantiles


def what_if(then: float, requests: int = 100, route: str = "/a") -> WhatIf:
    now, after = Quantiles(1.0, 1.0, 1.0), Quantiles(then, then, then)
    return WhatIf(route=route, method="GET", requests=requests, now=now, then=after)


@dataclass
class Told:
    """A prediction, and who predicts it."""

    found: WhatIf | None = None
    reason: str = ""
    asked: int = 0

    def of(self, route: str, method: str) -> WhatIf | None:
        return self.found

    def without(self, *sites: str) -> Told:
        self.asked += 1
        return self


def test_a_prediction_replaces_the_estimate() -> None:
    assert foreseen([what_if(0.5)], Told(what_if(0.1)), "site") == (what_if(0.1),)


def test_without_a_recording_the_estimate_stands_alone() -> None:
    assert foreseen([what_if(0.5), None], None, "site") == (what_if(0.5),)


def test_an_estimate_has_the_reason_why_it_is_no_prediction() -> None:
    [told] = foreseen([what_if(0.5)], Told(reason="too short"), "site")
    assert (told.then.p50, told.reason) == (0.5, "too short")


def test_a_prediction_of_few_requests_is_none() -> None:
    [told] = foreseen([what_if(0.5)], Told(what_if(0.1, requests=3)), "site")
    assert (told.then.p50, told.reason) == (0.5, "only 3 of its requests were recorded")


def test_a_prediction_of_all_its_few_requests_is_one() -> None:
    [told] = foreseen([what_if(0.5, requests=3)], Told(what_if(0.1, requests=3)), "site")
    assert (told.then.p50, told.reason) == (0.1, "")


def test_nothing_is_asked_where_there_is_no_request() -> None:
    told = Told()
    assert foreseen([None], told, "site") == ()
    assert told.asked == 0


def test_the_latest_recordings_are_read_once_and_when_asked() -> None:
    made = []

    def make() -> Told:
        made.append(Told(what_if(0.1)))
        return made[0]

    latest = Latest(make)
    assert made == []
    assert latest.without("a") is latest.without("a")
    assert latest.without("b") is not None
    assert [one.asked for one in made] == [2]


def test_an_error_is_logged_and_leaves_the_estimate(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> Told:
        raise ZeroDivisionError("of a replay")

    latest = Latest(fail)
    assert foreseen([what_if(0.5)], latest, "site") == (what_if(0.5),)
    assert latest.without("site") is None


def test_a_copy_predicts_nothing() -> None:
    assert pickle.loads(pickle.dumps(Latest(Told))) is None

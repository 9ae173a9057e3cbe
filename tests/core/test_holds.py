"""Holds: as many victims as there are, no more memory than is allowed."""

from dataclasses import replace
from typing import Any

import pytest

from loopwatch import Site, Stall
from loopwatch.core import holds
from loopwatch.core.holds import Hold, Linking, Wait, blames
from loopwatch.core.recent import Blame
from loopwatch.core.record_types import NONE
from loopwatch.core.request import Request


def a_wait(hold: Hold, seconds: float) -> Wait:
    return Wait(hold, Request(), seconds, 0.125, 0.75, 0.25, queued=False)


def a_hold() -> Hold:
    return Hold(1.0, 1.5, None, lambda _: True)


def test_beyond_the_bound_victims_are_counted_with_their_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holds, "VICTIMS", 3)
    hold = a_hold()
    for number in range(5):
        hold.add(a_wait(hold, 0.5 + number))
    assert (len(hold.waits), hold.beyond) == (3, 2)
    assert (hold.victims, hold.lost) == (5, 12.5)
    assert hold.beyond_lost == 3.5 + 4.5


def test_whom_a_request_waited_for_has_no_name_until_it_is_explained() -> None:
    hold = a_hold()
    waits = [a_wait(hold, 0.5)]
    found = Blame(site=NONE, route=NONE, seconds=0.5, least=0.125, most=0.75, after=0.25)
    assert [*blames(waits)] == [found]
    hold.stall = Stall(
        started_at=1.0,
        duration=0.5,
        thread="MainThread",
        route="/bad",
        site=Site("shop.load", "/app/shop.py", 1),
    )
    assert [*blames(waits)] == [replace(found, site="shop.load", route="/bad")]


def test_an_instrument_refers_to_holds_if_it_can_be_told_of_them() -> None:
    class Plain:
        def stalled(self, stall: Stall) -> None: ...

    class Refers(Plain):
        def stalled_by(self, stall: Stall, hold: Any) -> None: ...

    assert not isinstance(Plain(), Linking)
    assert isinstance(Refers(), Linking)


def test_time_in_line_ends_where_the_next_hold_begins() -> None:
    """Three holds one after another and one turn: no second of the wait counts twice."""
    request, turn = Request(), 4.0
    spans = ((2.25, 3.0), (1.0, 1.5), (1.5, 2.0))
    waits = [
        Wait(Hold(s, e, None, lambda _: True), request, e - s, e - s, e - s, turn - e, queued=True)
        for s, e in spans
    ]
    found = [*blames(waits)]
    assert [(b.seconds, b.after) for b in found] == [(0.5, 0.0), (0.5, 0.25), (0.75, 1.0)]
    assert sum(b.seconds + b.after for b in found) == turn - 1.0

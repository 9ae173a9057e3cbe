"""A loop that is played by hand, and the search for the victims of its holds."""

from contextvars import Context

import pytest

from loopwatch.core.holds import Wait
from loopwatch.core.request import Request, begin
from loopwatch.loop.victim_search import Position, VictimSearch


class Loop:
    """How far a loop has come that is played by hand."""

    def __init__(self) -> None:
        self.turns, self.idle, self.since = 0, 0.0, 0.0

    def position(self) -> Position:
        return Position(self.turns, self.idle, self.since)


@pytest.fixture
def loop_by_hand() -> Loop:
    return Loop()


@pytest.fixture
def victim_search(loop_by_hand: Loop) -> VictimSearch:
    return VictimSearch(loop_by_hand.position)


def a_request(started: float = 0.5) -> Request:
    request = Context().run(begin, object(), {"type": "http"})
    request.started = request.stepped = started
    return request


def waits_of(request: Request) -> list[Wait]:
    return request.waits or []

"""The numbers of one loop, by both twins."""

import pytest

from loopwatch.core.request import Request
from loopwatch.loop.loop_state import BEHIND, LoopState
from loopwatch.loop.victim_search import SLACK, WAITED
from tests.loop.loop_by_hand import a_request


def nothing(*arguments: object) -> None: ...


@pytest.fixture
def state() -> LoopState:
    made = LoopState(None, 0.1, nothing, nothing, nothing)
    made.mark, made.behind = 1.0, 0.0
    return made


def began(at: float) -> Request:
    return a_request(at)


def test_only_as_long_as_the_loop_was_busy_can_a_request_have_been_in_its_socket(
    state: LoopState,
) -> None:
    """Whatever came between the server and us has spent the rest."""
    state.idle = 1.0
    state.fall_behind(0.5)
    state.mark = 1.5
    assert state.busy_since == 0.5
    assert state.believable(began(1.5), 0.25) == 0.25
    assert state.believable(began(1.5), 3.0) == pytest.approx(1.0 + SLACK)
    state.fall_behind(0.25)  # still busy: it has not waited in between
    assert state.believable(began(1.5), 3.0) == pytest.approx(1.0 + SLACK)
    state.idle += WAITED * 2
    assert state.believable(began(1.5), 3.0) == 0.0
    state.fall_behind(0.125)
    assert state.believable(began(1.5), 3.0) == pytest.approx(0.125 + SLACK)
    assert state.believable(began(1.0), 3.0) == 0.0


def test_only_a_busy_time_that_is_worth_it_makes_requests_wait(state: LoopState) -> None:
    state.fall_behind(0.1 * BEHIND - 0.001)
    assert state.behind == 0.0
    state.fall_behind(0.5)
    assert state.behind == pytest.approx(1.5 + 0.1 * BEHIND)
    state.fall_behind(0.1)
    assert state.behind == pytest.approx(1.5 + 0.1 * BEHIND)


def test_a_tick_in_progress_is_busy_and_a_poll_is_idle(state: LoopState) -> None:
    state.tick, state.idle, state.turns = 2.0, 0.5, 7
    assert state.position(3.0) == (7, 0.5, 2.0)
    state.polling = True
    assert state.position(3.0) == (7, 1.5, None)
    assert state.position(1.0) == (7, 0.5, None)


def test_ticks_are_filed_by_their_duration(state: LoopState) -> None:
    for took in (0.0005, 0.2, 0.25, 99.0):
        state.count_tick(took)
    assert [*state.tick_counts] == [1, *(0,) * 6, 2, *(0,) * 5, 1]
    assert state.tick_sums[7] == pytest.approx(0.45)
    assert state.tick_squares[7] == pytest.approx(0.2**2 + 0.25**2)

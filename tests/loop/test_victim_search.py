"""Victims of a hold, with a loop that is played by hand."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch.core.holds import Wait
from loopwatch.loop.victim_search import ACTIVE, FIRST, TICKS, WAITED, VictimSearch, expectation
from tests.conftest import TOLERANCE
from tests.loop.loop_by_hand import Loop, a_request, waits_of
from tests.loop.loop_by_hand import loop_by_hand as loop_by_hand
from tests.loop.loop_by_hand import victim_search as victim_search


def timer(due: float, victim_search: VictimSearch) -> Any:
    """Return a timer's handle that is due then, clock s; its loop's own clock is another."""
    victim_search.offset = 1000.0
    return SimpleNamespace(_when=due + 1000.0)


def test_who_is_in_line_within_the_tick_has_lost_all_of_it(victim_search: VictimSearch) -> None:
    hold, request = victim_search.begin(1.0, 1.5, None), a_request()
    victim_search.note(request, 1.625)
    assert waits_of(request) == [Wait(hold, request, 0.5, 0.5, 0.5, 0.125, queued=False)]
    assert (request.stalled, hold.victims, hold.lost) == (0.5, 1, 0.5)


def test_who_began_within_the_hold_has_lost_what_was_left_of_it(
    victim_search: VictimSearch,
) -> None:
    victim_search.begin(1.0, 1.5, None)
    request = a_request(1.25)
    victim_search.note(request, 1.5)
    assert request.stalled == 0.25


@pytest.mark.parametrize(("due", "lost"), [(0.5, 0.5), (1.0, 0.5), (1.125, 0.375), (1.5, 0.0)])
def test_a_timer_tells_the_moment(
    victim_search: VictimSearch, loop_by_hand: Loop, due: float, lost: float
) -> None:
    hold, request = victim_search.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns = 1
    victim_search.note(request, 1.5, timer(due, victim_search))
    assert request.stalled == lost
    assert hold.victims == (1 if lost else 0)
    assert all(w.least == w.seconds == w.most for w in waits_of(request))


def test_a_timer_is_read_by_its_own_loop_s_clock(
    victim_search: VictimSearch, loop_by_hand: Loop
) -> None:
    loop = SimpleNamespace(time=lambda: time.perf_counter() + 500.0)
    now = time.perf_counter()
    victim_search.begin(now - 0.5, now, None)
    loop_by_hand.turns = 1
    request = a_request(now - 1)
    victim_search.note(request, now, SimpleNamespace(_when=now - 0.25 + 500.0, _loop=loop))
    assert request.stalled == pytest.approx(0.25, abs=TOLERANCE)


@pytest.mark.parametrize("waited", [0.0, 0.01, 0.5, 100.0])
def test_what_is_expected_is_within_its_bounds_where_the_moment_is_not_known(
    victim_search: VictimSearch, loop_by_hand: Loop, waited: float
) -> None:
    hold, request = victim_search.begin(200.0, 200.5, None), a_request()
    request.stepped = 200.0 - waited
    loop_by_hand.turns = 1
    victim_search.note(request, 200.5, SimpleNamespace())
    lost = expectation(0.5, waited)
    (wait,) = waits_of(request)
    assert (wait.hold, wait.least, wait.most, wait.after) == (hold, 0.0, 0.5, 0.0)
    assert wait.seconds == request.stalled == hold.lost == pytest.approx(lost)


def test_who_had_waited_long_before_is_expected_to_lose_half_and_who_had_not_most() -> None:
    losses = [expectation(1.0, waited) for waited in (0.0, 0.01, 0.1, 1.0, 1000.0)]
    assert losses == sorted(losses, reverse=True)
    assert 0.8 < losses[0] < 1.0
    assert losses[-1] == pytest.approx(0.5, abs=0.001)


def test_who_stood_in_line_as_the_hold_ended_has_lost_all_of_it(
    victim_search: VictimSearch, loop_by_hand: Loop
) -> None:
    in_line, other = a_request(), a_request()
    victim_search.line = lambda: frozenset((in_line,))
    victim_search.begin(1.0, 1.5, None)
    loop_by_hand.turns = 1
    for request in (in_line, other):
        victim_search.note(request, 1.5, SimpleNamespace())
    assert in_line.stalled == 0.5
    assert 0.0 < other.stalled < 0.5


@pytest.mark.parametrize(("turns", "counted"), [(FIRST, True), (FIRST + 1, False)])
def test_who_takes_no_step_in_the_first_ticks_was_not_ready(
    victim_search: VictimSearch, loop_by_hand: Loop, turns: int, counted: bool
) -> None:
    hold, request = victim_search.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns = turns
    victim_search.note(request, 1.6)
    assert (hold.victims == 1) is (request.stalled > 0) is counted


@pytest.mark.parametrize(("waited", "counted"), [(WAITED / 2, True), (WAITED * 2, False)])
def test_who_comes_after_the_loop_has_waited_was_not_ready(
    victim_search: VictimSearch, loop_by_hand: Loop, waited: float, counted: bool
) -> None:
    hold, request = victim_search.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns, loop_by_hand.idle = 1, waited
    assert victim_search.settled(hold) is not counted
    victim_search.note(request, 1.6)
    assert (hold.victims == 1) is counted
    victim_search.tick()
    assert victim_search.active is counted


def test_the_owner_the_ended_and_the_later_have_lost_nothing(victim_search: VictimSearch) -> None:
    owner, ended, later = a_request(), a_request(), a_request(1.5)
    hold = victim_search.begin(1.0, 1.5, owner)
    ended.scope = None
    for request in (owner, ended, later):
        victim_search.note(request, 1.6)
        assert (request.stalled, request.waits) == (0.0, None)
    assert hold.victims == 0


def test_a_victim_counts_once_however_many_steps_it_takes(
    victim_search: VictimSearch, loop_by_hand: Loop
) -> None:
    hold, request = victim_search.begin(1.0, 1.5, None), a_request()
    for turns in (0, 0, 1, 2):
        loop_by_hand.turns = turns
        victim_search.note(request, 1.6)
    assert (hold.victims, request.stalled) == (1, 0.5)


def test_a_late_timer_does_not_make_a_victim_of_who_ran_at_once(
    victim_search: VictimSearch, loop_by_hand: Loop
) -> None:
    """The first step after the hold decides."""
    hold, request = victim_search.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns = 1
    victim_search.note(request, 1.5, timer(1.5, victim_search))
    victim_search.note(request, 1.6, SimpleNamespace())
    assert hold.victims == 0


def test_who_is_in_line_after_a_busy_tick_came_there_while_it_ran(
    victim_search: VictimSearch, loop_by_hand: Loop
) -> None:
    request = a_request()
    victim_search.line = lambda: frozenset((request,))
    victim_search.begin(1.0, 1.5, None, busy_tick=True)
    loop_by_hand.turns = 1
    victim_search.note(request, 1.5, SimpleNamespace())
    (wait,) = waits_of(request)
    assert (wait.least, wait.most) == (0.0, 0.5)


def test_two_holds_one_after_the_other_have_their_own_victims(
    victim_search: VictimSearch, loop_by_hand: Loop
) -> None:
    first = victim_search.begin(1.0, 1.5, None)
    between = a_request()
    victim_search.note(between, 1.5)
    loop_by_hand.turns = 1
    second, request = victim_search.begin(1.5, 2.0, None), a_request()
    victim_search.note(request, 2.0)
    assert [w.hold for w in waits_of(request)] == [first, second]
    assert [(w.least, w.most) for w in waits_of(request)] == [(0.0, 0.5), (0.5, 0.5)]
    assert [w.hold for w in waits_of(between)] == [first]
    assert (first.victims, second.victims) == (2, 1)
    loop_by_hand.turns = TICKS + 1
    victim_search.tick()
    assert (victim_search.settled(first), victim_search.settled(second)) == (True, False)


def test_victims_are_looked_for_of_the_latest_holds_only(victim_search: VictimSearch) -> None:
    holds = [victim_search.begin(float(at), at + 0.5, None) for at in range(1, ACTIVE + 6)]
    victim_search.note(a_request(), 100.0)
    assert [hold.victims for hold in holds] == [0] * 5 + [1] * ACTIVE
    assert [victim_search.settled(hold) for hold in holds] == [True] * 5 + [False] * ACTIVE


def test_a_hold_s_own_moment_is_bounded_by_the_ticks_after_it(
    victim_search: VictimSearch, loop_by_hand: Loop
) -> None:
    hold = victim_search.begin(1.0, 1.5, None)
    loop_by_hand.turns = TICKS
    victim_search.tick()
    assert victim_search.active
    loop_by_hand.turns = TICKS + 1
    assert victim_search.settled(hold)
    victim_search.tick()
    assert not victim_search.active


def test_a_loop_that_does_not_tell_has_holds_without_victims() -> None:
    victim_search, request = VictimSearch(), a_request()
    hold = victim_search.begin(1.0, 1.5, None)
    victim_search.note(request, 1.5)
    assert (hold.victims, request.waits) == (0, None)
    assert victim_search.settled(hold)
    assert not victim_search.active
    victim_search.tick()


def test_a_websocket_for_ever_in_flight_does_not_remember_every_hold(
    victim_search: VictimSearch, loop_by_hand: Loop
) -> None:
    request, holds = a_request(), 5_000
    for number in range(holds):
        loop_by_hand.turns += 100
        victim_search.begin(float(number), number + 0.5, None)
        victim_search.note(request, number + 0.5)
    assert request.stalled == holds * 0.5 - 0.5
    assert len(waits_of(request)) < holds / 2


# Callbacks that are timed as they are scheduled.


def scheduled(made: float, due: float = 0.0) -> Any:
    return SimpleNamespace(_made=made, _due=due)


@pytest.mark.parametrize(("made", "lost"), [(0.5, 0.5), (1.0, 0.5), (1.125, 0.375)])
def test_who_was_scheduled_before_the_hold_ended_tells_the_moment(
    victim_search: VictimSearch, made: float, lost: float
) -> None:
    victim_search.begin(1.0, 1.5, None)
    request = a_request()
    victim_search.note(request, 1.5, scheduled(made))
    (wait,) = waits_of(request)
    assert wait.least == wait.seconds == wait.most == lost


def test_who_was_scheduled_afterwards_was_woken_at_a_moment_nobody_knows(
    victim_search: VictimSearch,
) -> None:
    """Also within the tick of the hold: what woke it has run after that."""
    victim_search.begin(1.0, 1.5, None)
    request = a_request()
    victim_search.note(request, 1.5, scheduled(1.5))
    (wait,) = waits_of(request)
    assert (wait.least, wait.most) == (0.0, 0.5)
    assert wait.seconds == expectation(0.5, 0.5)


@pytest.mark.parametrize(("due", "lost"), [(0.5, 0.5), (1.125, 0.375), (1.5, 0.0), (1.75, 0.0)])
def test_a_scheduled_timer_is_ready_as_it_is_due(
    victim_search: VictimSearch, due: float, lost: float
) -> None:
    victim_search.begin(1.0, 1.5, None)
    request = a_request()
    victim_search.note(request, 1.5, scheduled(0.25, due))
    assert request.stalled == lost

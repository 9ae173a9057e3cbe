"""Victims of a hold that were still in their sockets, with a loop that is played by hand."""

from loopwatch.core.holds import Wait
from loopwatch.loop.victim_search import ARRIVALS, KEPT, VictimSearch
from tests.loop.loop_by_hand import a_request, waits_of
from tests.loop.loop_by_hand import loop_by_hand as loop_by_hand
from tests.loop.loop_by_hand import victim_search as victim_search


def test_who_was_in_its_socket_has_lost_from_then_to_the_end(victim_search: VictimSearch) -> None:
    hold, request = victim_search.begin(1.0, 1.5, None), a_request(1.625)
    victim_search.arrive(request, 0.5)
    assert waits_of(request) == [Wait(hold, request, 0.375, 0.375, 0.375, 0.125, queued=True)]
    assert (request.queued, request.stalled) == (0.5, 0.0)


def test_who_was_not_in_its_socket_has_lost_nothing(victim_search: VictimSearch) -> None:
    hold = victim_search.begin(1.0, 1.5, None)
    at_once, after = a_request(1.25), a_request(1.75)
    victim_search.arrive(at_once, 0.0)
    victim_search.arrive(after, 0.25)
    assert (at_once.queued, after.queued, hold.victims) == (0.0, 0.25, 0)
    assert at_once.waits is None
    assert after.waits is None


def test_time_in_the_socket_is_shared_out_among_holds_once(victim_search: VictimSearch) -> None:
    holds = [victim_search.begin(at, at + 0.5, None) for at in (1.0, 1.5, 2.25)]
    request = a_request(2.75)
    victim_search.arrive(request, 1.5)
    assert {w.hold: w.seconds for w in waits_of(request)} == dict(
        zip(holds, (0.25, 0.5, 0.5), strict=True)
    )
    assert sum(w.seconds for w in waits_of(request)) <= request.queued


def test_match_makes_a_hold_of_which_nobody_knew_and_finds_who_waited(
    victim_search: VictimSearch,
) -> None:
    before, within, long_after = a_request(0.9), a_request(1.625), a_request(3.0)
    for request, queued in ((before, 0.5), (within, 0.5), (long_after, 0.5)):
        victim_search.arrive(request, queued)
    hold = victim_search.match(1.0, 1.5)
    assert waits_of(within) == [Wait(hold, within, 0.375, 0.375, 0.375, 0.125, queued=True)]
    assert (before.waits, long_after.waits) == (None, None)
    assert (hold.victims, hold.owner) == (1, None)
    assert victim_search.settled(hold)


def test_so_many_holds_are_remembered_and_no_more(victim_search: VictimSearch) -> None:
    holds = [victim_search.begin(float(at), at + 0.5, None) for at in range(1, KEPT + 2)]
    request = a_request(KEPT + 5.0)
    victim_search.arrive(request, KEPT + 5.0)
    assert {w.hold for w in waits_of(request)} == {*holds[1:]}


def test_so_many_arrivals_are_remembered_and_no_more(victim_search: VictimSearch) -> None:
    for _ in range(ARRIVALS + 10):
        victim_search.arrive(a_request(1.5), 0.5)
    assert victim_search.match(1.0, 1.5).victims == ARRIVALS

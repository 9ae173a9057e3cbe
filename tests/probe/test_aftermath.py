"""Victims of a hold, with a loop that is played by hand, and on real ones."""

import asyncio
import time
from contextvars import Context
from types import SimpleNamespace
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware, Stall
from loopwatch.holds import Hold, Wait
from loopwatch.probe.aftermath import (
    ACTIVE,
    ARRIVALS,
    FIRST,
    KEPT,
    SLACK,
    TICKS,
    WAITED,
    Aftermath,
    Position,
)
from loopwatch.request import Request, begin

from ..asgi import Receive, Send, answer, visit
from ..calm import in_calm
from ..conftest import TOLERANCE, MakeWatch, block_for, run_on, until


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
def aftermath(loop_by_hand: Loop) -> Aftermath:
    made = Aftermath(0.1)
    made.position = loop_by_hand.position
    return made


def a_request(started: float = 0.5) -> Request:
    request = Context().run(begin, object(), {"type": "http"})
    request.started = started
    return request


def waits_of(request: Request) -> list[Wait]:
    return request.waits or []


def timer(due: float, aftermath: Aftermath) -> Any:
    """Return a timer's handle that is due then, clock s; its loop's own clock is another."""
    aftermath.offset = 1000.0
    return SimpleNamespace(_when=due + 1000.0)


def test_who_is_in_line_within_the_tick_has_lost_all_of_it(aftermath: Aftermath) -> None:
    hold, request = aftermath.begin(1.0, 1.5, None), a_request()
    aftermath.note(request, 1.625)
    assert waits_of(request) == [Wait(hold, request, 0.5, 0.5, 0.5, 0.125, queued=False)]
    assert (request.stalled, hold.victims, hold.lost) == (0.5, 1, 0.5)


def test_who_began_within_the_hold_has_lost_what_was_left_of_it(aftermath: Aftermath) -> None:
    aftermath.begin(1.0, 1.5, None)
    request = a_request(1.25)
    aftermath.note(request, 1.5)
    assert request.stalled == 0.25


@pytest.mark.parametrize(("due", "lost"), [(0.5, 0.5), (1.0, 0.5), (1.125, 0.375), (1.5, 0.0)])
def test_a_timer_tells_the_moment(
    aftermath: Aftermath, loop_by_hand: Loop, due: float, lost: float
) -> None:
    hold, request = aftermath.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns = 1
    aftermath.note(request, 1.5, timer(due, aftermath))
    assert request.stalled == lost
    assert hold.victims == (1 if lost else 0)
    assert all(w.least == w.seconds == w.most for w in waits_of(request))


def test_a_timer_is_read_by_its_own_loop_s_clock(aftermath: Aftermath, loop_by_hand: Loop) -> None:
    loop = SimpleNamespace(time=lambda: time.perf_counter() + 500.0)
    now = time.perf_counter()
    aftermath.begin(now - 0.5, now, None)
    loop_by_hand.turns = 1
    request = a_request(now - 1)
    aftermath.note(request, now, SimpleNamespace(_when=now - 0.25 + 500.0, _loop=loop))
    assert request.stalled == pytest.approx(0.25, abs=TOLERANCE)


def test_half_is_the_expectation_where_the_moment_is_not_known(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    hold, request = aftermath.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns = 1
    aftermath.note(request, 1.5, SimpleNamespace())
    assert waits_of(request) == [Wait(hold, request, 0.25, 0.0, 0.5, 0.0, queued=False)]
    assert request.stalled == hold.lost == 0.25


@pytest.mark.parametrize(("turns", "counted"), [(FIRST, True), (FIRST + 1, False)])
def test_who_takes_no_step_in_the_first_ticks_was_not_ready(
    aftermath: Aftermath, loop_by_hand: Loop, turns: int, counted: bool
) -> None:
    hold, request = aftermath.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns = turns
    aftermath.note(request, 1.6)
    assert (hold.victims == 1) is (request.stalled > 0) is counted


@pytest.mark.parametrize(("waited", "counted"), [(WAITED / 2, True), (WAITED * 2, False)])
def test_who_comes_after_the_loop_has_waited_was_not_ready(
    aftermath: Aftermath, loop_by_hand: Loop, waited: float, counted: bool
) -> None:
    hold, request = aftermath.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns, loop_by_hand.idle = 1, waited
    assert aftermath.settled(hold) is not counted
    aftermath.note(request, 1.6)
    assert (hold.victims == 1) is counted
    aftermath.tick()
    assert aftermath.active is counted


def test_the_owner_the_ended_and_the_later_have_lost_nothing(aftermath: Aftermath) -> None:
    owner, ended, later = a_request(), a_request(), a_request(1.5)
    hold = aftermath.begin(1.0, 1.5, owner)
    ended.scope = None
    for request in (owner, ended, later):
        aftermath.note(request, 1.6)
        assert (request.stalled, request.waits) == (0.0, None)
    assert hold.victims == 0


def test_a_victim_counts_once_however_many_steps_it_takes(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    hold, request = aftermath.begin(1.0, 1.5, None), a_request()
    for turns in (0, 0, 1, 2):
        loop_by_hand.turns = turns
        aftermath.note(request, 1.6)
    assert (hold.victims, request.stalled) == (1, 0.5)


def test_a_late_timer_does_not_make_a_victim_of_who_ran_at_once(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    """The first step after the hold decides."""
    hold, request = aftermath.begin(1.0, 1.5, None), a_request()
    loop_by_hand.turns = 1
    aftermath.note(request, 1.5, timer(1.5, aftermath))
    aftermath.note(request, 1.6, SimpleNamespace())
    assert hold.victims == 0


def test_two_holds_one_after_the_other_have_their_own_victims(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    first = aftermath.begin(1.0, 1.5, None)
    between = a_request()
    aftermath.note(between, 1.5)
    loop_by_hand.turns = 1
    second, request = aftermath.begin(1.5, 2.0, None), a_request()
    aftermath.note(request, 2.0)
    assert [(w.hold, w.seconds) for w in waits_of(request)] == [(first, 0.25), (second, 0.5)]
    assert [w.hold for w in waits_of(between)] == [first]
    assert (first.victims, second.victims) == (2, 1)
    loop_by_hand.turns = TICKS + 1
    aftermath.tick()
    assert (aftermath.settled(first), aftermath.settled(second)) == (True, False)


def test_victims_are_looked_for_of_the_latest_holds_only(aftermath: Aftermath) -> None:
    holds = [aftermath.begin(float(at), at + 0.5, None) for at in range(1, ACTIVE + 6)]
    aftermath.note(a_request(), 100.0)
    assert [hold.victims for hold in holds] == [0] * 5 + [1] * ACTIVE
    assert [aftermath.settled(hold) for hold in holds] == [True] * 5 + [False] * ACTIVE


def test_a_hold_s_own_moment_is_bounded_by_the_ticks_after_it(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    hold = aftermath.begin(1.0, 1.5, None)
    loop_by_hand.turns = TICKS
    aftermath.tick()
    assert aftermath.active
    loop_by_hand.turns = TICKS + 1
    assert aftermath.settled(hold)
    aftermath.tick()
    assert not aftermath.active


def test_a_loop_that_does_not_tell_has_holds_without_victims() -> None:
    aftermath, request = Aftermath(0.1), a_request()
    hold = aftermath.begin(1.0, 1.5, None)
    aftermath.note(request, 1.5)
    assert (hold.victims, request.waits) == (0, None)
    assert aftermath.settled(hold)
    assert not aftermath.active
    assert aftermath.match(1.0, 1.5) is hold
    aftermath.busy(1.0)
    aftermath.tick()
    assert aftermath.believable(request, 7.0) == 7.0


# A hold that only the watchdog's thread has seen.


def suspected(aftermath: Aftermath, loop_by_hand: Loop, since: float = 1.0) -> None:
    aftermath.suspect = loop_by_hand.position()._replace(since=since)


def test_the_first_step_after_a_suspicion_draws_the_conclusion(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    suspected(aftermath, loop_by_hand)
    assert aftermath.active
    request = a_request()
    aftermath.note(request, 1.5)
    (wait,) = waits_of(request)
    assert (wait.hold.started, wait.hold.ended, wait.seconds) == (1.0, 1.5, 0.5)
    assert aftermath.suspect is None
    assert aftermath.match(1.01, 1.49) is wait.hold


def test_a_suspected_hold_ends_with_its_tick(aftermath: Aftermath, loop_by_hand: Loop) -> None:
    suspected(aftermath, loop_by_hand)
    loop_by_hand.turns, loop_by_hand.since = 1, 1.25
    request = a_request()
    aftermath.note(request, 1.5)
    (wait,) = waits_of(request)
    assert (wait.hold.ended, wait.seconds, wait.most) == (1.25, 0.125, 0.25)


@pytest.mark.parametrize(("ended", "idle"), [(1.05, 0.0), (1.5, WAITED * 2)])
def test_a_suspicion_that_turns_out_to_be_nothing_leaves_nothing(
    aftermath: Aftermath, loop_by_hand: Loop, ended: float, idle: float
) -> None:
    suspected(aftermath, loop_by_hand)
    loop_by_hand.idle = idle
    request = a_request()
    aftermath.note(request, ended)
    assert request.waits is None
    assert not aftermath.active


def test_a_request_that_arrives_draws_the_conclusion_too(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    suspected(aftermath, loop_by_hand)
    request = a_request(1.5)
    aftermath.arrive(request, 0.375)
    (wait,) = waits_of(request)
    assert (wait.hold.started, wait.hold.ended) == (1.0, 1.5)
    assert (wait.seconds, wait.queued) == (0.375, True)


def test_a_hold_that_begins_ends_the_suspicion(aftermath: Aftermath, loop_by_hand: Loop) -> None:
    suspected(aftermath, loop_by_hand)
    hold, request = aftermath.begin(1.0, 1.5, None), a_request()
    aftermath.note(request, 1.5)
    assert [w.hold for w in waits_of(request)] == [hold]


# In their sockets.


def test_who_was_in_its_socket_has_lost_from_then_to_the_end(aftermath: Aftermath) -> None:
    hold, request = aftermath.begin(1.0, 1.5, None), a_request(1.625)
    aftermath.arrive(request, 0.5)
    assert waits_of(request) == [Wait(hold, request, 0.375, 0.375, 0.375, 0.125, queued=True)]
    assert (request.queued, request.stalled) == (0.5, 0.0)


def test_who_was_not_in_its_socket_has_lost_nothing(aftermath: Aftermath) -> None:
    hold = aftermath.begin(1.0, 1.5, None)
    at_once, after = a_request(1.25), a_request(1.75)
    aftermath.arrive(at_once, 0.0)
    aftermath.arrive(after, 0.25)
    assert (at_once.queued, after.queued, hold.victims) == (0.0, 0.25, 0)
    assert at_once.waits is None
    assert after.waits is None


def test_time_in_the_socket_is_shared_out_among_holds_once(aftermath: Aftermath) -> None:
    holds = [aftermath.begin(at, at + 0.5, None) for at in (1.0, 1.5, 2.25)]
    request = a_request(2.75)
    aftermath.arrive(request, 1.5)
    assert {w.hold: w.seconds for w in waits_of(request)} == dict(
        zip(holds, (0.25, 0.5, 0.5), strict=True)
    )
    assert sum(w.seconds for w in waits_of(request)) <= request.queued


def test_match_finds_the_hold_that_is_known_and_sets_it_right(aftermath: Aftermath) -> None:
    first, second = aftermath.begin(1.0, 1.5, None), aftermath.begin(2.0, 2.5, None)
    assert aftermath.match(1.02, 1.55) is first
    assert (first.started, first.ended) == (1.02, 1.55)
    assert aftermath.match(2.4, 2.6) is second
    first.stall = Stall(started_at=1.0, duration=0.5, thread="MainThread")
    assert aftermath.match(1.0, 1.5) is not first


def test_match_makes_a_hold_of_which_nobody_knew_and_finds_who_waited(
    aftermath: Aftermath,
) -> None:
    before, within, long_after = a_request(0.9), a_request(1.625), a_request(3.0)
    for request, queued in ((before, 0.5), (within, 0.5), (long_after, 0.5)):
        aftermath.arrive(request, queued)
    hold = aftermath.match(1.0, 1.5)
    assert waits_of(within) == [Wait(hold, within, 0.375, 0.375, 0.375, 0.125, queued=True)]
    assert (before.waits, long_after.waits) == (None, None)
    assert (hold.victims, hold.owner) == (1, None)
    assert aftermath.settled(hold)


def test_so_many_holds_are_remembered_and_no_more(aftermath: Aftermath) -> None:
    holds = [aftermath.begin(float(at), at + 0.5, None) for at in range(KEPT + 1)]
    assert aftermath.match(1.0, 1.5) is holds[1]
    assert aftermath.match(0.0, 0.5) is not holds[0]


def test_so_many_arrivals_are_remembered_and_no_more(aftermath: Aftermath) -> None:
    for _ in range(ARRIVALS + 10):
        aftermath.arrive(a_request(1.5), 0.5)
    assert aftermath.match(1.0, 1.5).victims == ARRIVALS


def test_a_websocket_for_ever_in_flight_does_not_remember_every_hold(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    request, holds = a_request(), 5_000
    for number in range(holds):
        loop_by_hand.turns += 100
        aftermath.begin(float(number), number + 0.5, None)
        aftermath.note(request, number + 0.5)
    assert request.stalled == holds * 0.5 - 0.5
    assert len(waits_of(request)) < holds / 2


def test_only_as_long_as_the_loop_was_busy_can_a_request_have_been_in_its_socket(
    aftermath: Aftermath, loop_by_hand: Loop
) -> None:
    """Whatever came between the server and us has spent the rest."""
    loop_by_hand.idle = 1.0
    aftermath.busy(1.0)
    assert aftermath.believable(a_request(1.5), 0.25) == 0.25
    assert aftermath.believable(a_request(1.5), 3.0) == pytest.approx(0.5 + SLACK)
    aftermath.busy(1.25)  # still busy: it has not waited in between
    assert aftermath.believable(a_request(1.5), 3.0) == pytest.approx(0.5 + SLACK)
    loop_by_hand.idle += WAITED * 2
    assert aftermath.believable(a_request(1.5), 3.0) == 0.0
    suspected(aftermath, loop_by_hand, 1.375)
    assert aftermath.believable(a_request(1.5), 3.0) == pytest.approx(0.125 + SLACK)
    assert aftermath.believable(a_request(1.0), 3.0) == 0.0


# On real loops.


async def victims(app: Any, *paths: str) -> list[asyncio.Task[Any]]:
    """Return one request of each path, begun."""
    tasks = [asyncio.ensure_future(visit(app, path)) for path in paths]
    await asyncio.sleep(0.02)
    return tasks


@in_calm
def test_requests_lose_what_they_were_ready_for(loop: str, make_watch: MakeWatch) -> None:
    """To a timer due in the block, one due after it, and an event that comes long after it."""
    watch, event = make_watch(), asyncio.Event()
    moments: dict[str, float] = {}

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        path = scope["path_template"] = scope["path"]
        if path == "/block":
            moments["began"] = time.perf_counter()
            block_for(0.2)
            moments["ended"] = time.perf_counter()
        elif path == "/event":
            await event.wait()
        else:
            delay = {"/due": 0.12, "/later": 0.5}[path]
            moments[path] = time.perf_counter() + delay
            await asyncio.sleep(delay)
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        wrapped = LoopWatchMiddleware(app, watch=watch)
        tasks = await victims(wrapped, "/due", "/later", "/event")
        tasks += await victims(wrapped, "/block")
        await asyncio.gather(tasks[0], tasks[1], tasks[3])
        event.set()
        await tasks[2]
        await until(lambda: bool(watch.stalls) and watch.stalls[-1].victims > 0)

    run_on(loop, main())
    (stall,) = watch.stalls
    whole, due = moments["ended"] - moments["began"], moments["ended"] - moments["/due"]
    lost = due if loop == "asyncio" else whole / 2
    assert stall.victims == 1
    assert stall.lost_request_seconds == pytest.approx(lost, abs=TOLERANCE)
    parts = {row.route: row for row in watch.snapshot().requests}
    assert parts["/due"].stalled == pytest.approx(lost, abs=TOLERANCE)
    assert parts["/block"].stalled == parts["/later"].stalled == parts["/event"].stalled == 0.0
    (blame,) = watch.snapshot().blames
    assert (blame.culprit_route, blame.victim_route, blame.count) == ("/block", "/due", 1)


@in_calm
def test_who_is_in_line_behind_the_culprit_loses_all_of_it(
    loop: str, make_watch: MakeWatch
) -> None:
    watch, released = make_watch(), asyncio.Event()
    took: list[float] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        path = scope["path_template"] = scope["path"]
        await released.wait()
        if path == "/block":
            took.append(block_for(0.15))
        await answer(send)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.05)
        wrapped = LoopWatchMiddleware(app, watch=watch)
        tasks = await victims(wrapped, "/before", "/block", "/behind", "/behind")
        released.set()
        await asyncio.gather(*tasks)
        await until(lambda: bool(watch.stalls) and watch.stalls[-1].victims > 0)

    run_on(loop, main())
    (stall,) = watch.stalls
    assert stall.victims == 2
    assert stall.lost_request_seconds == pytest.approx(2 * took[0], abs=TOLERANCE)
    parts = {row.route: row.stalled for row in watch.snapshot().requests}
    assert (parts["/before"], parts["/block"]) == (0.0, 0.0)


def test_holds_are_told_apart_by_identity() -> None:
    """They are keys, and their victims are no part of what they are."""
    one, other = (Hold(1.0, 1.5, None, lambda _: True) for _ in range(2))
    assert one != other

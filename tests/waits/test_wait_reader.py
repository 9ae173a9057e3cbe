"""When the thread looks at waits: seldom with nothing in flight, within its share."""

import asyncio
import random
import threading
import time
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.core.cpu_budget import CpuBudget
from loopwatch.explain.site import DEFAULT
from loopwatch.waits import wait_reader as module
from loopwatch.waits.wait_reader import (
    CALM,
    IDLE,
    LONGEST,
    LOOK,
    QUICK,
    SHARE,
    WaitReader,
    WaitTurn,
)
from tests.asgi import visit
from tests.conftest import MakeWatch, run_on, until

from .looking import Stage


def reader(**more: Any) -> WaitReader:
    return WaitReader(dict, DEFAULT, **more)


def ring(watch: Watch) -> None:
    """Have its thread look at once."""
    turn = watch._waits._turn
    assert turn is not None
    turn.ring(LOOK)


def test_intervals_are_quick_with_requests_and_long_without() -> None:
    turn = WaitTurn(reader())
    turn.note(3)
    assert turn.next(0.0) == QUICK
    for _ in range(CALM):
        turn.note(0)
    assert turn.next(0.0) == IDLE
    assert turn.idle
    turn.note(1)
    assert turn.next(0.0) == QUICK
    assert not turn.idle


def test_intervals_grow_with_what_looks_cost() -> None:
    turn = WaitTurn(reader())
    assert turn.next(0.01) == IDLE  # no request so far
    turn.note(1)
    assert turn.next(0.01) == pytest.approx(0.01 / SHARE)
    assert turn.next(10.0) == LONGEST


def test_a_look_that_is_late_or_too_dear_is_left_out_and_only_the_dear_one_is_counted() -> None:
    now, spent = [0.0], [0.0]
    budget = CpuBudget(0.05, lambda: spent[0], lambda: now[0])
    looking = reader(budget=budget)
    assert looking.may_look(late=False)
    assert not looking.may_look(late=True)
    spent[0] = 0.06  # more than half of what can be saved up
    assert not looking.may_look(late=False)
    assert looking.skipped == 1
    now[0] = 10.0
    assert looking.may_look(late=False)


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name == "loopwatch-waits"]


def test_the_thread_lives_as_long_as_a_loop_is_watched(loop: str, make_watch: MakeWatch) -> None:
    before = len(threads())

    async def main() -> None:
        watch.start()
        assert len(threads()) == before + 1

    watch = make_watch()
    run_on(loop, main())
    assert len(threads()) == before


def test_an_idle_loop_is_not_looked_at_until_a_request_begins(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[float, bool]] = []
    before = 0
    look = WaitReader.look

    def noted(self: WaitReader, turn: WaitTurn, weight: float, idle: bool) -> int:
        looks.append((weight, idle))
        return look(self, turn, weight, idle)

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await until(lambda: len(looks) > before + 2, 10.0)

    async def main() -> None:
        nonlocal before
        watch.start()
        await asyncio.sleep(1.5)
        before = len(looks)
        assert before <= 1  # for requests of earlier tests
        await visit(LoopWatchMiddleware(slow, watch=watch))
        await asyncio.sleep(CALM * QUICK + 1.0)
        calm = len(looks)
        await asyncio.sleep(1.0)
        assert len(looks) == calm

    monkeypatch.setattr(random, "random", lambda: 0.5)  # of 60 s
    monkeypatch.setattr(WaitReader, "look", noted)
    watch = make_watch()
    run_on(loop, main())
    weight, idle = looks[before]
    assert idle
    assert 0.5 < weight < 20.0  # the watchdog looks each half a second while a loop moves
    assert not looks[before + 1][1]


def test_a_look_stands_for_those_that_were_left_out_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """But for a second at most: whoever waits now may not have waited then."""
    looks: list[tuple[float, bool]] = []

    def noted(self: WaitReader, turn: WaitTurn, weight: float, idle: bool) -> int:
        looks.append((weight, idle))
        return 1

    monkeypatch.setattr(WaitReader, "look", noted)
    reader = WaitReader(dict, DEFAULT)
    turn, now = WaitTurn(reader), 100.0
    monkeypatch.setattr(module, "clock", lambda: now)
    turn._began = now
    turn.note(1)
    turn._end_interval(0.0)
    for lates in (0, 2, 0, 50):
        for late in [True] * lates + [False]:
            now += QUICK
            turn._look(late)
            turn._end_interval(0.0)
    assert [weight for weight, _ in looks] == pytest.approx([0.1, 0.3, 0.1, 1.1])
    assert [by_age for _, by_age in looks] == [False, True, False, True]
    assert reader.skipped == 40  # of 50: a second's worth is not lost


def test_a_look_that_sees_nothing_ends_an_idle_interval_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was rung for a request of another watch; else the next would begin in the future."""
    monkeypatch.setattr(WaitReader, "look", lambda self, turn, weight, idle: 0)
    turn, now = WaitTurn(WaitReader(dict, DEFAULT)), 100.0
    monkeypatch.setattr(module, "clock", lambda: now)
    turn._began, now = now, 101.0
    turn._look(late=False)
    turn._end_interval(0.0)
    assert (turn._began, turn._interval, turn._owed) == (101.0, IDLE, 0.0)


def test_requests_that_end_between_two_looks_are_requests(loop: str, make_watch: MakeWatch) -> None:
    """Else a service with short requests would be looked at once a second."""

    async def quick() -> None:
        pass

    async def main() -> None:
        stage = Stage(make_watch())
        turn = WaitTurn(stage.watch._waits)
        for _ in range(CALM):
            turn.note(0)
        assert turn.next(0.0) == IDLE
        await stage.begin(quick)
        turn.note(0)
        assert turn.next(0.0) == QUICK

    run_on(loop, main())


def test_an_error_in_a_look_is_logged_and_the_next_one_is_taken(
    make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[float] = []

    def broken(self: WaitReader, turn: WaitTurn, weight: float, idle: bool) -> int:
        calls.append(weight)
        raise ValueError("a test")

    async def main() -> None:
        watch.start()
        while len(calls) < 3:
            ring(watch)
            await asyncio.sleep(0.01)

    monkeypatch.setattr(WaitReader, "look", broken)
    watch = make_watch()
    asyncio.run(main())
    assert len([r for r in caplog.records if "wait_reader" in r.getMessage()]) <= 1


def test_its_time_counts_as_our_own(loop: str, make_watch: MakeWatch) -> None:
    async def main() -> None:
        watch.start()
        ring(watch)
        await until(lambda: watch._waits.seconds() > 0.0)
        before = watch._waits.seconds()
        assert watch.snapshot().self_seconds >= before
        assert watch._own_cost.of_stalls() >= before

    watch = make_watch()
    run_on(loop, main())
    assert time.thread_time() > 0.0

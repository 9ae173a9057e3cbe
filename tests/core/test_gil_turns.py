"""Threads of ours have turns at the GIL beside a loop that is always busy, in short steps."""

import asyncio
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from loopwatch import LoopWatchMiddleware
from loopwatch.core import gil_turns
from loopwatch.core.gil_turns import (
    FOR_ANSWERS,
    FOR_DELIVERY,
    FOR_WAITS,
    INTERVAL,
    Turns,
    want_no_turns,
    want_turns,
)
from loopwatch.core.speedups import speedups
from loopwatch.records import Stall
from loopwatch.watch.attaching import WATCHDOG
from tests.asgi import visit
from tests.conftest import MakeWatch, block_for, run_on
from tests.ports import HOST, free_port

WITHIN = 10.0  # s; without turns none of this happens before the loop rests
STEP = 0.0003  # s
SCRAPE = """
import sys, urllib.request
assert urllib.request.urlopen(sys.argv[1], timeout=20).status == 200
"""


def spin() -> None:
    ended = time.perf_counter() + STEP
    while time.perf_counter() < ended:
        pass


async def full_until(done: Callable[[], object]) -> bool:
    """Keep the loop full of short steps, which poll without waiting in between; return whether it
    was done in time."""
    ended = time.perf_counter() + WITHIN
    while time.perf_counter() < ended:
        spin()
        if done():
            return True
        await asyncio.sleep(0)
    return False


def test_the_watchdog_looks_again_and_again(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()
    seen = [0.0]

    def looked_again() -> bool:
        if WATCHDOG.seconds != seen[-1]:
            seen.append(WATCHDOG.seconds)
        return len(seen) > 3

    async def main() -> bool:
        watch.start()
        return await full_until(looked_again)

    assert run_on(loop, main())


def test_a_stall_is_delivered(loop: str, make_watch: MakeWatch) -> None:
    told: list[Stall] = []

    class Instrument:
        def stalled(self, stall: Stall) -> None:
            told.append(stall)

    watch = make_watch()
    watch.add_instrument(Instrument())

    async def main() -> bool:
        watch.start()
        await asyncio.sleep(0.05)
        block_for(0.15)
        return await full_until(lambda: told)

    assert run_on(loop, main())


def test_a_request_that_waits_is_seen(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def locked(scope: Any, receive: Any, send: Any) -> None:
        await scope["lock"].acquire()

    async def main() -> bool:
        watch.start()
        lock = asyncio.Lock()
        await lock.acquire()
        app = LoopWatchMiddleware(locked, watch=watch)
        request = asyncio.create_task(visit(app, "/lock", path_template="/lock", lock=lock))
        done = await full_until(lambda: watch.snapshot().waits)
        request.cancel()
        return done

    assert run_on(loop, main())


def test_a_scrape_is_answered(loop: str, make_watch: MakeWatch) -> None:
    port = free_port()
    watch = make_watch(registry=CollectorRegistry(), metrics_port=port)

    async def main() -> bool:
        watch.start()
        await asyncio.sleep(0.2)  # the port is opened meanwhile
        url = f"http://{HOST}:{port}/metrics"
        with subprocess.Popen([sys.executable, "-c", SCRAPE, url]) as scrape:
            done = await full_until(lambda: scrape.poll() is not None)
            scrape.kill()
        return done and scrape.returncode == 0

    assert run_on(loop, main())


class Clock:
    """A clock that a sleep moves on, and that remembers the sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.slept, self.idle = 100.0, 0, 0.0
        monkeypatch.setattr(gil_turns, "clock", lambda: self.now)
        monkeypatch.setattr("loopwatch.core.gil_turns.time.sleep", self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += 1

    def run(self, turns: Turns, seconds: float) -> int:
        """Have a loop end steps of 1 ms for so many s; return how many turns it gave."""
        until, before = self.now + seconds, self.slept
        while self.now < until:
            self.now += 0.001
            if self.now >= turns.due:
                turns.give(self.now, self.idle)
        return self.slept - before


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_nobody_who_wants_none_has_a_turn(clock: Clock) -> None:
    turns = Turns()
    assert clock.run(turns, 1.0) == 0
    turns.want(FOR_WAITS, 1.0)
    turns.want_none(FOR_WAITS)
    assert clock.run(turns, 1.0) == 0
    assert turns.due == math.inf


def test_there_is_one_turn_in_an_interval_while_any_are_wanted(clock: Clock) -> None:
    turns = Turns()
    turns.want(FOR_WAITS, 1.0)
    turns.want(FOR_DELIVERY, 1.0)
    assert clock.run(turns, 0.5) == pytest.approx(0.5 / INTERVAL, rel=0.2)
    turns.want_none(FOR_WAITS)
    assert clock.run(turns, 0.2) == pytest.approx(0.2 / INTERVAL, rel=0.2)
    turns.want_none(FOR_DELIVERY)
    assert clock.run(turns, 0.5) == 0


def test_a_loop_that_has_waited_gives_none(clock: Clock) -> None:
    turns = Turns()
    turns.want(FOR_WAITS, 10.0)
    for _ in range(100):
        clock.idle += 0.001
        assert clock.run(turns, INTERVAL) == 0
    assert clock.run(turns, 1.0) > 100


def test_they_end_by_themselves(clock: Clock) -> None:
    turns = Turns()
    turns.want(FOR_WAITS, 1.0)
    clock.run(turns, 1.1)
    assert clock.run(turns, 1.0) == 0


def test_they_begin_when_the_one_who_wants_them_wakes(clock: Clock) -> None:
    turns = Turns()
    turns.want(FOR_WAITS, 1.0, after=0.5)
    assert clock.run(turns, 0.5) == 0
    assert clock.run(turns, 0.5) > 50


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="Linux counts them")
def test_a_full_loop_sleeps_only_while_turns_are_wanted(loop: str, make_watch: MakeWatch) -> None:
    """Each turn is a sleep. The watchdog has some as well, for a look or two."""
    watch = make_watch()

    async def sleeps() -> int:
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        ended = time.perf_counter() + 0.5
        await full_until(lambda: time.perf_counter() > ended)
        return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.2)
        want_no_turns(FOR_ANSWERS)  # of a test before this one
        none = await sleeps()
        want_turns(FOR_ANSWERS, 60.0, after=60.0)
        later = await sleeps()
        want_turns(FOR_ANSWERS, 60.0)
        wanted = await sleeps()
        want_no_turns(FOR_ANSWERS)
        over = await sleeps()
        assert wanted > 40
        assert max(none, later, over) < 0.5 * wanted

    run_on(loop, main())


@pytest.mark.skipif(not hasattr(resource, "RUSAGE_THREAD"), reason="Linux counts them")
def test_a_loop_that_waits_gives_no_turns(loop: str, make_watch: MakeWatch) -> None:
    """It lets the GIL go in its polls: each of these is one sleep of its thread, as without us."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.2)
        want_turns(FOR_ANSWERS, 60.0)
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
        polls = 0
        ended = time.perf_counter() + 0.5
        while time.perf_counter() < ended:
            spin()
            await asyncio.sleep(0.001)
            polls += 1
        want_no_turns(FOR_ANSWERS)
        slept = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw - before
        assert slept < polls + 40

    run_on(loop, main())


@pytest.mark.skipif(speedups is None, reason="of the compiled part")
@pytest.mark.parametrize("who", [-1, 5])
def test_who_is_not_known_is_refused(who: int) -> None:
    assert speedups is not None
    for ask, more in ((speedups.want_turns, (1.0, 0.0)), (speedups.want_no_turns, ())):
        with pytest.raises(ValueError, match="0 to 4"):
            ask(who, *more)

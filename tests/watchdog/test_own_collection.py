"""A collection on the loop's own thread has its line, also if nobody could look before its end."""

import asyncio
import gc
import threading
import time
from collections.abc import Iterator
from types import CodeType

import pytest

from loopwatch.core.evidence import Spot, ThreadPicture
from loopwatch.watchdog import collecting_threads
from loopwatch.watchdog.collecting_threads import Collection, own_collection
from tests.conftest import MakeWatch, run_on

TRIES = 10
OWN = threading.get_ident()


@pytest.fixture
def objects() -> Iterator[list[object]]:
    """So many that to collect takes some 50 ms or more."""
    made: list[object] = []
    while True:
        made.extend([] for _ in range(200_000))
        began = time.perf_counter()
        gc.collect()
        if time.perf_counter() - began > 0.05:
            break
    yield made
    made.clear()


def collect() -> float:
    began = time.perf_counter()
    gc.collect()
    return time.perf_counter() - began


async def clean() -> None:
    gc.collect()


def test_a_step_that_ends_with_it_has_its_line(
    loop: str, make_watch: MakeWatch, objects: list[object]
) -> None:
    watch = make_watch(slow_callback_duration=0.6 * min(collect() for _ in range(3)))

    async def main() -> None:
        watch.start()
        for _ in range(TRIES):
            await asyncio.sleep(0.1)
            await asyncio.create_task(clean())
        await asyncio.sleep(0.3)

    run_on(loop, main())
    told = [stall for stall in watch.stalls if stall.cause == "gc"]
    assert len(told) == TRIES
    assert [stall.site.code for stall in told] == ["gc.collect()"] * len(told)
    assert all(stall.site.exact for stall in told)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[Collection]:
    known: list[Collection] = []
    monkeypatch.setattr(collecting_threads, "_kept", known)
    return known


def spot(name: str) -> Spot:
    return Spot(compile("", name, "exec"), 0, 1, name)


def collection(began: float, ended: float, thread: int = OWN) -> Collection:
    return Collection(began, ended, thread, ThreadPicture("", 0.0, (APP, LOOP)))


APP, LOOP = spot("app.py"), spot("loop.py")
FLOOR: tuple[CodeType, ...] = (LOOP.code,)


def test_it_is_a_stack_sample_down_to_the_floor(kept: list[Collection]) -> None:
    kept.append(collection(10.1, 10.3))
    (sample,) = own_collection(10.0, 10.3, OWN, FLOOR)
    assert sample.spots == (APP,)
    assert (sample.at, sample.late, sample.sure) == (10.3, True, True)


def test_less_than_half_of_a_step_says_nothing_of_the_rest(kept: list[Collection]) -> None:
    kept.append(collection(10.2, 10.3))
    assert own_collection(10.0, 10.3, OWN, FLOOR) == []


def test_another_threads_is_no_sample_of_the_loops(kept: list[Collection]) -> None:
    kept.append(collection(10.0, 10.3, thread=OWN + 1))
    assert own_collection(10.0, 10.3, OWN, FLOOR) == []


def test_one_that_had_ended_before_is_none(kept: list[Collection]) -> None:
    kept.append(collection(9.0, 9.9))
    assert own_collection(10.0, 10.3, OWN, FLOOR) == []

"""Who made the objects whose garbage was collected on another thread than the loop's."""

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware, Watch
from loopwatch.core.evidence import ThreadPicture
from loopwatch.core.own_thread import OwnThread
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog import collecting_threads
from loopwatch.watchdog.collecting_threads import (
    FORGOTTEN,
    KEPT,
    SHOWN,
    collecting_thread,
    forget_collections,
    note_collection,
)
from loopwatch.watchdog.gc_pauses import GcPauses
from tests.conftest import LOOPS, private_watch, run_on

OWN = threading.get_ident()
LENGTH = 0.1  # s
TRIES = 10


def clean() -> None:
    gc.collect()


LINE = clean.__code__.co_firstlineno + 1


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    collecting_threads._kept.clear()
    yield
    collecting_threads._kept.clear()


def on_thread(work: Callable[[], object], kind: Callable[..., threading.Thread]) -> None:
    thread = kind(target=work, name="cleaner")
    thread.start()
    thread.join()


def own_thread(target: Callable[[], object], name: str) -> threading.Thread:
    return OwnThread(target, name)


def collected(kind: Callable[..., threading.Thread] = threading.Thread) -> ThreadPicture | None:
    """Return the picture of a thread that collected, as long as it took."""
    pauses = GcPauses(lambda generation, seconds: note_collection(max(seconds, LENGTH)))
    pauses.install()
    try:
        on_thread(clean, kind)
    finally:
        pauses.uninstall()
    return collecting_thread(clock() - LENGTH, clock(), OWN)


def test_a_thread_that_collects_is_seen_on_the_line_where_that_began() -> None:
    found = collected()
    assert found is not None
    assert (found.name, found.spots[0].code, found.spots[0].line) == (
        "cleaner",
        clean.__code__,
        LINE,
    )


def test_none_if_the_loop_s_own_thread_collected_longest() -> None:
    on_thread(partial(note_collection, 2 * SHOWN), threading.Thread)
    note_collection(LENGTH)
    assert collecting_thread(clock() - LENGTH, clock(), OWN) is None
    assert collecting_thread(clock() - LENGTH, clock(), OWN + 1) is not None


def test_threads_of_ours_are_innocent_of_what_they_collect() -> None:
    assert collected(own_thread) is None


def test_of_short_collections_and_of_others_nothing_is_kept() -> None:
    on_thread(partial(note_collection, SHOWN / 2), threading.Thread)
    assert not collecting_threads._kept
    on_thread(partial(note_collection, LENGTH), threading.Thread)
    assert collecting_thread(clock() + 1.0, clock() + 2.0, OWN) is None


def test_the_last_few_are_kept_and_for_a_few_seconds() -> None:
    for _ in range(KEPT + 3):
        note_collection(LENGTH)
    assert len(collecting_threads._kept) == KEPT
    forget_collections(clock() + FORGOTTEN / 2)
    assert len(collecting_threads._kept) == KEPT
    forget_collections(clock() + FORGOTTEN + 1.0)
    assert not collecting_threads._kept


def test_a_collection_in_progress_is_looked_at_from_here() -> None:
    pauses, open_, over = GcPauses(lambda *_: None), threading.Event(), threading.Event()

    def hold() -> None:
        pauses("start", {"generation": 0})
        open_.set()
        over.wait(10.0)
        pauses("stop", {"generation": 0})

    thread = threading.Thread(target=hold, name="cleaner")
    thread.start()
    assert open_.wait(10.0)
    found = collecting_thread(clock() - LENGTH, clock() + LENGTH, OWN)
    over.set()
    thread.join()
    assert found is not None
    assert hold.__code__ in [spot.code for spot in found.spots]


def test_a_picture_that_fails_is_our_own_affair(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("no picture")

    monkeypatch.setattr(collecting_threads, "pictured", fails)
    on_thread(partial(note_collection, LENGTH), threading.Thread)
    assert not collecting_threads._kept


# ---------------------------------------------------------------- a watched loop


async def in_a_pool(*_: Any) -> None:
    await asyncio.to_thread(clean)


async def on_a_thread(*_: Any) -> None:
    thread = threading.Thread(target=clean, name="cleaner")
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)


def scope(route: str) -> dict[str, Any]:
    return {"type": "http", "method": "GET", "path": route, "path_template": route}


async def play(watch: Watch, way: Any) -> None:
    """Collect so many times for one request, while others come and go."""
    collects = LoopWatchMiddleware(way, watch=watch)

    async def nap(*_: Any) -> Any:
        await asyncio.sleep(0.001)

    async def traffic() -> None:
        while True:
            await LoopWatchMiddleware(nap, watch=watch)(scope("/nap"), nap, nap)

    other = asyncio.create_task(traffic())
    for _ in range(TRIES):
        await collects(scope("/clean"), nap, nap)
        await asyncio.sleep(0.15)
    other.cancel()


@pytest.mark.slow
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("way", "route"), [(in_a_pool, "/clean"), (on_a_thread, None)])
def test_a_stall_is_of_the_thread_that_collected_and_of_who_waits_for_it(
    loop: str, way: Any, route: str | None
) -> None:
    """A thread that somebody has started by hand works for no request that could be known."""
    heap = [[n] for n in range(2_500_000)]
    with private_watch() as watch:
        run_on(loop, play(watch, way))
    told = [(s.cause, s.site.line, s.site.exact, s.route) for s in watch.stalls]
    assert told.count(("gc", LINE, True, route)) >= TRIES - 1, told
    assert not [each for each in told if each[-1] == "/nap"]
    assert heap

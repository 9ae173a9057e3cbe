"""When the collector ran. What it does on threads of ours uses up nothing of the budget: it is the
app's."""

import gc
import threading
import time

import pytest

from loopwatch.core.own_thread import OwnThread
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog.gc_pauses import OWN_COLLECTIONS, GcPauses, collecting


def collected_on(kind: type[threading.Thread], generation: int = 2) -> tuple[float, float]:
    """Return the CPU seconds that a collection took on a thread: as counted, and in truth."""
    before, took = OWN_COLLECTIONS.seconds, [0.0]

    def collect() -> None:
        began = time.thread_time()
        gc.collect(generation)
        took[0] = time.thread_time() - began

    thread = kind(collect, "collects") if kind is OwnThread else kind(target=collect)
    thread.start()
    thread.join()
    return OWN_COLLECTIONS.seconds - before, took[0]


def test_full_collections_on_our_threads_are_counted_once_and_no_others() -> None:
    pauses = [GcPauses(lambda generation, seconds: None) for _ in range(2)]
    objects: list[object] = [[] for _ in range(200_000)]
    for each in pauses:
        each.install()
    try:
        assert collected_on(threading.Thread)[0] == 0.0
        counted, took = collected_on(OwnThread)
    finally:
        for each in pauses:
            each.uninstall()
    assert counted == pytest.approx(took, rel=0.2)
    del objects


def test_young_collections_on_our_threads_count_if_they_go_over_much_of_the_apps() -> None:
    pauses = GcPauses(lambda generation, seconds: None)
    gc.collect()
    pauses.install()
    try:
        assert collected_on(OwnThread, 0)[0] == 0.0  # nothing but what this test has made
        large = [None] * 5_000_000  # one new object, which a young collection reads whole
        assert collected_on(OwnThread, 0)[0] >= 0.001
    finally:
        pauses.uninstall()
    del large


def test_a_collection_whose_end_is_not_noted_yet_counts_for_a_loop_that_waited_for_it() -> None:
    pauses = GcPauses(lambda generation, seconds: None)
    before = clock()
    pauses("start", {"generation": 2})
    now = clock() + 0.3
    assert collecting(before, now, waiting=True) == pytest.approx(0.3, abs=0.05)
    assert collecting(before, now) == 0.0  # a loop that was busy is not held by it
    pauses("stop", {"generation": 2})
    assert collecting(before, now, waiting=True) < 0.1  # what it took in truth


def test_a_watch_that_leaves_during_a_collection_leaves_none_open() -> None:
    pauses = GcPauses(lambda generation, seconds: None)
    pauses.install()
    pauses("start", {"generation": 2})
    pauses.uninstall()
    assert collecting(clock(), clock() + 1.0, waiting=True) == 0.0

"""Collections on threads of ours are the app's: they use up nothing of the budget."""

import gc
import threading
import time
from functools import partial

from loopwatch.core.own_thread import OwnThread
from loopwatch.watchdog.gc_pauses import OWN_COLLECTIONS, GcPauses


def collected_on(kind: type[threading.Thread], generation: int = 2) -> float:
    """Return the CPU seconds that a collection took on a thread, as they were counted."""
    before = OWN_COLLECTIONS.seconds
    collect = partial(gc.collect, generation)
    thread = kind(collect, "collects") if kind is OwnThread else kind(target=collect)
    thread.start()
    thread.join()
    return OWN_COLLECTIONS.seconds - before


def test_full_collections_on_our_threads_are_counted_once_and_no_others() -> None:
    pauses = [GcPauses(lambda generation, seconds: None) for _ in range(2)]
    objects: list[object] = [[] for _ in range(200_000)]
    for each in pauses:
        each.install()
    try:
        began = time.thread_time()
        gc.collect()
        took = time.thread_time() - began
        assert collected_on(threading.Thread) == 0.0
        counted = collected_on(OwnThread)
    finally:
        for each in pauses:
            each.uninstall()
    assert took / 5 < counted < took * 1.9  # CPU time: not what other processes take
    del objects


def test_young_collections_on_our_threads_count_if_they_go_over_much_of_the_apps() -> None:
    pauses = GcPauses(lambda generation, seconds: None)
    gc.collect()
    pauses.install()
    try:
        assert collected_on(OwnThread, 0) == 0.0  # nothing but what this test has made
        large = [None] * 5_000_000  # one new object, which a young collection reads whole
        assert collected_on(OwnThread, 0) >= 0.001
    finally:
        pauses.uninstall()
    del large

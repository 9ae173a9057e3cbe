"""The garbage collector does not come between the watchdog's waking and its stack samples."""

import gc
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from loopwatch.loop.loop_state import clock
from loopwatch.watchdog.collector import Collector
from loopwatch.watchdog.sleep import COMPILED
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on
from tests.watchdog.counting import backtracking, handle_in, watchdogs
from tests.watchdog.watchers import make_watcher

SLOW = 0.05  # s that a collection of the watchdog's takes, in which others run


@pytest.fixture(scope="module")
def text() -> str:
    return "a" * backtracking() + "b"


@contextmanager
def collections_everywhere(begun: Callable[[], object]) -> Iterator[None]:
    """Have nearly every object that is made begin a collection."""

    def hear(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            begun()

    before = gc.get_threshold()
    gc.callbacks.append(hear)
    gc.set_threshold(1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(hear)


def be_slow_on_the_watchdog() -> None:
    if threading.current_thread() in watchdogs():
        time.sleep(SLOW)


@in_calm
def test_a_collection_does_not_let_the_loop_go_on_before_its_stack_sample(
    loop: str, make_watch: MakeWatch, text: str
) -> None:
    watch = make_watch()

    def keep_gil() -> None:
        watch._waits.end()  # a look that has just begun may get the GIL first as the call ends
        with collections_everywhere(be_slow_on_the_watchdog):
            re.match(r"(a+)+$", text)
            time.sleep(SLOW / 2)

    run_on(loop, handle_in(keep_gil, watch))
    (stall,) = watch.stalls
    assert stall.site.code == 're.match(r"(a+)+$", text)'
    assert gc.isenabled()


@pytest.mark.skipif(not COMPILED, reason="this sleep is compiled")
def test_no_collection_begins_as_the_compiled_sleep_ends() -> None:
    collector, begun, kept, ends = Collector(), [], [], []  # kept: nothing is made of another's
    with closing(make_watcher()) as watcher, collections_everywhere(lambda: begun.append(clock())):
        for _ in range(50):
            kept.append(watcher.wait([clock() + 0.002, {}][0], True))  # one is due by then
            collector.held(kept[-1][-1])
            ends.append((kept[-1][1], clock()))
            collector.let_go()
    assert begun
    assert not [at for at in begun if any(asked < at < held for asked, held in ends)]


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_as_it_was_once_it_is_let_go(on: bool) -> None:
    collector = Collector()
    before = gc.isenabled()
    try:
        (gc.enable if on else gc.disable)()
        collector.hold()
        assert not gc.isenabled()
        collector.let_go()
        assert gc.isenabled() is on
        gc.disable()  # the app's own choice, by now
        collector.let_go()
        assert not gc.isenabled()
    finally:
        (gc.enable if before else gc.disable)()

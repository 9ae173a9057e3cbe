"""The compiled sleep by itself: what ends it, what it refuses, what it reads."""

import math
import os
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loopwatch.core.speedups import speedups
from loopwatch.loop.loop_state import clock
from loopwatch.watchdog import sampler as sampler
from loopwatch.watchdog.keep_alive import KeepAlive
from loopwatch.watchdog.sleep import COMPILED
from tests.watchdog.watchers import (
    linux,
    make_watcher,
)

pytestmark = pytest.mark.skipif(not COMPILED, reason="this sleep is compiled")


def test_the_compiled_sleep_ends_when_it_is_wished_or_rung() -> None:
    with closing(make_watcher()) as watcher:
        began = clock()
        meant, asked, moved, wanted, _ = watcher.wait(began + 0.05)
        assert began + 0.05 <= meant <= asked <= clock()
        assert (moved, wanted) == ([], [])
        threading.Timer(0.05, watcher.ring).start()
        watcher.wait(clock() + 60.0)
        watcher.ring()  # nobody sleeps: the next one ends at once
        watcher.wait(clock() + 60.0)
        assert clock() - began < 30.0


def test_the_compiled_sleep_refuses_what_it_cannot_do() -> None:
    assert speedups is not None
    state = speedups.LoopStateNumbers()
    watcher = make_watcher()
    wrong: Any
    for wrong in ([], (1,), ((state, 0.05),), ((state, 0.05, "clock", -1, -1),)):
        with pytest.raises(TypeError):
            watcher.watch(wrong, 0.08, False)
    with pytest.raises(ValueError, match="at most 8 files"):
        watcher.read_from(-1, tuple(range(9)))
    with pytest.raises(ValueError, match="a keep_alive is a double and a timer"):
        watcher.set_keep_alive(memoryview(bytearray(4)), 5, 0.01)
    assert watcher.before(state) is None
    watcher.close()
    watcher.close()
    watcher.ring()
    with pytest.raises(RuntimeError, match="watches nothing"):
        watcher.wait(clock())


@linux
def test_the_keep_alive_beats_when_the_gil_is_asked_for() -> None:
    keep_alive = KeepAlive()
    with closing(make_watcher()) as watcher:
        watcher.set_keep_alive(keep_alive.due, keep_alive.timer, 60.0)
        assert keep_alive.due[0] == math.inf
        _, asked, *_ = watcher.wait(clock() + 0.01)
        assert keep_alive.due[0] == asked
        keep_alive.rest()
        watcher.set_keep_alive(None, -1, 0.0)
        watcher.wait(clock())
        assert keep_alive.due[0] == math.inf


def test_a_sleep_is_one_thread_s() -> None:
    with closing(make_watcher()) as watcher:
        thread = threading.Thread(target=watcher.wait, args=(clock() + 60.0,))
        thread.start()
        time.sleep(0.1)
        with pytest.raises(RuntimeError, match="somebody waits"):
            watcher.wait(clock())
        with pytest.raises(RuntimeError, match="somebody waits"):
            watcher.watch((), 1.0, False)
        with pytest.raises(RuntimeError, match="somebody waits"):
            watcher.close()
        watcher.ring()
        thread.join()


def test_what_a_loop_polls_may_be_anything() -> None:
    """A descriptor that cannot be polled is left alone."""
    assert speedups is not None
    state = speedups.LoopStateNumbers()
    state.polling, state.mark, state.tick = True, clock() - 1.0, clock() - 1.0
    with closing(make_watcher()) as watcher:
        watcher.watch(((state, 0.05, None, -1, -1, 1_000_000),), 0.02, False)
        began = clock()
        for _ in range(3):
            watcher.wait(clock() + 0.2)
        assert clock() - began < 5.0
        at, *_ = watcher.before(state)
        assert began <= at <= clock()


@pytest.mark.skipif(not Path("/proc/self/syscall").exists(), reason="needs Linux' /proc")
def test_the_compiled_sleep_knows_what_a_thread_waits_for() -> None:
    """This thread holds no loop; the other one, which does as far as the state says, sleeps."""
    assert speedups is not None
    state, over = speedups.LoopStateNumbers(), threading.Event()
    state.polling, state.mark, state.tick = False, clock() - 1.0, clock() - 1.0
    found = {}
    for name, wait in {"sleep": lambda: time.sleep(0.3), "lock": lambda: over.wait(0.3)}.items():
        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.05)
        call = os.open(f"/proc/self/task/{thread.native_id}/syscall", os.O_RDONLY)
        try:
            with closing(make_watcher()) as watcher:
                watcher.watch(((state, 0.05, None, -1, call, -1),), 0.02, False)
                watcher.wait(clock() + 0.2)
                found[name] = watcher.glimpse(state)
        finally:
            thread.join()
            os.close(call)
    assert found == {"sleep": (0.0, True), "lock": (0.0, False)}

"""Other threads' frames are walked without the collector."""

import gc
import subprocess
import sys
import textwrap
import threading
from types import FrameType
from weakref import ref

import pytest

from loopwatch.core.frames import UNSAFE, Still, running_frame, variables
from tests.conftest import CHECKOUT

only_unsafe = pytest.mark.skipif(not UNSAFE, reason="the collector runs between bytecodes")


@only_unsafe
def test_no_collection_begins_inside_and_thresholds_come_back() -> None:
    before, still = gc.get_threshold(), Still()
    with still:
        assert gc.get_threshold()[0] == 0
        with still:
            assert gc.get_threshold()[0] == 0
        assert gc.get_threshold()[0] == 0
        assert gc.isenabled()
    assert gc.get_threshold() == before


@only_unsafe
def test_thresholds_set_meanwhile_stay() -> None:
    before, still = gc.get_threshold(), Still()
    try:
        with still:
            gc.set_threshold(123, 4, 5)
        assert gc.get_threshold() == (123, 4, 5)
    finally:
        gc.set_threshold(*before)


@only_unsafe
def test_whoever_is_inside_last_restores() -> None:
    before, still = gc.get_threshold(), Still()
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with still:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with still:
        thread.start()
        assert inside.wait(10)
    assert gc.get_threshold()[0] == 0
    leave.set()
    thread.join(10)
    assert gc.get_threshold() == before


@only_unsafe
def test_a_forked_child_collects_again() -> None:
    before, still = gc.get_threshold(), Still()
    still.__enter__()
    still.abandon()
    assert gc.get_threshold() == before


CRASHES = """
    import gc, sys, threading, time
    from loopwatch.core.frames import STILL
    from loopwatch.watchdog.stack_sample import sample_stack

    gc.set_threshold(20, 3, 3)
    gc.callbacks.append(lambda *_: time.sleep(0.00002))  # lets the other thread run

    def make(size):
        names = "".join(f"    v{n} = len\\n" for n in range(size))
        text = f"def f(n, fs):\\n{names}    return fs[n % len(fs)](n - 1, fs) if n else [[]] * 5"
        space = {}
        exec(text, space)
        return space["f"]

    functions = [make(size) for size in (0, 1, 2, 3, 5, 7, 11, 17, 23)]
    going = True

    def work():
        while going:
            for n in range(1, 60):
                functions[n % 9](n, functions)

    thread = threading.Thread(target=work)
    thread.start()
    seen, end = 0, time.monotonic() + 4
    while time.monotonic() < end:
        with STILL:
            seen += len(sample_stack(thread.ident))
        garbage = [[] for _ in range(30)]
    going = False
    thread.join()
    print(seen)
"""


def test_stack_sample_of_a_busy_thread_while_the_collector_runs_do_not_crash() -> None:
    script = textwrap.dedent(CRASHES)
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 1000


class Thing:
    """What an app's function makes and drops."""


def test_a_variable_is_read_and_nothing_that_the_frame_drops_later_is_kept() -> None:
    made, dropped, end = threading.Event(), threading.Event(), threading.Event()
    read = threading.Event()
    things: list[ref[Thing]] = []

    def work(name: str) -> None:
        thing = Thing()
        things.append(ref(thing))
        made.set()
        read.wait(10.0)
        del thing
        dropped.set()
        end.wait(10.0)

    thread = threading.Thread(target=work, args=("shop",))
    thread.start()
    assert made.wait(10.0)
    frame = frame_of(thread, work.__code__)
    assert variables(frame, "name", "unknown") == ("shop", None)
    read.set()
    assert dropped.wait(10.0)
    assert things[0]() is None
    assert frame.f_lineno > 0  # it goes on
    end.set()
    thread.join()


def frame_of(thread: threading.Thread, code: object) -> FrameType:
    with Still():
        frame = running_frame(thread.ident or 0)
        while frame is not None and frame.f_code is not code:
            frame = frame.f_back
    assert frame is not None
    return frame

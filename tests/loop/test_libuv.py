"""libuv's poll as both twins see it: where it begins and ends, on a loop of uvloop's."""

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from loopwatch.core.speedups import speedups
from loopwatch.ledger.step_table import StepRow
from loopwatch.loop.libuv import Libuv
from loopwatch.loop.loop_state import LoopState, clock
from loopwatch.loop.scheduling import METHODS, TIME, Scheduling
from tests.conftest import run_on, run_script

pytest.importorskip("uvloop")


def a_state(loop: Any) -> LoopState:
    return LoopState(loop, 0.1, lambda *_: None, lambda *_: None, lambda *_: StepRow("any"))


def polled(main: Callable[[LoopState], Any]) -> None:
    """Run `main(state)` on a uvloop loop whose poll is told to the loop state."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        state = a_state(loop)
        poll, scheduling = Libuv(loop).open(state), Scheduling(state, METHODS | TIME)
        scheduling.install()
        try:
            await asyncio.sleep(0.01)
            await main(state)
        finally:
            scheduling.uninstall()
            poll.close()
            poll.close()  # once more does no harm
            await asyncio.sleep(0.01)

    run_on("uvloop", run())


def test_busy_and_idle_add_up_to_the_wall() -> None:
    async def main(state: LoopState) -> None:
        began, before = clock(), state.position(clock())
        for _ in range(5):
            await asyncio.sleep(0.04)
            time.sleep(0.02)
        now = clock()
        turns, idle, since = state.position(now)
        assert turns > before[0] + 5
        assert idle - before[1] == pytest.approx(now - began - 0.1, abs=0.01)
        assert since is not None
        assert now - since == pytest.approx(0.02, abs=0.005)

    polled(main)


def test_a_poll_that_a_signal_ends_has_waited_until_then() -> None:
    """libuv begins to count anew, and what it had is not lost."""

    async def main(state: LoopState) -> None:
        old = signal.signal(signal.SIGUSR1, lambda *_: None)
        began, before = clock(), state.position(clock())[1]
        for n in range(1, 5):
            threading.Timer(0.05 * n, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        await asyncio.sleep(0.3)
        now = clock()
        signal.signal(signal.SIGUSR1, old)
        assert now - began - (state.position(now)[1] - before) < 0.03

    polled(main)


def test_what_runs_after_the_poll_in_its_phase_is_busy() -> None:
    """A reader's callback runs inside libuv's poll, and its timer sets the loop's time
    meanwhile."""

    async def main(state: LoopState) -> None:
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        seen = loop.create_future()

        def read() -> None:
            time.sleep(0.05)
            loop.call_later(1, int).cancel()
            loop.time()
            time.sleep(0.05)
            turn = state.position(clock())
            loop.remove_reader(reading)
            seen.set_result(turn)

        loop.add_reader(reading, read)
        before = state.position(clock())[1]
        threading.Timer(0.1, os.write, (writing, b"x")).start()
        _, idle, since = await seen
        assert since is not None, "the poll was over"
        assert idle - before == pytest.approx(0.1, abs=0.03)
        assert clock() - since >= 0.095
        os.close(reading)
        os.close(writing)

    polled(main)


def test_the_loop_closes_once_its_handles_are_closed() -> None:
    """uvloop takes open handles for its own, and libuv would not close with any."""
    printed = run_script("""
        import asyncio, gc, uvloop
        from loopwatch.loop.libuv import Libuv
        from tests.loop.test_libuv import a_state

        for _ in range(200):
            loop = uvloop.new_event_loop()
            state = a_state(loop)
            poll = Libuv(loop).open(state)
            loop.run_until_complete(asyncio.sleep(0))
            poll.detach()
            loop.run_until_complete(asyncio.sleep(0))
            poll.close()
            loop.close()
            del poll, state
        gc.collect()
        print("closed")
    """)
    assert printed.split() == ["closed"]


@pytest.mark.skipif(speedups is None, reason="the compiled part was not built")
def test_a_poll_is_parted_on_another_thread_while_libuv_calls_it() -> None:
    """Nothing that a callback uses is taken away, or freed, while it runs."""
    printed = run_script("""
        import asyncio, sys, threading, time, uvloop
        from loopwatch.loop.libuv import Libuv
        from tests.loop.test_libuv import a_state

        sys.setswitchinterval(1e-6)
        polls, parted, over = [], 0, threading.Event()

        def part():
            while not over.is_set():
                if polls:
                    polls[-1].detach()
                time.sleep(0)

        async def main():
            global parted
            loop, until = asyncio.get_running_loop(), time.monotonic() + 2
            threads = [threading.Thread(target=part) for _ in range(2)]
            for thread in threads:
                thread.start()
            while time.monotonic() < until:
                state = a_state(loop)
                poll = Libuv(loop).open(state)
                polls.append(poll)
                for _ in range(20):
                    await asyncio.sleep(0)
                polls.clear()
                poll.close()
                del poll, state
                parted += 1
            over.set()
            for thread in threads:
                thread.join()

        uvloop.run(main())
        print(parted > 100)
    """)
    assert printed.split() == ["True"]


def test_a_loop_that_is_closed_past_us_says_so_and_lives() -> None:
    """Whoever calls the class's own `close` is told that a handle is open; nothing crashes."""
    printed = run_script("""
        import asyncio, logging, uvloop
        from loopwatch.loop.libuv import Libuv
        from tests.loop.test_libuv import a_state

        logging.disable(logging.CRITICAL)
        loop = uvloop.new_event_loop()
        poll = Libuv(loop).open(a_state(loop))
        loop.run_until_complete(asyncio.sleep(0))
        try:
            loop.close()
        except OSError:
            print("refused")
        else:
            print("closed")
    """)
    assert printed.split()[0] == "refused"


@pytest.mark.skipif(speedups is None, reason="the compiled twin was not built")
def test_the_compiled_poll_refuses_what_it_cannot_watch() -> None:
    assert speedups is not None
    state = a_state(None)
    for wrong in ((), (state, 1, (1, 2), 128, 128), (state, 0, (0,) * 10, 128, 128)):
        with pytest.raises((TypeError, ValueError)):
            speedups.LibuvPoll(*wrong)


def test_the_twin_in_python_sees_the_same() -> None:
    printed = run_script("""
        import sys
        sys.modules["loopwatch._speedups"] = None
        from tests.loop import test_libuv
        test_libuv.test_busy_and_idle_add_up_to_the_wall()
        test_libuv.test_the_loop_closes_once_its_handles_are_closed()
        print("the same")
    """)
    assert printed.split() == ["the", "same"]

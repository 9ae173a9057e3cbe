"""A uvloop loop: what is put on it and taken off again, and what is said of it."""

import asyncio
import gc
import os
import signal
import threading
import time
import weakref
from typing import Any

import pytest

from loopwatch import LoopWatchMiddleware
from loopwatch.loop.step_timing import COMPILED
from tests.asgi import answer, visit
from tests.calm import in_calm
from tests.conftest import MakeWatch, private_watch, run_on, run_script, spin_for, watchdog_round

pytest.importorskip("uvloop")


@in_calm
def test_many_short_ticks_are_short(make_watch: MakeWatch) -> None:
    """2,000 callbacks of 0.5 ms, one a tick: nobody waited longer than about that."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        loop = asyncio.get_running_loop()
        done = loop.create_future()

        def turn(left: int) -> None:
            spin_for(0.0005)
            if left:
                loop.call_soon(turn, left - 1)
            else:
                done.set_result(None)

        loop.call_soon(turn, 1_999)
        await done
        await watchdog_round()

    run_on("uvloop", main())
    assert watch.stalls == ()
    assert watch.snapshot().lag.quantile(0.95) < 0.005


@pytest.mark.skipif(not COMPILED, reason="the twin knows when the poll ended less well")
@in_calm
def test_the_handler_of_a_signal_in_the_poll_begins_at_most_a_millisecond_too_early(
    make_watch: MakeWatch,
) -> None:
    """libuv loses its count of the poll then, and has its own time in whole ms."""
    watch, sent = make_watch(), list[float]()

    def send() -> None:
        sent.append(time.time())
        os.kill(os.getpid(), signal.SIGUSR1)

    async def main() -> None:
        watch.start()
        for _ in range(5):
            threading.Timer(0.05, send).start()
            await asyncio.sleep(0.3)

    before = signal.signal(signal.SIGUSR1, lambda *_: time.sleep(0.12))
    try:
        run_on("uvloop", main())
    finally:
        signal.signal(signal.SIGUSR1, before)
    early = [at - s.started_at for at, s in zip(sent, watch.stalls, strict=True)]
    assert all(-0.005 < seconds < 0.0011 for seconds in early), early


@in_calm
def test_slow_callbacks_one_right_after_the_other_each_have_a_line(make_watch: MakeWatch) -> None:
    """No idle moment in between: each in a tick of its own, each sampled."""
    watch = make_watch()

    def first() -> None:
        time.sleep(0.13)

    def second() -> None:
        time.sleep(0.14)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.1)
        for callback in (first, second, first, second):
            asyncio.get_running_loop().call_soon(callback)
            await asyncio.sleep(0.001)
        await watchdog_round()

    run_on("uvloop", main())
    assert [stall.site.code for stall in watch.stalls] == [
        *("time.sleep(0.13)", "time.sleep(0.14)", "time.sleep(0.13)", "time.sleep(0.14)")
    ]


@in_calm
def test_loops_come_and_go_while_the_watchdog_reads() -> None:
    """200 loops made and closed under watch: reading a closed one would crash the process."""
    watch = private_watch(slow_callback_duration=0.004)  # the watchdog looks every 2 ms

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.002)
        watch.snapshot()

    try:
        for _ in range(200):
            run_on("uvloop", main())
        assert watch.snapshot().loops == ()
    finally:
        watch.stop()


def test_what_cannot_be_seen_is_said(make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> None:
        watch.start()
        (reading,) = watch.snapshot().loops
        assert reading.loop == "uvloop"
        assert reading.blind
        assert {"ticks", "callbacks"} <= {*reading.layers}

    run_on("uvloop", main())


def test_everything_is_put_back_by_identity(make_watch: MakeWatch) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        loop.call_soon = mine = wrapped(loop.call_soon)
        watch = make_watch()
        watch.start()
        assert loop.call_soon is not mine
        await asyncio.sleep(0)
        watch.stop()
        assert loop.call_soon is mine
        assert {*vars(loop)} == {"call_soon"}
        del loop.call_soon
        await asyncio.sleep(0.01)

    run_on("uvloop", main())


def test_what_others_wrap_over_ours_goes_on_working(make_watch: MakeWatch) -> None:
    """After `stop` it calls through, and nothing is timed any more."""
    watch, called = make_watch(), list[int]()

    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        watch.start()
        loop.call_later = over = wrapped(loop.call_later)
        await asyncio.sleep(0.01)
        watch.stop()
        assert loop.call_later is over
        loop.call_later(0.001, called.append, 1)
        await asyncio.sleep(0.02)
        assert called == [1]

    run_on("uvloop", main())


def test_a_stop_from_another_thread_waits_for_the_loop_to_give_its_handles_back(
    make_watch: MakeWatch,
) -> None:
    async def main() -> None:
        loop: Any = asyncio.get_running_loop()
        watch = make_watch()
        watch.start()
        await asyncio.to_thread(watch.stop)
        await asyncio.sleep(0.01)
        assert vars(loop) == {}

    for _ in range(20):
        run_on("uvloop", main())


def test_a_subprocess_is_forked_without_a_word() -> None:
    """uvloop forks, and runs Python's own hooks in the child before its new program begins."""
    printed = run_script(
        """
        import asyncio, os, uvloop
        from loopwatch import Watch

        async def main():
            os.dup2(1, 2)
            with Watch():
                for _ in range(3):
                    await asyncio.sleep(0.3)  # the watchdog sleeps by now
                    child = await asyncio.create_subprocess_exec("true")
                    print(await child.wait(), flush=True)

        uvloop.run(main())
        """
    )
    assert printed.split() == ["0", "0", "0"]


def test_nothing_keeps_a_loop_that_was_stopped(make_watch: MakeWatch) -> None:
    async def main() -> "weakref.ref[Any]":
        loop: Any = asyncio.get_running_loop()
        app = LoopWatchMiddleware(answering_app, watch=watch)
        await asyncio.ensure_future(visit(app))
        await asyncio.ensure_future(visit(app))
        apps.append(app)
        return weakref.ref(loop)

    watch, apps = make_watch(), list[Any]()
    for kind in ("asyncio", "uvloop"):
        left = run_on(kind, main())
        gc.collect()
        assert left() is None, kind


async def answering_app(scope: Any, receive: Any, send: Any) -> None:
    scope["path_template"] = "/"
    await answer(send)


def wrapped(method: Any) -> Any:
    def wrapper(*arguments: Any, **named: Any) -> Any:
        return method(*arguments, **named)

    return wrapper

"""A watchdog in deep sleep misses nothing that comes then, and is whole after a fork."""

import asyncio
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.core.record_types import Stall
from loopwatch.watchdog import sampler as sampler
from loopwatch.watchdog.sleep import COMPILED
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on, run_script
from tests.watchdog.counting import backtracking
from tests.watchdog.watchers import (
    AWAKE,
    block,
    once_asleep,
)

pytestmark = [
    pytest.mark.skipif(not COMPILED, reason="this sleep is compiled"),
    pytest.mark.usefixtures("soon_left_alone"),
]


TRIES = 5


class Blocking(asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        block()


async def begin_callback(make: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    once_asleep(lambda: loop.call_soon_threadsafe(make))


async def begin_task(make: Callable[[], object]) -> None:
    async def task() -> None:
        make()

    loop = asyncio.get_running_loop()
    once_asleep(lambda: loop.call_soon_threadsafe(lambda: loop.create_task(task())))


async def begin_timer(make: Callable[[], object]) -> None:
    asyncio.get_running_loop().call_later(AWAKE + 0.5, make)


async def begin_reader(make: Callable[[], object]) -> None:
    """libuv runs readers within its poll."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)

    def read() -> None:
        ours.recv(16)
        loop.remove_reader(ours)
        ours.close()
        theirs.close()
        make()

    loop.add_reader(ours, read)
    once_asleep(lambda: theirs.send(b"x"))


async def begin_protocol(make: Callable[[], object]) -> None:
    """libuv runs protocols within its poll too, after it has read their sockets."""
    ours, theirs = socket.socketpair()

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            self.transport.abort()
            theirs.close()
            make()

    await asyncio.get_running_loop().create_connection(Protocol, sock=ours)
    once_asleep(lambda: theirs.send(b"x"))


BEGINNINGS = (begin_callback, begin_task, begin_timer, begin_reader, begin_protocol)


def stalls_after(loop: str, watch: Watch, begin: Any, make: Callable[[], object]) -> list[Stall]:
    """Return the stalls of a process that was idle, until `begin` had `make` called."""

    async def main() -> None:
        watch.start()
        made = asyncio.Event()

        def making() -> None:
            make()
            made.set()

        await begin(making)
        await asyncio.wait_for(made.wait(), 20.0)
        await asyncio.sleep(0.1)

    run_on(loop, main())
    return list(watch.stalls)


@pytest.mark.parametrize("begin", BEGINNINGS)
@in_calm
def test_a_stall_right_after_a_long_sleep_has_its_line(
    loop: str, begin: Any, make_watch: MakeWatch
) -> None:
    (stall,) = stalls_after(loop, make_watch(), begin, block)
    assert 0.14 < stall.duration < 0.2
    assert stall.site.function == f"{block.__module__}.block"
    assert stall.site.code == "time.sleep(0.15)"
    assert stall.site.exact
    assert stall.cause == "blocking_call"


@in_calm
def test_c_code_that_keeps_the_gil_right_after_a_long_sleep_is_known(
    loop: str, make_watch: MakeWatch
) -> None:
    """The watchdog asked for the GIL in time, and knows for how long it did in vain."""
    letters = backtracking()
    native = re.compile(r"(a+)+$").match
    (stall,) = stalls_after(loop, make_watch(), begin_callback, lambda: native("a" * letters + "b"))
    assert stall.cause == "native_gil"
    assert stall.duration > 0.2


@pytest.mark.slow
def test_a_loop_kept_from_leaving_its_poll_after_a_long_sleep_is_seen(loop: str) -> None:
    """Its timer is due while another thread's C code keeps the GIL. Who it was is known unless the
    watchdog gets the GIL last: about one time in ten."""
    named = 0
    for _ in range(TRIES):
        cause, duration, *holders = run_script(KEPT, loop).split()
        assert cause in ("gil_contention", "starved")
        assert float(duration) > 0.12
        named += holders == ["keeper"]
    assert named >= 2


KEPT = """
    import asyncio, re, sys, threading, time
    from loopwatch.watchdog import sampler as sampler
    from tests.conftest import private_watch, run_on
    from tests.watchdog.counting import backtracking

    sampler.LIVELY = 0.1
    letters, idle = backtracking() + 1, 1.2
    watch = private_watch()

    def keep():
        re.match(r"(a+)+$", "a" * letters + "b")

    async def main():
        watch.start()
        keeper = threading.Timer(idle - 0.1, keep)
        keeper.name = "keeper"
        keeper.start()
        await asyncio.sleep(idle)
        await asyncio.sleep(0.2)

    run_on(sys.argv[1], main())
    stall = watch.stalls[-1]
    print(stall.cause, stall.duration, *(holder.thread for holder in stall.gil_holders))
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to threads here")
@in_calm
def test_a_signal_s_handler_in_the_poll_of_a_long_sleep_is_seen(
    loop: str, make_watch: MakeWatch
) -> None:
    before = signal.signal(signal.SIGUSR1, interrupted)
    try:
        stalls = stalls_after(loop, make_watch(), begin_signal, lambda: None)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert [stall.site.function for stall in stalls] == [f"{block.__module__}.block"]


def interrupted(*_: object) -> None:
    block()
    block()


async def begin_signal(make: Callable[[], object]) -> None:
    loop, main = asyncio.get_running_loop(), threading.main_thread().ident or 0

    def interrupt() -> None:
        signal.pthread_kill(main, signal.SIGUSR1)
        time.sleep(0.5)
        loop.call_soon_threadsafe(make)

    once_asleep(interrupt)


def test_a_loop_added_to_a_deep_sleep_is_seen_at_once(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def other() -> None:
        watch.start()
        block()
        await asyncio.sleep(0.1)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(AWAKE + 0.3)
        await asyncio.to_thread(run_on, loop, other())

    run_on(loop, main())
    (stall,) = watch.stalls
    assert stall.site.function == f"{block.__module__}.block"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@in_calm
def test_a_fork_from_a_deep_sleep_leaves_both_whole(loop: str) -> None:
    assert run_script(FORKED, loop).split() == ["block", "0", "block"]


FORKED = """
    import asyncio, os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: fork with threads about
    from loopwatch.watchdog import sampler as sampler
    from tests.conftest import private_watch, run_on
    from tests.forking import fork

    sampler.LIVELY = 0.1
    watch = private_watch()

    def block():
        time.sleep(0.15)

    async def idle_then_block():
        watch.start()
        await asyncio.sleep(1.0)
        block()
        await asyncio.sleep(0.2)

    def child():
        assert not any("watchdog" in t.name for t in threading.enumerate())
        asyncio.events._set_running_loop(None)
        run_on(sys.argv[1], idle_then_block())
        (stall,) = watch.stalls
        assert stall.site.function == "__main__.block", stall
        watch.stop()

    async def main():
        await idle_then_block()
        print(watch.stalls[-1].site.function.rpartition(".")[2], flush=True)
        await asyncio.sleep(1.0)
        pid = fork(child)
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        print(os.waitstatus_to_exitcode(status))
        await idle_then_block()
        print(watch.stalls[-1].site.function.rpartition(".")[2])

    run_on(sys.argv[1], main())
"""

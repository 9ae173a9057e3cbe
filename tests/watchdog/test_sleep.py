"""The watchdog sleeps while the loops do, and misses nothing that comes right after."""

import asyncio
import gc
import math
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from loopwatch import Watch
from loopwatch.core.record_types import Stall
from loopwatch.core.speedups import speedups
from loopwatch.loop.loop_state import LoopState, clock
from loopwatch.watch.watched_loop import LOOPS
from loopwatch.watchdog import sampler as sampler
from loopwatch.watchdog.keep_alive import KeepAlive
from loopwatch.watchdog.sleep import COMPILED
from tests.calm import in_calm
from tests.conftest import MakeWatch, private_watch, run_on, run_script
from tests.watchdog.test_watchdog import backtracking, watchdogs

pytestmark = pytest.mark.skipif(not COMPILED, reason="this sleep is compiled")
linux = pytest.mark.skipif(sys.platform != "linux", reason="wakes are counted by Linux")

LIVELY = 0.1  # s, for these tests
AWAKE = 0.7  # s after which a loop that is new, or did something, has been looked at
TRIES = 5


@pytest.fixture(autouse=True)
def soon_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampler, "LIVELY", LIVELY)


def block() -> None:
    time.sleep(0.15)


def wakes() -> int:
    """Return how often the watchdog has gone to sleep so far."""
    (thread,) = watchdogs()
    status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    (count,) = re.findall(r"^voluntary_ctxt_switches:\s*(\d+)", status, re.MULTILINE)
    return int(count)


def cpu_seconds() -> float:
    (thread,) = watchdogs()
    return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))


def once_asleep(then: Callable[[], object]) -> None:
    """Call a function, on a thread of its own, when the watchdog sleeps deeply."""
    state: Any = LOOPS[asyncio.get_running_loop()].state

    def wait() -> None:
        while not state.asleep:
            time.sleep(0.05)
        time.sleep(0.3)  # it makes sure for a period
        then()

    threading.Thread(target=wait, name="waker", daemon=True).start()


@linux
def test_an_idle_process_is_left_alone(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    def counted() -> tuple[int, float]:
        time.sleep(AWAKE)
        wakes_before, cpu_before = wakes(), cpu_seconds()
        time.sleep(2.0)
        return wakes() - wakes_before, cpu_seconds() - cpu_before

    async def main() -> tuple[int, float]:
        watch.start()
        return await asyncio.to_thread(counted)

    count, cpu = run_on(loop, main())
    assert count <= 2 * 2
    assert cpu < 0.002


@pytest.mark.slow
@linux
def test_many_idle_loops_in_as_many_threads_are_too(loop: str, make_watch: MakeWatch) -> None:
    watch, loops, ended = make_watch(), 20, threading.Event()
    ready = threading.Semaphore(0)

    async def main() -> None:
        watch.start()
        ready.release()
        await asyncio.get_running_loop().run_in_executor(None, ended.wait)

    threads = [threading.Thread(target=run_on, args=(loop, main())) for _ in range(loops)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire()
    time.sleep(AWAKE)
    before = wakes()
    time.sleep(2.0)
    count = wakes() - before
    ended.set()
    for thread in threads:
        thread.join()
    assert count <= 2 * 2


@pytest.mark.slow
@linux
def test_a_loop_that_wakes_often_costs_no_look_each(loop: str, make_watch: MakeWatch) -> None:
    """The watchdog glances about each period, and wakes Python now and then."""
    watch = make_watch()

    async def main() -> tuple[int, int]:
        watch.start()
        await asyncio.sleep(AWAKE)
        looks, before = len(LOOPS[asyncio.get_running_loop()].clocks._readings), wakes()
        for _ in range(40):
            await asyncio.sleep(0.05)
        now = len(LOOPS[asyncio.get_running_loop()].clocks._readings)
        return now - looks, wakes() - before

    readings, count = run_on(loop, main())
    assert 2 <= readings <= 16  # two a look
    assert count <= 2 * 50  # and at the random moments of samples of its time


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
    assert stall.site.function == f"{__name__}.block"
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
    from tests.watchdog.test_watchdog import backtracking

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
    assert [stall.site.function for stall in stalls] == [f"{__name__}.block"]


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


def test_stop_ends_a_deep_sleep_at_once(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch()

    async def main() -> float:
        watch.start()
        await asyncio.sleep(AWAKE + 0.3)
        (thread,) = watchdogs()
        began = time.perf_counter()
        watch.stop()
        assert not thread.is_alive()
        return time.perf_counter() - began

    assert run_on(loop, main()) < 1.0
    assert watchdogs() == []


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
    assert stall.site.function == f"{__name__}.block"


def test_a_watch_that_is_over_leaves_no_state_behind(loop: str) -> None:
    async def main(watch: Watch) -> None:
        watch.start()
        await asyncio.sleep(0.1)
        block()
        await asyncio.sleep(0.1)
        watch.stop()

    def states() -> int:
        gc.collect()
        return sum(type(one) is LoopState for one in gc.get_objects())

    before = states()
    for _ in range(3):
        run_on(loop, main(private_watch()))
    assert states() <= before


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


def make_watcher() -> Any:
    assert speedups is not None
    watcher = speedups.Watcher(0.02)
    watcher.watch((), 0.08, False)
    return watcher


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

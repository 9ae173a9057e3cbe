"""What a thread waits for, and who could end that: found while it waits, without a reference."""

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from loopwatch.core.evidence import Wait
from loopwatch.core.speedups import speedups
from loopwatch.explain.blocker import is_certain, is_deadlock, sentence
from loopwatch.explain.site import DEFAULT
from loopwatch.watchdog.blockers import blocker
from loopwatch.watchdog.other_threads import OtherThreads
from tests.conftest import run_on

pytestmark = pytest.mark.skipif(speedups is None, reason="only C sees what names mean elsewhere")

PLAIN = threading.Lock()


class Service:
    """Has its lock as an attribute, as most have. Nobody holds it for longer than a test."""

    def __init__(self, lock: Any) -> None:
        self._lock = lock
        self.holding, self.let_go = threading.Event(), threading.Event()

    def enter(self) -> None:
        with self._lock:
            pass

    def acquire(self) -> None:
        self._lock.acquire()
        self._lock.release()

    def hold(self) -> None:
        with self._lock:
            self._wait()

    def keep(self) -> None:
        self._lock.acquire()
        try:
            self._wait()
        finally:
            self._lock.release()

    def _wait(self) -> None:
        self.holding.set()
        self.let_go.wait(20)


def enter_global() -> None:
    with PLAIN:
        pass


@contextmanager
def waiting(
    service: Service, wait: Callable[[], Any], hold: Callable[[], Any] | None = None
) -> Iterator[int]:
    """Have one thread hold what another one waits for; that one's id."""
    holder = threading.Thread(target=hold or service.hold, name="holder")
    waiter = threading.Thread(target=wait, name="waiter")
    holder.start()
    try:
        assert service.holding.wait(10)
        waiter.start()
        yield waiter.ident or 0
    finally:
        service.let_go.set()
        holder.join(20)
        waiter.join(20)


def found(thread: int, loop: Any = None) -> Wait:
    """Return what a thread waits for, once it does; of a loop, once that is a deadlock."""
    until = time.monotonic() + 10
    while (wait := blocker(loop, thread)) is None or (loop is not None and not is_deadlock(wait)):
        assert time.monotonic() < until, "nothing was found"
        time.sleep(0.01)
    return wait


def said(wait: Wait) -> str:
    return sentence(wait, DEFAULT)


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition])
@pytest.mark.parametrize("how", ["enter", "acquire"])
def test_a_lock_names_the_thread_that_has_it(make: Callable[[], Any], how: str) -> None:
    service = Service(make())
    with waiting(service, getattr(service, how)) as thread:
        wait = found(thread)
        assert said(wait).startswith("waits for a lock held by thread 'holder' at ")
        assert said(wait).endswith("self.let_go.wait(20)")
    assert (is_certain(wait), is_deadlock(wait)) == (True, False)


def test_a_global_lock() -> None:
    with waiting(Service(PLAIN), enter_global) as thread:
        assert said(found(thread)).startswith("waits for a lock held by thread 'holder'")


def test_whoever_has_acquired_a_lock_and_not_given_it_back_is_likely_to_have_it() -> None:
    service = Service(threading.Lock())
    with waiting(service, service.enter, service.keep) as thread:
        wait = found(thread)
    assert said(wait).startswith("waits for a lock probably held by thread 'holder'")
    assert not is_certain(wait)


def test_another_lock_of_the_same_name_is_not_meant() -> None:
    """And who waits for the lock as well does not have it."""
    service, other = Service(threading.Lock()), Service(threading.Lock())
    third = threading.Thread(target=service.acquire, name="third")
    with waiting(other, other.enter), waiting(service, service.enter, service.keep) as thread:
        third.start()
        wait = found(thread)
        assert wait.holder == "holder"
        assert Service.keep.__code__ in [spot.code for spot in wait.spots]
    third.join(20)


def test_nothing_is_said_of_what_is_not_known() -> None:
    """A lock that nobody is seen to hold, an event, a semaphore, a nap."""
    lock, event, semaphore = threading.Lock(), threading.Event(), threading.Semaphore(0)
    lock.acquire()
    locks = {"a": lock}

    def acquire() -> None:
        with locks["a"]:
            pass

    waits = (lock.acquire, acquire, event.wait, semaphore.acquire)
    threads = [threading.Thread(target=wait, daemon=True) for wait in waits]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert [blocker(None, thread.ident or 0) for thread in threads] == [None] * 4
    event.set()
    semaphore.release()
    lock.release()
    threads[0].join(20)
    lock.release()
    for thread in threads[1:]:
        thread.join(20)
        assert not thread.is_alive()


def test_the_end_of_a_thread() -> None:
    service = Service(threading.Lock())

    def join() -> None:
        next(t for t in threading.enumerate() if t.name == "holder").join(20)

    with waiting(service, join) as thread:
        wait = found(thread)
    assert said(wait).startswith("waits for the end of thread 'holder' at ")


def test_nothing_is_kept() -> None:
    class Kept(Service):
        pass

    service: Any = Kept(threading.Lock())
    with waiting(service, service.enter) as thread:
        found(thread)
    gone = weakref.ref(service)
    del service
    gc.collect()
    assert gone() is None


# ---------------------------------------------------------------- of a loop


def seen_from_outside(loop: str, main: Callable[[Callable[[], None]], Any], end: Any) -> Wait:
    """Run a coroutine that holds its loop until `end` is called; what it waits for."""
    began, told = threading.Event(), list[Any]()

    async def run() -> None:
        def begin() -> None:
            told.extend((asyncio.get_running_loop(), threading.get_ident()))
            began.set()

        with suppress(CancelledError):
            await main(begin)

    thread = threading.Thread(target=lambda: run_on(loop, run()))
    thread.start()
    try:
        assert began.wait(10)
        return found(told[1], told[0])
    finally:
        end()
        thread.join(20)


async def answer() -> int:
    return 42


def test_a_future_of_the_loop_itself_can_never_come(loop: str) -> None:
    futures: list[Future[Any]] = []

    async def main(begin: Callable[[], None]) -> None:
        futures.append(asyncio.run_coroutine_threadsafe(answer(), asyncio.get_running_loop()))
        begin()
        futures[0].result()

    wait = seen_from_outside(loop, main, lambda: futures[0].cancel())
    assert is_deadlock(wait)
    assert is_certain(wait) == (loop == "asyncio")  # uvloop hides what it has yet to call
    assert said(wait).endswith("waits on a future of this very loop")


def test_a_future_whose_coroutine_has_begun(loop: str) -> None:
    futures: list[Future[Any]] = []

    async def main(begin: Callable[[], None]) -> None:
        nap = asyncio.sleep(30)
        futures.append(asyncio.run_coroutine_threadsafe(nap, asyncio.get_running_loop()))
        await asyncio.sleep(0.05)
        begin()
        futures[0].result()

    wait = seen_from_outside(loop, main, lambda: futures[0].cancel())
    assert (is_deadlock(wait), is_certain(wait)) == (True, True)
    assert said(wait) == "waits on a future of this very loop"


def test_a_pool_s_thread_that_waits_for_the_loop(loop: str) -> None:
    futures: list[Future[Any]] = []

    async def main(begin: Callable[[], None]) -> None:
        running = asyncio.get_running_loop()

        def ask() -> None:
            futures.append(asyncio.run_coroutine_threadsafe(answer(), running))
            with suppress(CancelledError):
                futures[0].result()

        with ThreadPoolExecutor(1, "pool") as pool:
            asked = pool.submit(ask)
            while not futures:
                time.sleep(0.01)
            begin()
            asked.result()

    wait = seen_from_outside(loop, main, lambda: futures[0].cancel())
    assert said(wait).startswith("waits on a future that thread 'pool_0' works on at ")
    assert is_deadlock(wait)


def test_a_lock_that_a_suspended_coroutine_holds(loop: str) -> None:
    lock = threading.Lock()

    async def hold() -> None:
        with lock:
            await asyncio.sleep(30)

    async def main(begin: Callable[[], None]) -> None:
        holding = asyncio.create_task(hold())
        await asyncio.sleep(0.05)
        begin()
        lock.acquire()
        holding.cancel()

    def end() -> None:
        lock.release()

    wait = seen_from_outside(loop, main, end)
    assert said(wait).startswith("waits for a lock held by a suspended coroutine of this very loop")
    assert said(wait).endswith("await asyncio.sleep(30)")
    assert is_deadlock(wait)


def test_a_lock_that_the_loop_s_thread_has_already(loop: str) -> None:
    lock = threading.Lock()

    async def main(begin: Callable[[], None]) -> None:
        with lock:
            begin()
            lock.acquire()

    wait = seen_from_outside(loop, main, lock.release)
    assert said(wait).startswith("waits for a lock held by the loop's own thread at ")
    assert is_deadlock(wait)


def test_no_frame_waits_for_a_collection() -> None:
    """What a thread had in its variables goes as its function returns, on that very thread."""

    class Own:
        def __del__(self) -> None:
            ended.append(threading.current_thread().name)

    ended, service = list[str](), Service(threading.Lock())

    def enter() -> None:
        own = Own()
        service.enter()
        del own

    def leave() -> None:
        own = Own()
        service.acquire()
        assert own is not None

    gc.collect()
    gc.disable()
    try:
        for wait in (enter, leave):
            service.holding.clear()
            service.let_go.clear()
            with waiting(service, wait) as thread:
                assert found(thread).holder == "holder"
                OtherThreads().pictures(0.0, 0.0, 0)
    finally:
        gc.enable()
    assert ended == ["waiter", "waiter"]

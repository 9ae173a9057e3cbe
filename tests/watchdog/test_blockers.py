"""What a thread waits for, and who could end that: found while it waits, without a reference."""

import gc
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from loopwatch.core.speedups import speedups
from loopwatch.explain.blocker import is_certain, is_deadlock
from loopwatch.watchdog.blockers import blocker
from loopwatch.watchdog.other_threads import OtherThreads

from .waiting import Service, found, said, waiting

pytestmark = pytest.mark.skipif(speedups is None, reason="only C sees what names mean elsewhere")

PLAIN = threading.Lock()


def enter_global() -> None:
    with PLAIN:
        pass


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

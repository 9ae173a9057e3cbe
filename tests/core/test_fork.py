"""A fork while loops are watched: the child is a process of its own, the parent feels nothing."""

import os
import sys
import textwrap

import pytest

from tests.calm import in_calm
from tests.conftest import CHECKOUT, run_script, run_to_its_end

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

WITHIN_THE_LOOP = """
    import asyncio, gc, os, sys, threading, time, warnings
    warnings.simplefilter("ignore", DeprecationWarning)  # 3.12+: fork with threads about
    from prometheus_client import CollectorRegistry, generate_latest
    from loopwatch import Watch
    from tests.conftest import run_on
    from tests.forking import fork

    registry = CollectorRegistry()
    watch = Watch(registry=registry, otel=False, log=False)
    loop = sys.argv[1]

    async def block(times):
        for _ in range(times):
            await asyncio.sleep(0.02)
            time.sleep(0.12)
        await asyncio.sleep(0.15)

    async def in_child():
        watch.start()
        await block(2)

    def child():
        names = [thread.name for thread in threading.enumerate()]
        assert "loopwatch-watchdog" not in names, names
        snapshot = watch.snapshot()
        assert snapshot.loops == (), snapshot.loops
        assert snapshot.stall_count == 0
        assert (snapshot.busy, snapshot.idle) == (0.0, 0.0)
        asyncio.events._set_running_loop(None)
        run_on(loop, in_child())
        assert len(watch.stalls) == 2, watch.stalls
        assert {stall.site.function for stall in watch.stalls} == {"__main__.block"}
        scrape = generate_latest(registry).decode()
        assert "loopwatch_stall_seconds_count" in scrape
        watch.stop()
        assert not any("loopwatch" in repr(callback) for callback in gc.callbacks)
        assert generate_latest(registry) == b""

    async def main():
        watch.start()
        await block(1)
        pid = fork(child)
        await block(2)
        _, status = await asyncio.to_thread(os.waitpid, pid, 0)
        print("child", os.waitstatus_to_exitcode(status))
        (reading,) = watch.snapshot().loops
        print("parent", len(watch.stalls), reading.loop)

    run_on(loop, main())
    watch.stop()
"""

BEFORE_THE_LOOP = """
    import asyncio, os, sys, time, traceback, warnings
    warnings.simplefilter("ignore", DeprecationWarning)
    from loopwatch import Watch
    from tests.conftest import run_on

    async def block():
        await asyncio.sleep(0.02)
        time.sleep(0.12)
        await asyncio.sleep(0.15)

    with Watch(registry=None, otel=False, log=False) as watch:
        pid = os.fork()
        run_on(sys.argv[1], block())
        counted = len(watch.stalls)
    if pid == 0:
        os._exit(counted)
    _, status = os.waitpid(pid, 0)
    print(counted, os.waitstatus_to_exitcode(status))
"""

PREFORKED = """
    import asyncio, os, sys, warnings
    from multiprocessing import get_context
    warnings.simplefilter("ignore", DeprecationWarning)
    from loopwatch import LoopWatchMiddleware, Watch
    from tests.asgi import visit
    from tests.conftest import run_on
    from tests.web.requests import routed

    watch = Watch(registry=None, otel=False, log=False)
    app = LoopWatchMiddleware(routed("/worker"), watch=watch)

    def worker(loop):
        run_on(loop, visit(app))
        (reading,) = watch.snapshot().requests
        assert (reading.route, reading.latency.count) == ("/worker", 1), reading

    run_on(sys.argv[1], visit(app))
    workers = [get_context("fork").Process(target=worker, args=sys.argv[1:]) for _ in range(3)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    print([process.exitcode for process in workers])
"""


@in_calm
def test_a_fork_from_within_the_loop_leaves_both_whole(loop: str) -> None:
    """The child counts from zero and can be watched anew; the parent goes on as if nothing was."""
    printed = run_script(WITHIN_THE_LOOP, loop)
    assert printed.splitlines() == ["child 0", f"parent 3 {loop}"]


@in_calm
def test_a_fork_while_waiting_for_loops_has_both_wait(loop: str) -> None:
    assert run_script(BEFORE_THE_LOOP, loop).split() == ["1", "1"]


@in_calm
def test_workers_forked_after_a_first_request_count_their_own(loop: str) -> None:
    """As with a server that loads the app first and forks then."""
    assert run_script(PREFORKED, loop).strip() == "[0, 0, 0]"


def test_a_lock_is_free_in_the_child_whoever_held_it() -> None:
    """Several threads fork while others hold the locks: no child waits for a lock for ever."""
    printed = run_script("""
        import os, threading, time, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        from loopwatch.core import fork
        from tests.forking import fork as forked

        fork.PATIENCE = 0.05
        locks = [threading.RLock() for _ in range(3)]
        for lock in locks:
            fork.no_fork_while(lock)
        ended = threading.Event()

        def hold(lock, seconds):
            while not ended.is_set():
                with lock:
                    time.sleep(seconds)
                time.sleep(0)

        def child():
            for lock in locks:
                assert lock.acquire(timeout=1.0), "held for ever"
                lock.release()
                threading.Thread(target=lock.acquire).start()

        def parent():
            for _ in range(10):
                _, status = os.waitpid(forked(child), 0)
                codes.append(os.waitstatus_to_exitcode(status))

        codes = []
        threads = [threading.Thread(target=hold, args=(locks[0], 0.0))]
        threads += [threading.Thread(target=hold, args=(locks[2], 0.2))]
        threads += (forkers := [threading.Thread(target=parent) for _ in range(3)])
        for thread in threads:
            thread.start()
        for thread in forkers:
            thread.join()
        ended.set()
        print(codes == [0] * 30 or codes)
    """)
    assert printed.strip() == "True"


UVLOOP_FIRST = """
    import asyncio, uvloop
    uvloop.new_event_loop().close()  # its hook is the first that a child runs
    from loopwatch import Watch

    async def main():
        watch.start()
        for _ in range(3):
            process = await asyncio.create_subprocess_exec("true")
            print(await process.wait())

    with Watch(registry=None, otel=False, log=False) as watch:
        uvloop.run(main())
"""


def test_a_subprocess_of_uvloop_begins_without_an_error() -> None:
    pytest.importorskip("uvloop")
    command = [sys.executable, "-c", textwrap.dedent(UVLOOP_FIRST)]
    done = run_to_its_end(command, 60, PYTHONPATH=str(CHECKOUT))
    assert (done.stdout.split(), done.stderr) == (["0"] * 3, "")

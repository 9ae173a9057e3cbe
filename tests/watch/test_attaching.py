"""Loops come under a watch and leave it: dropped without close, at rest, or unwatchable."""

import asyncio
import gc
import logging
import selectors
import threading
import time
import weakref
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from loopwatch import Watch
from loopwatch.core import guard
from loopwatch.loop.thread_pools import ThreadPool
from loopwatch.watch.delivery import Delivery
from loopwatch.watch.watched_loop import LOOPS, WatchedLoop
from loopwatch.watchdog.clocks import Clocks
from loopwatch.watchdog.watchdog import Watchdog
from tests.conftest import MakeWatch, loop_factory, private_watch, run_on, run_script
from tests.states import loop_state, process_state


@pytest.mark.parametrize("inside", [False, True])
def test_dropped_loops_are_not_kept(inside: bool) -> None:
    """One that the watchdog looks at as a collection begins is let go of at a later one."""
    printed = run_script(
        """
        import asyncio, gc, sys, time, warnings, weakref
        from loopwatch import Watch
        from loopwatch.watch.watched_loop import LOOPS

        warnings.simplefilter("ignore", ResourceWarning)
        inside, watch = sys.argv[1] == "True", Watch(registry=None, log=False)

        def dropped():
            loop = asyncio.new_event_loop()

            async def main():
                if inside:
                    watch.start()
                await asyncio.sleep(0)

            loop.run_until_complete(main())
            return weakref.ref(loop)

        if not inside:
            watch.start()
        loops = [dropped() for _ in range(20)]
        for collections in range(1, 101):
            gc.collect()
            if not any(loop() for loop in loops):
                break
            time.sleep(0.02)
        print(sum(loop() is not None for loop in loops), len(LOOPS))
        watch.stop()
        """,
        str(inside),
    )
    assert printed.split() == ["0", "0"]


def test_a_loop_that_rested_is_watched_again(loop: str) -> None:
    """A full collection lets go of it; its next run is watched, and nothing counted is lost."""
    before = process_state()
    with private_watch() as watch:
        running = loop_factory(loop)()
        bare = loop_state(running)
        for _ in range(3):
            running.run_until_complete(asyncio.sleep(0.01))
            gc.collect()
            assert running not in LOOPS
            assert watch.snapshot().loops == ()
        running.call_soon(time.sleep, 0.12)
        running.run_until_complete(asyncio.sleep(0.01))
        assert len(watch.snapshot().loops) == 1
        assert len(watch.stalls) == 1
        assert watch.snapshot().idle > 0.03
        gc.collect()
        watch.stop()
        assert {**loop_state(running), "handler": None} == {**bare, "handler": None}
        running.close()
    ended = process_state()
    for thread in ended["threads"] - before["threads"]:  # as it was let go of, none was waited for
        thread.join(5.0)
        assert not thread.is_alive()
    assert process_state() == before


def test_the_gap_between_two_runs_is_nobodys(loop: str) -> None:
    with private_watch() as watch:
        running = loop_factory(loop)()
        running.run_until_complete(asyncio.sleep(0.01))
        time.sleep(0.3)
        between = watch.snapshot()
        running.run_until_complete(asyncio.sleep(0.01))
        after = watch.snapshot()
        running.close()
    assert watch.stalls == ()
    for reading in (between, after):
        assert reading.busy + reading.idle < 0.2
        assert max(r.lag.quantile(0.99) or 0.0 for r in reading.loops) < 0.2


PARTS = [
    *((ThreadPool, "install"), (Clocks, "begin"), (Watchdog, "add"), (Delivery, "begin")),
    (WatchedLoop, "begin"),
]


@pytest.mark.parametrize(("owner", "name"), PARTS)
def test_what_fails_halfway_leaves_nothing(
    loop: str,
    owner: type,
    name: str,
    make_watch: MakeWatch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = process_state()
    watch = make_watch(debug=True)

    def fail(*_: Any) -> None:
        raise RuntimeError("as planned")

    async def main() -> None:
        running = asyncio.get_running_loop()
        of_loop = loop_state(running)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            watch.start()
        await asyncio.sleep(0)
        assert loop_state(running) == of_loop
        assert running not in LOOPS
        assert watch.snapshot().loops == ()
        watch.start()
        assert len(watch.snapshot().loops) == 1

    run_on(loop, main())
    watch.stop()
    assert process_state() == before
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert told == ["loopwatch cannot watch this loop, which runs as before: as planned"]


def test_a_selector_of_slots_is_left_alone(make_watch: MakeWatch) -> None:
    class Slots(selectors.DefaultSelector):
        __slots__ = ()

        def __setattr__(self, name: str, value: Any) -> None:
            if name == "select":
                raise AttributeError("'Slots' object attribute 'select' is read-only")
            super().__setattr__(name, value)

    watch = make_watch()

    async def main() -> None:
        before = loop_state(asyncio.get_running_loop())
        watch.start()
        assert loop_state(asyncio.get_running_loop()) == before

    running = asyncio.SelectorEventLoop(Slots())
    running.run_until_complete(main())
    running.close()
    assert running.is_closed()


def test_without_threads_the_app_runs_unwatched(
    loop: str,
    make_watch: MakeWatch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, watch = process_state(), make_watch()

    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def main() -> str:
        watch.start()
        return "done"

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        assert run_on(loop, main()) == "done"
        watch.stop()
    assert process_state() == before
    told = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([text for text in told if "cannot watch this loop" in text]) == 1


@pytest.mark.parametrize("otel", [False, True])
def test_a_watch_that_is_never_stopped_is_collected(loop: str, otel: bool) -> None:
    listeners = len(gc.callbacks)

    def use() -> "weakref.ref[Watch]":
        watch = private_watch(registry=CollectorRegistry(), otel=otel)

        async def main() -> None:
            watch.start()
            await asyncio.sleep(0)

        run_on(loop, main())
        return weakref.ref(watch)

    left = [use() for _ in range(3)]
    gc.collect()
    assert [watch() for watch in left] == [None] * 3
    assert len(gc.callbacks) == listeners


def test_the_watchdog_goes_on_after_an_error_of_its_own(
    loop: str,
    make_watch: MakeWatch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch, look, failed = make_watch(), Watchdog._look, list[int]()

    def failing(self: Watchdog, *given: Any) -> float:
        if not failed:
            failed.append(1)
            raise SystemExit
        return look(self, *given)

    async def main() -> None:
        monkeypatch.setattr(Watchdog, "_look", failing)
        monkeypatch.setattr(guard, "_told", {})
        watch.start()
        time.sleep(0.2)
        await asyncio.sleep(1.0)
        time.sleep(0.2)
        await asyncio.sleep(0.05)

    run_on(loop, main())
    assert failed
    assert watch.stalls[-1].stack
    assert "loopwatch.watchdog, which goes on" in caplog.text


def giving_way() -> Watch:
    watch = private_watch()
    watch.be_guest()
    return watch


def test_a_watch_that_gives_way_leaves_the_loop_to_another(loop: str) -> None:
    """As the one of a program that is watched from outside, and has a watch of its own."""

    async def held() -> None:
        time.sleep(0.15)

    async def main(other: Watch) -> None:
        other.start()
        assert (len(first._loops), len(other._loops)) == (0, 1)
        await asyncio.create_task(held())
        first._adopt(asyncio.get_running_loop())  # it does not take it back
        assert (len(first._loops), len(other._loops)) == (0, 1)

    with giving_way() as first, private_watch() as other:
        run_on(loop, main(other))
    assert len(other.stalls) == 1
    assert len(first.stalls) == 0


def test_of_watches_that_wait_for_loops_one_that_gives_way_gets_none(loop: str) -> None:
    async def main(first: Watch, second: Watch) -> tuple[int, int]:
        return len(first._loops), len(second._loops)

    with giving_way() as first, private_watch() as second:
        assert run_on(loop, main(first, second)) == (0, 1)
    with giving_way() as first, giving_way() as second:
        assert run_on(loop, main(first, second)) == (1, 0)

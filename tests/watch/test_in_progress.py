"""A hold that has not ended is shown while it lasts, and logged before the process is killed."""

import asyncio
import logging
import threading
import time

import pytest
from prometheus_client import CollectorRegistry

from loopwatch import Stall
from loopwatch.core.speedups import speedups
from loopwatch.exporters.log import provisional
from tests.watch.wedging import Wedge, wait_for_one, wedged

from ..conftest import MakeWatch, run_on, run_script

GAUGE = "loopwatch_stall_in_progress_seconds"


class Listening:
    def __init__(self) -> None:
        self.provisional: list[Stall] = []
        self.told: list[Stall] = []

    def in_progress(self, stall: Stall) -> None:
        self.provisional.append(stall)

    def stalled(self, stall: Stall) -> None:
        self.told.append(stall)


def test_what_holds_the_loop_is_shown_while_it_does(loop: str, make_watch: MakeWatch) -> None:
    registry = CollectorRegistry()
    watch = make_watch(registry=registry)
    with wedged(loop, watch) as wedge:
        stall = wait_for_one(watch)
        assert (stall.in_progress, stall.site.code, stall.cause) == (
            True,
            "self.let_go.wait(20)",
            "blocking_call",
        )
        assert stall.site.function == f"{Wedge.__module__}.Wedge.hold"
        time.sleep(0.2)
        [later] = watch.snapshot().in_progress
        assert later.duration > stall.duration + 0.15
        assert later.started_at == pytest.approx(stall.started_at, abs=0.01)
        labels = {"route": "_NONE", "site": f"{Wedge.__module__}.Wedge.hold"}
        assert (registry.get_sample_value(GAUGE, labels) or 0.0) > stall.duration
        assert watch.snapshot().stall_count == 0
        assert watch.snapshot().to_dict()["in_progress"][0]["in_progress"] is True
        wedge.let_go.set()
        until = time.monotonic() + 5
        while watch.in_progress and time.monotonic() < until:
            time.sleep(0.01)
        assert watch.in_progress == ()
        assert registry.get_sample_value(GAUGE, labels) is None
    [ended] = watch.stalls
    assert not ended.in_progress


def test_it_is_delivered_at_1_s_and_at_doubling_ages_and_once_at_its_end(
    loop: str, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    watch, listening = make_watch(log=True), Listening()
    watch.add_instrument(listening)
    with wedged(loop, watch):
        time.sleep(2.7)
    watch.stop()
    ages = [stall.duration for stall in listening.provisional]
    assert [round(age) for age in ages] == [1, 2]
    assert all(age - round(age) < 0.3 for age in ages)
    assert [stall.in_progress for stall in listening.told] == [False]
    logged = [r for r in caplog.records if r.levelno == logging.WARNING and hasattr(r, "stall")]
    assert [r.stall["in_progress"] for r in logged] == [True, True, False]
    sentence = logged[1].getMessage()
    assert "main has been holding the loop for 2." in sentence
    assert "self.let_go.wait(20)" in sentence
    assert sentence.endswith("[blocking_call]")


def test_a_long_threshold_is_waited_for_ten_times(loop: str, make_watch: MakeWatch) -> None:
    watch, listening = make_watch(slow_callback_duration=0.15), Listening()
    watch.add_instrument(listening)
    with wedged(loop, watch):
        time.sleep(1.9)
    assert [round(stall.duration, 1) for stall in listening.provisional] == [
        pytest.approx(1.5, abs=0.2)
    ]


def test_an_error_in_explaining_costs_the_line_and_not_the_snapshot(
    loop: str,
    make_watch: MakeWatch,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("explain")

    monkeypatch.setattr("loopwatch.watch.reporter.explain", fail)
    watch = make_watch()
    with wedged(loop, watch):
        stall = wait_for_one(watch)
        assert (stall.in_progress, stall.site.line) == (True, 0)
        assert len(watch.snapshot().in_progress) == 1
    assert caplog.text.count("error inside loopwatch, in loopwatch.explain;") <= 1


def test_what_is_allowed_is_not_shown(loop: str, make_watch: MakeWatch) -> None:
    watch, listening = make_watch(allow=("*.Wedge.hold",)), Listening()
    watch.add_instrument(listening)
    with wedged(loop, watch):
        time.sleep(1.3)
        assert watch.in_progress == ()
    assert listening.provisional == []


def test_a_loop_busy_in_short_steps_holds_nothing(loop: str, make_watch: MakeWatch) -> None:
    watch, seen = make_watch(), list[Stall]()

    async def main() -> None:
        watch.start()
        until = time.monotonic() + 1.3
        while time.monotonic() < until:
            time.sleep(0.004)
            await asyncio.sleep(0)

    thread = threading.Thread(target=run_on, args=(loop, main()))
    thread.start()
    while thread.is_alive():
        seen += watch.in_progress
        time.sleep(0.05)
    assert [stall for stall in seen if stall.duration < 0.1] == []


def test_the_line_is_left_in_the_log_of_a_process_that_is_killed(loop: str) -> None:
    printed = run_script(
        """
        import asyncio, os, signal, sys, threading, time
        from loopwatch import Watch
        from tests.conftest import run_on

        lock = threading.Lock()
        lock.acquire()

        async def main():
            await asyncio.sleep(0.1)
            lock.acquire()

        def child():
            import logging
            logging.basicConfig(stream=sys.stdout, level=logging.WARNING)
            with Watch():
                run_on(sys.argv[1], main())

        pid = os.fork()
        if not pid:
            child()
        time.sleep(1.6)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        """,
        loop,
    )
    assert "has been holding the loop for 1." in printed
    assert "in __main__.main [blocking_call]" in printed


@pytest.mark.skipif(speedups is None, reason="only C sees what names mean elsewhere")
def test_a_lock_that_another_thread_has_is_named(loop: str, make_watch: MakeWatch) -> None:
    """While it lasts, and afterwards; in the sentence as well."""
    watch, let_go, held = make_watch(), threading.Event(), threading.Event()
    lock = threading.Lock()

    def hold() -> None:
        with lock:
            held.set()
            let_go.wait(20)

    async def main() -> None:
        watch.start()
        await asyncio.sleep(0.1)
        with lock:
            pass
        await asyncio.sleep(0.05)

    holder = threading.Thread(target=hold, name="holder")
    holder.start()
    assert held.wait(10)
    thread = threading.Thread(target=run_on, args=(loop, main()))
    thread.start()
    try:
        until = time.monotonic() + 10
        while not any(stall.blocker for stall in watch.in_progress):
            assert time.monotonic() < until
            time.sleep(0.02)
        [stall] = watch.in_progress
    finally:
        let_go.set()
        holder.join(20)
        thread.join(20)
    blocker = stall.blocker
    assert blocker is not None
    assert blocker.text.startswith("waits for a lock held by thread 'holder' at ")
    assert blocker.text in provisional(stall)
    assert blocker.site is not None
    assert (blocker.kind, blocker.thread, blocker.deadlock) == ("lock", "holder", False)
    assert (blocker.site.code, blocker.site.file) == ("let_go.wait(20)", __file__)
    ended = [s.blocker for s in watch.stalls if s.site.file == __file__]
    assert [known.thread for known in ended if known] == ["holder"]

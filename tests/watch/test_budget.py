"""The CPU budget of a watch: beyond it stalls are timed and counted, not sampled or explained."""

import asyncio
import gc
import logging
import threading
import time
from typing import Any

import pytest

from loopwatch.core import guard
from loopwatch.core.cpu_budget import CpuBudget
from loopwatch.core.evidence import Sample, Slow
from loopwatch.core.holds import Hold
from loopwatch.core.record_types import NONE, Stall
from loopwatch.explain.unexplained import ADVICE
from loopwatch.watch.reporter import Reporter
from loopwatch.watch.victim_counts import VictimCount
from tests.calm import in_calm
from tests.conftest import MakeWatch, block_for, run_on, until
from tests.deep_stacks import deep_stacks, own_threads
from tests.explain.calls import CALLS, at_call
from tests.watch.pending import Pending
from tests.watch.recorder import Recorder


class Purse:
    """A budget of which nothing is left, until it is refilled."""

    def __init__(self, share: float = 0.05) -> None:
        self.now = self.cpu = 0.0
        self.budget = CpuBudget(share, lambda: self.cpu, lambda: self.now)
        self.cpu = 1.0

    def refill(self) -> None:
        self.now += 1000.0


def slow(duration: float = 0.5, **more: Any) -> Slow:
    return Slow(started=0.0, duration=duration, thread="MainThread", **more)


def sampled(duration: float = 0.5) -> Slow:
    return slow(duration, samples=[Sample(0.1, False, (at_call(CALLS, 3),), 0.0)])


def told(reporter: Reporter, *slows: Slow) -> list[Stall]:
    loops: Any = [Pending(*slows)]
    reporter.explain(loops)
    return [*reporter.table.recent()][-len(slows) :]


def test_beyond_the_budget_a_stall_is_counted_but_not_explained() -> None:
    purse, reporter = Purse(), Reporter([])
    reporter.budget = purse.budget
    (stall,) = told(reporter, sampled(0.25))
    assert (stall.duration, stall.site.function, stall.stack) == (0.25, NONE, ())
    assert (stall.cause, stall.advice) == ("unknown", ADVICE)
    assert (reporter.table.count, reporter.dropped()["budget"]) == (1, 1)
    purse.refill()
    (stall,) = told(reporter, sampled())
    assert stall.site.function == "shop.prices.calls"
    assert (reporter.table.count, reporter.dropped()["budget"]) == (2, 1)


def test_what_could_not_be_sampled_is_left_out_too() -> None:
    reporter = Reporter([])
    (stall,) = told(reporter, slow(unseen=True))
    assert stall.advice == ADVICE
    assert reporter.dropped()["budget"] == 1


def test_a_hold_of_a_second_is_explained_whatever_was_spent() -> None:
    reporter = Reporter([])
    reporter.budget = Purse().budget
    short, long, next_one = told(reporter, sampled(0.9), sampled(1.0), sampled(1.0))
    assert (short.site.function, long.site.function) == (NONE, "shop.prices.calls")
    assert next_one.site.function == NONE  # one a second


def test_it_is_said_once_an_hour(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(guard, "_told", {})
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    reporter = Reporter([])
    reporter.budget = Purse(0.02).budget
    for _ in range(2):
        told(reporter, *(sampled() for _ in range(50)))
        now[0] += 3601.0
    texts = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(texts) == 2
    assert "cpu_budget=0.02" in texts[0]
    assert 'loopwatch_dropped_total{reason="budget"}' in texts[0]


def test_explaining_on_a_reader_s_thread_is_spent_as_well() -> None:
    reporter = Reporter([])
    thread = threading.Thread(target=told, args=(reporter, *(sampled() for _ in range(50))))
    thread.start()
    thread.join()
    assert reporter.elsewhere.seconds > 0.0


def test_counting_late_victims_wakes_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A delivered stall stays open for a minute, in which its victims may still be found."""
    reporter, rung = Reporter([]), list[float]()
    now = 100.0
    monkeypatch.setattr(reporter.delivery, "ring", lambda: rung.append(now))
    hold = Hold(99.5, now, None, lambda _: False)
    reporter.victim_counts.add(VictimCount(Stall(started_at=1.0, duration=0.5), hold))
    while now < 159.0:
        reporter.attend((), now, None)
        if rung and rung[-1] == now:
            list(reporter.victim_counts.settle(now))
        now += 0.08
    delivered, *sweeps = rung[-7:]
    assert 101.0 < delivered < 101.2
    assert len(sweeps) in (4, 5, 6)
    assert all(later - sooner >= 10.0 for sooner, later in zip(rung[-6:], rung[-5:], strict=False))


@in_calm
def test_without_budget_a_loop_s_stalls_have_durations_only(
    loop: str, make_watch: MakeWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch, recorder = make_watch(), Recorder()
    watch.add_instrument(recorder)
    watch._reporter.budget = Purse().budget

    async def main() -> list[float]:
        watch.start()
        blocked = []
        for _ in range(3):
            await asyncio.sleep(0.05)
            blocked.append(block_for(0.2))
        await until(lambda: len(recorder.told) == 3)
        return blocked

    blocked = run_on(loop, main())
    assert [stall.duration for stall in watch.stalls] == pytest.approx(blocked, abs=0.02)
    assert {stall.site.function for stall in watch.stalls} == {NONE}
    snapshot = watch.snapshot()
    assert snapshot.dropped["budget"] == snapshot.stall_count == 3
    assert sum(row.stalls.count for row in snapshot.sites) == 3


@in_calm
def test_a_loop_that_does_not_come_back_is_told_of_all_the_same(
    loop: str, make_watch: MakeWatch
) -> None:
    watch = make_watch()
    watch._reporter.budget = Purse().budget
    lines: list[str] = []

    def look() -> None:
        deadline = time.monotonic() + 4.0
        while not lines and time.monotonic() < deadline:
            lines.extend(s.site.function for s in watch.in_progress if s.stack)
            time.sleep(0.02)

    async def main() -> None:
        watch.start()
        looker = threading.Thread(target=look)
        looker.start()
        block_for(2.5)
        looker.join()

    run_on(loop, main())
    assert lines == ["tests.conftest.block_for"]


@pytest.mark.slow
@in_calm
def test_in_a_storm_of_stalls_the_budget_holds_and_every_stall_counts(
    loop: str, make_watch: MakeWatch, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight a second, each of another stack, 64 deep. Without a budget this takes 2 % of a core.

    A collection may fall on one of our threads. It takes 0.2 s of CPU where all the objects of a
    run of tests are collected, so they are not.
    """
    share, blocks = 0.005, 24
    gc.collect()
    gc.freeze()
    functions = deep_stacks(tmp_path, blocks, monkeypatch)
    watch = make_watch(cpu_budget=share)

    async def main() -> tuple[float, float, float]:
        watch.start()
        await asyncio.sleep(0.3)
        told_before, before, began = watch.snapshot().self_seconds, own_threads(), time.monotonic()
        for function in functions:
            function(0.115)
            await asyncio.sleep(0.01)
        spent = own_threads() - before
        return watch.snapshot().self_seconds - told_before, spent, time.monotonic() - began

    try:
        told_seconds, spent, took = run_on(loop, main())
    finally:
        gc.unfreeze()
    most = share * (took + 2.0) + 0.03  # what was saved up, and what is under way as it ends
    assert spent < most
    assert told_seconds < most + 0.01  # with the reading of it
    snapshot = watch.snapshot()
    assert snapshot.stall_count == blocks
    assert 0 < snapshot.dropped["budget"] < blocks
    explained = [s for s in watch.stalls if s.site.function != NONE]
    assert len(explained) == blocks - snapshot.dropped["budget"]

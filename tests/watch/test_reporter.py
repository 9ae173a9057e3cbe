"""What is made of stalls: allowed ones counted apart, advice, profiles of all of them."""

import asyncio
import logging
import re
import time
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from loopwatch import Site, Stall
from loopwatch.core.evidence import Slow
from loopwatch.explain.advice import Adviser
from loopwatch.watch.reporter import Reporter
from tests.calm import in_calm
from tests.conftest import MakeWatch, run_on, until
from tests.watch.pending import Pending
from tests.watch.recorder import Recorder


async def meant() -> None:
    time.sleep(0.12)


async def mistake() -> None:
    time.sleep(0.12)


async def both() -> None:
    for _ in range(2):
        await asyncio.sleep(0.02)
        await meant()
        await asyncio.sleep(0.02)
        await mistake()
    await asyncio.sleep(0.02)


@in_calm
def test_allowed_stalls_are_counted_apart_and_told_nobody(
    loop: str, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    registry, recorder = CollectorRegistry(), Recorder()
    watch = make_watch(allow=("*.test_reporter.meant", "none.*"), registry=registry, log=True)
    watch.add_instrument(recorder)

    async def main() -> float:
        watch.start()
        await both()
        await until(lambda: len(recorder.told) >= 2)
        name, labels = "loopwatch_allowed_stall_seconds", {"site": f"{__name__}.meant"}
        assert registry.get_sample_value(f"{name}_count", labels) == 2
        return registry.get_sample_value(f"{name}_sum", labels) or 0.0

    assert run_on(loop, main()) >= 0.2
    snapshot = watch.snapshot()
    for stalls in (watch.stalls, tuple(recorder.told), snapshot.stalls):
        assert f"{__name__}.mistake" in {stall.site.function for stall in stalls}
        assert f"{__name__}.meant" not in {stall.site.function for stall in stalls}
    assert [row.site for row in snapshot.allowed] == [f"{__name__}.meant"]
    assert f"{__name__}.meant" not in {row.site for row in snapshot.sites}
    assert snapshot.stall_count == sum(row.stalls.count for row in snapshot.sites)
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert any("mistake" in text for text in warnings)
    assert not any("meant" in text for text in warnings)
    assert ".meant" not in watch.flamegraph_folded()
    assert snapshot.to_dict()["allowed"][0]["stalls"]["counts"]


@in_calm
def test_stalls_come_with_advice(loop: str, make_watch: MakeWatch) -> None:
    watch = make_watch(advice={f"{__name__}.mistake": "Do not."})

    async def main() -> None:
        watch.start()
        await both()

    run_on(loop, main())
    told = {stall.site.function.rpartition(".")[2]: stall.advice for stall in watch.stalls}
    assert "await asyncio.sleep(...)" in told["meant"]
    assert told["mistake"] == "Do not."


@in_calm
def test_profiles_are_of_all_stalls_so_far(loop: str, make_watch: MakeWatch) -> None:
    """On a loop that is gone, too."""
    watch = make_watch()

    async def main() -> None:
        watch.start()
        await both()

    run_on(loop, main())
    run_on(loop, main())
    text = watch.flamegraph_folded()
    weights = [int(w) for w in re.findall(r"test_reporter\.mistake (\d+)$", text, re.MULTILINE)]
    assert sum(weights) >= 4 * 120
    [profile] = watch.speedscope()["profiles"]
    assert sum(profile["weights"]) == pytest.approx(
        sum(r.stalls.sum for r in watch.snapshot().sites)
    )


def slow() -> Slow:
    return Slow(started=0.0, duration=0.5, thread="MainThread")


def test_a_reporter_afresh_has_the_same_rules() -> None:
    """In a forked child."""
    reporter = Reporter([Recorder()], ("_NONE",))
    loops: Any = [Pending(slow(), slow())]
    reporter.explain(loops)
    child = reporter.afresh()
    assert [row.stalls.count for row in reporter.table.allowed.readings()] == [2]
    assert child.table.allowed.readings() == ()
    child.explain(loops)
    assert (child.table.count, bool(child.delivery)) == (0, False)
    assert [row.stalls.count for row in child.table.allowed.readings()] == [2]
    assert child.delivery.instruments == reporter.delivery.instruments


def test_advice_that_fails_costs_the_advice_only(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> str:
        raise OSError("no advice today")

    monkeypatch.setattr(Adviser, "advise", fail)
    reporter = Reporter([])
    loops: Any = [Pending(slow(), slow())]
    reporter.explain(loops)
    assert [stall.advice for stall in reporter.table.recent()] == ["", ""]
    assert sum("loopwatch.explain.advice" in r.getMessage() for r in caplog.records) == 1


def test_a_site_is_allowed_by_its_whole_name() -> None:
    reporter = Reporter([], ("shop.main", "shop.re*.[ab]"))
    for name in (
        "shop.main",
        "shop.main.more",
        "shop.reports.x.a",
        "shop.reports.x.c",
        "Shop.main",
    ):
        reporter._keep(Stall(started_at=0.0, duration=0.2, site=Site(name)))
    assert [r.site for r in reporter.table.allowed.readings()] == ["shop.main", "shop.reports.x.a"]
    assert reporter.table.count == 3

"""The log: one sentence a stall, and never a flood."""

import logging
from typing import Any

import pytest

from loopwatch import Site, Stall
from loopwatch.explain.circumstance import BY_CAUSE
from loopwatch.explain.remedies import REMEDIES
from loopwatch.exporters.log import ADVICE, BURST, REFILL, StallLog, sentence, short
from tests.watch.recorder import block

from ..calm import in_calm
from ..conftest import MakeWatch, run_on, until

SITE = Site("shop.prices.load", "/app/shop/prices.py", 17, "time.sleep(1)")


def a_stall(**more: Any) -> Stall:
    values: dict[str, Any] = {
        "started_at": 1_800_000_000.0,
        "duration": 0.1504,
        "cause": "blocking_call",
        "route": "/prices/{item}",
        "method": "GET",
        "coroutine": "shop.prices.endpoint",
        "site": SITE,
        "thread": "MainThread",
    }
    return Stall(**values | more)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("stall", "expected"),
    [
        (
            a_stall(),
            "GET /prices/{item} held the loop 0.150 s at /app/shop/prices.py:17 time.sleep(1) "
            "in shop.prices.load [blocking_call]",
        ),
        (
            a_stall(route=None, method=None),
            "shop.prices.endpoint held the loop 0.150 s at /app/shop/prices.py:17 time.sleep(1) "
            "in shop.prices.load [blocking_call]",
        ),
        (
            a_stall(site=Site("shop.prices.load", "/app/shop/prices.py", 12, exact=False)),
            "GET /prices/{item} held the loop 0.150 s near /app/shop/prices.py:12 "
            "in shop.prices.load [blocking_call]",
        ),
        (
            Stall(started_at=1.0, duration=2.0),
            "something held the loop 2.000 s; its line is not known [unknown]",
        ),
        (
            Stall(started_at=1.0, duration=2.0, advice="Use x.sleep(...) instead. It is better."),
            "something held the loop 2.000 s; its line is not known [unknown]; "
            "advice: Use x.sleep(...) instead",
        ),
    ],
)
def test_a_stall_reads_as_one_sentence(stall: Stall, expected: str) -> None:
    assert sentence(stall) == expected


@pytest.mark.parametrize(
    ("advice", "expected"),
    [
        ("", ""),
        ("Use y.", "Use y"),
        ("use y", "use y"),
        ("Await x.sleep(...) or y. z too. Not w.", "Await x.sleep(...) or y. z too"),
        ("Why? Because.", "Why?"),
        ("x" * 1000, "x" * ADVICE + "..."),
    ],
)
def test_the_first_sentence_of_an_advice_is_logged(advice: str, expected: str) -> None:
    assert short(advice) == expected


def test_all_known_advice_is_logged_unabridged() -> None:
    known = [*(remedy.advice for remedy in REMEDIES), *BY_CAUSE.values()]
    assert [advice for advice in known if short(advice).endswith("...")] == []


def test_a_stall_is_one_warning_with_its_data(caplog: pytest.LogCaptureFixture) -> None:
    stall = a_stall()
    StallLog().stalled(stall)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("loopwatch", logging.WARNING)
    assert record.getMessage() == sentence(stall)
    assert vars(record)["stall"] == stall.to_dict()


def test_percent_signs_in_code_are_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    StallLog().stalled(a_stall(site=Site("m.f", "/m.py", 1, "'%s %d' % value")))
    assert "'%s %d' % value" in caplog.records[0].getMessage()


def test_a_site_that_stalls_all_the_time_is_limited(caplog: pytest.LogCaptureFixture) -> None:
    """A burst, then one in `REFILL` seconds, which says how many were left out."""
    clock = Clock()
    log = StallLog(clock)
    for _ in range(BURST + 20):
        log.stalled(a_stall())
    assert len(caplog.records) == BURST
    assert log.suppressed == 20

    clock.now += REFILL * 0.9
    log.stalled(a_stall())
    assert len(caplog.records) == BURST

    clock.now += REFILL * 0.2
    log.stalled(a_stall(advice="Use y."))
    log.stalled(a_stall(advice="Use y."))
    assert len(caplog.records) == BURST + 1
    said = caplog.records[-1].getMessage()
    assert said.endswith("(21 more of this site not logged since the last); advice: Use y")

    clock.now += REFILL
    log.stalled(a_stall())
    assert "(1 more of this site" in caplog.records[-1].getMessage()
    clock.now += REFILL
    log.stalled(a_stall())
    assert "more of this site" not in caplog.records[-1].getMessage()
    assert log.suppressed == 22


def test_rest_refills_no_more_than_a_burst(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = StallLog(clock)
    log.stalled(a_stall())
    clock.now += 1000 * REFILL
    caplog.clear()
    for _ in range(2 * BURST):
        log.stalled(a_stall())
    assert len(caplog.records) == BURST


def test_one_site_s_flood_silences_no_other(caplog: pytest.LogCaptureFixture) -> None:
    log = StallLog(Clock())
    for _ in range(100):
        log.stalled(a_stall())
    caplog.clear()
    log.stalled(a_stall(route="/other"))
    log.stalled(a_stall(site=Site("shop.prices.load", "/app/shop/prices.py", 18)))
    assert len(caplog.records) == 2


def test_sites_remembered_are_bounded() -> None:
    log = StallLog(Clock())
    for line in range(1000):
        log.stalled(a_stall(site=Site("m.f", "/m.py", line)))
    assert len(log._allowances) <= 256


@in_calm
def test_stalls_of_a_running_loop_reach_the_log(
    loop: str, make_watch: MakeWatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One WARNING a stall; the install says once, at INFO, what is seen and what is not."""
    caplog.clear()
    caplog.set_level(logging.INFO, logger="loopwatch")
    watch = make_watch(log=True)

    async def main() -> None:
        watch.start()
        await block(2)
        await until(lambda: sum(r.levelno == logging.WARNING for r in caplog.records) >= 2)

    run_on(loop, main())
    infos = [r.getMessage() for r in caplog.records if r.levelno == logging.INFO]
    assert len(infos) == 1
    assert f"watches the {loop} loop" in infos[0]
    assert ("cannot see" in infos[0]) == (loop == "uvloop")
    warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert [vars(r)["stall"] for r in warnings] == [s.to_dict() for s in watch.stalls]
    assert len(warnings) == 2
